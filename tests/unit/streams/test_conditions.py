"""Topics that would lose, mistime or refuse records keep a worker from starting, with the command
that mends them.
"""

import pytest

from schemas.catalog import (
    BROADCASTS,
    DEAD_LETTERS,
    INPUTS,
    JOURNAL,
    REDRIVES,
    RESULTS,
    TABLES_COMMANDS,
    TOPICS,
)
from streams.kafka.admin.topic_conditions import FIX, INPUT_RETENTION_MS_MIN, faults_of, unmet
from streams.kafka.admin.topics import settings_of
from streams.kafka.reading import admin
from streams.runtime.errors import MendstreamError
from streams.runtime.message_sizes import RECORD_BYTES
from tests.support.still import still

TABLES = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
LOSING = {
    **{(name, "message.timestamp.type"): "CreateTime" for name in (*INPUTS, *BROADCASTS)},
    **{(name, "cleanup.policy"): "delete" for name in TABLES},
    **{
        (name, "cleanup.policy"): "compact"
        for name, topic in TOPICS.items()
        if topic.cleanup == "delete"
    },
    (TABLES_COMMANDS, "cleanup.policy"): "compact,delete",
    (JOURNAL, "retention.ms"): "604800000",
    (JOURNAL, "retention.bytes"): "1000000",
    (REDRIVES, "retention.ms"): "604800000",
    **{(name, "retention.ms"): str(INPUT_RETENTION_MS_MIN - 1) for name in INPUTS},
    **{(name, "retention.bytes"): "1073741824" for name in INPUTS},
    **{
        (name, "max.message.bytes"): str(RECORD_BYTES - 1)
        for name in (*TABLES, JOURNAL)
        if name not in BROADCASTS
    },
    (DEAD_LETTERS, "max.message.bytes"): "1048588",
    (RESULTS, "unclean.leader.election.enable"): "true",
}


def test_what_we_create_meets_every_condition() -> None:
    for topic in TOPICS.values():
        for replication in (1, 3):
            assert list(faults_of(topic, settings_of(topic, replication))) == []


@pytest.mark.parametrize(
    ("place", "value"), LOSING.items(), ids=["-".join(place) for place in LOSING]
)
def test_each_setting_that_loses_records_is_a_fault_which_its_remedy_mends(
    place: tuple[str, str], value: str
) -> None:
    name, setting = place
    config = settings_of(TOPICS[name])
    (fault,) = faults_of(TOPICS[name], config | {setting: value})
    assert (fault.topic, fault.setting) == place
    assert value in fault.sentence
    assert list(faults_of(TOPICS[name], config | {setting: fault.wanted})) == []


def test_a_longer_retention_and_shorter_segments_are_no_fault() -> None:
    config = settings_of(TOPICS[RESULTS]) | {
        "retention.ms": str(INPUT_RETENTION_MS_MIN),
        "segment.bytes": "1048576",
    }
    assert list(faults_of(TOPICS[RESULTS], config)) == []


def test_what_a_broker_keeps_by_size_for_all_topics_is_told_and_does_not_reach_what_we_create() -> (
    None
):
    """What Kafka tells of a topic is what is in force for it, be it of the topic or of the
    broker.
    """
    broker = {"retention.bytes": "1073741824"}
    (fault,) = faults_of(TOPICS[RESULTS], broker)
    assert (fault.setting, fault.wanted) == ("retention.bytes", "-1")
    assert "1073741824" in fault.sentence
    for topic in TOPICS.values():
        assert list(faults_of(topic, broker | settings_of(topic))) == []
    with still() as one:
        one.kafka.configured[RESULTS] = broker
        assert [
            (each.topic, each.setting) for each in unmet(admin(one.settings), one.settings)
        ] == [(RESULTS, "retention.bytes")]


def test_a_worker_does_not_start_on_topics_that_lose_records() -> None:
    with still() as one:
        assert unmet(admin(one.settings), one.settings) == []
        one.kafka.configured[RESULTS] = {"message.timestamp.type": "CreateTime"}
        one.kafka.configured[TABLES_COMMANDS] = {"cleanup.policy": "delete"}
        with pytest.raises(MendstreamError) as refused:
            one.worker()
        assert refused.value.remedy == f"Run `{FIX}`."
        for told in (
            f"{RESULTS}: message.timestamp.type is CreateTime",
            f"{TABLES_COMMANDS}: cleanup.policy is delete",
        ):
            assert told in refused.value.fault
