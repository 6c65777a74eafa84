"""A stranger's transaction that is open when a processor starts is not waited for, and counts once
it has ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import TopicPartition

from schemas.catalog import POLICIES, REQUESTS, REVIEWS, SPECS, STATUS, TABLES_ARMS
from schemas.records import Policy
from streams.kafka import reading
from streams.kafka.backend import backend_of
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.builders import CODEC, spec
from tests.support.kafka.running import SECONDS, Threaded, own_topics

pytestmark = pytest.mark.kafka
POLICY = Policy(event_id="late", policy_id="late")


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Holds a policy and a spec, and stands open on all else that is read before any result;
    committed in the end.
    """
    stranger = backend_of(settings).producer(
        settings.client(**{"transactional.id": "a stranger", "transaction.timeout.ms": 300_000})
    )
    stranger.init_transactions(SECONDS)
    stranger.begin_transaction()
    stranger.produce(POLICIES, CODEC.encode(POLICY), POLICY.policy_id, 0)
    for topic in (SPECS, STATUS, REQUESTS, REVIEWS):
        for partition in range(settings.partitions):
            stranger.produce(topic, CODEC.encode(spec()), "bot", partition)
    assert stranger.flush(SECONDS) == 0
    yield
    stranger.commit_transaction(SECONDS)


def test_a_start_does_not_wait_for_a_transaction_that_somebody_left_open(kafka: str) -> None:
    with own_topics(kafka) as settings:
        with held(settings), Threaded(settings) as worker:
            worker.until(lambda: worker.ready)
        with Threaded(settings) as worker:
            worker.until(lambda: worker.ready)
            policies = [one.tables.policies for one in worker.processor._member.owned.values()]
            worker.until(lambda: all(POLICY.policy_id in each for each in policies))


def test_a_transaction_that_nobody_ends_on_what_is_read_is_named_with_what_ends_it(
    kafka: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that Kafka lost track of, say when its disk was full: a reader of a table said that no
    Kafka answers.
    """
    monkeypatch.setattr(reading, "_TOLD_SECONDS", 0.2)
    monkeypatch.setattr(reading, "_PATIENCE_SECONDS", 1.0)
    with own_topics(kafka) as settings:
        stranger = backend_of(settings).producer(
            settings.client(**{"transactional.id": "lost", "transaction.timeout.ms": 300_000})
        )
        stranger.init_transactions(SECONDS)
        stranger.begin_transaction()
        stranger.produce(TABLES_ARMS, b"row", "key", 1)
        assert stranger.flush(SECONDS) == 0
        parts = [TopicPartition(TABLES_ARMS, p) for p in range(settings.partitions)]
        ends = reading.end_offsets(reading.admin(settings), parts)
        ranges = {(TABLES_ARMS, part.partition): (0, end) for part, end in ends.items()}
        with pytest.raises(MendstreamError) as raised:
            list(reading.read(settings, ranges))
        name = settings.topic(TABLES_ARMS)
        assert f"Committed records of {name}/1 end at offset 0;" in str(raised.value)
        assert f"abort --topic {name} --partition 1 --start-offset 0" in raised.value.remedy
        assert f"what a transaction holds back: {name}/1" in caplog.text
        stranger.commit_transaction(SECONDS)
        assert sum(map(len, reading.read(settings, ranges))) == 1
