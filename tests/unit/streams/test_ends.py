"""What a worker says when Kafka ends it is a sentence with a remedy, and no remedy names what there
is not.
"""

import pytest
from confluent_kafka import KafkaError

from schemas.catalog import JOURNAL, TOPICS
from streams.kafka.error_messages import begin_anew, ended
from streams.runtime.settings import Settings


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    ],
)
def test_a_worker_whose_slot_was_taken_says_which_and_what_to_do(code: int) -> None:
    said = ended(
        KafkaError(code, "Local: This instance has been fenced"), Settings(group="g", slot="7")
    )
    assert said.startswith("another worker of group 'g' has taken slot '7' over")
    assert "MENDSTREAM_SLOT" in said
    assert "fenced" not in said


def test_another_end_is_told_as_the_client_tells_it() -> None:
    assert "odd" in ended(KafkaError(KafkaError._FATAL, "odd"), Settings())


def test_to_begin_anew_names_topics_that_there_are() -> None:
    said = begin_anew(Settings(topic_prefix="staging."))
    assert f"delete staging.{JOURNAL} and all staging.tables.*.v1," in said
    tables = [
        name for name, topic in TOPICS.items() if topic.cleanup == "compact" and name != JOURNAL
    ]
    assert [name for name in tables if name.startswith("tables.")]
    assert f"delete {JOURNAL} and all tables.*.v1," in begin_anew(Settings())
