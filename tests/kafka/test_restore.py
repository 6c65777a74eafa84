"""A processor that cannot trust what it left behind refuses to start; a broker that dies costs
nothing.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.catalog import DEAD_LETTERS, JOURNAL, RESULTS, STATUS, TABLES_ARMS, TICKS, TOPICS
from schemas.ids import partition_of
from streams.engine.transaction import Crash, Outbox, Transactions
from streams.history.replay import main as replay
from streams.kafka.admin import topics
from streams.kafka.admin.topics import settings_of
from streams.kafka.admin_types import NewTopic
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import begin_anew
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.metrics import REGISTRY
from streams.runtime.settings import Settings
from tests.support.builders import result
from tests.support.kafka.logs import (
    ends_of,
    journal,
    send,
    standing,
)
from tests.support.kafka.running import (
    SECONDS,
    Child,
    Threaded,
    changed,
    forget,
    own_topics,
    set_offsets,
)

pytestmark = pytest.mark.kafka
FAST: dict[str, Any] = {"session_timeout_ms": 1_000, "transaction_timeout_ms": 5_000}


@pytest.fixture
def lived(kafka: str) -> Iterator[Settings]:
    """Topics whose processor took in 100 results and left, for each test anew."""
    with own_topics(kafka, **FAST) as settings:
        with Threaded(settings) as worker:
            send(settings, RESULTS, [result(n, subject=f"bot-{n % 9}") for n in range(100)])
            send(settings, STATUS, [b"garbage"], ["bot-1"])
            worker.takes_in(ends_of(settings, RESULTS) | ends_of(settings, STATUS))
        yield settings


def refusal(settings: Settings, log: Path) -> str:
    """The one line that a processor says which refuses to run."""
    with Child(settings, log) as child:
        assert child.wait() == 1
    (said,) = [line for line in child.log.read_text().splitlines() if not line.startswith("{")]
    assert said.startswith("error: ")
    return said.removeprefix("error: ")


def make_anew(client: AdminClient, settings: Settings, topic: str) -> None:
    client.delete_topics([topic])[topic].result()
    assert wait_until(lambda: topic not in client.list_topics(timeout=10.0).topics, SECONDS)
    new = NewTopic(topic, settings.partitions, 1, config=settings_of(TOPICS[topic]))

    def created() -> bool:
        try:
            client.create_topics([new])[topic].result()
        except KafkaException:
            return False
        return True

    assert wait_until(created, SECONDS)


def test_offsets_reset_behind_its_back_are_refused_until_they_are_put_right(
    lived: Settings, tmp_path: Path
) -> None:
    partition, entries = next(
        (p, entries) for p, entries in journal(lived).items() if RESULTS in entries[-1].next_offsets
    )
    right = entries[-1].next_offsets[RESULTS]
    set_offsets(lived, [TopicPartition(RESULTS, partition, 0)])
    said = refusal(lived, tmp_path / "log")
    assert said.startswith(f"Partition {partition}: the journal ends at {{")
    assert f"'{RESULTS}': {right}" in said
    assert f"'{RESULTS}': 0" in said
    set_offsets(lived, [TopicPartition(RESULTS, partition, right)])
    with Threaded(lived) as worker:
        worker.until(lambda: worker.ready)
    assert replay(lived) == 0


def test_a_table_topic_made_anew_is_refused_until_its_rows_are_back(
    lived: Settings, tmp_path: Path
) -> None:
    rows = standing(lived, TABLES_ARMS)
    make_anew(admin(lived), lived, TABLES_ARMS)
    said = refusal(lived, tmp_path / "log")
    assert said.startswith("Partition ")
    assert f"'{TABLES_ARMS}': 0" in said
    assert f"Restore it, or {begin_anew(lived)}" in said
    producer = backend_of(lived).producer(lived.client())
    for partition, key, value in rows:
        producer.produce(TABLES_ARMS, value, key, partition)
    assert producer.flush(10.0) == 0
    with Threaded(lived) as worker:
        worker.until(lambda: worker.ready)
    assert replay(lived) == 0


def test_a_lost_coordinator_makes_the_producer_anew_once(
    lived: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out of KAFKA-17754, with the statistics that librdkafka gives after a lost
    connection.
    """
    monkeypatch.setattr(
        "streams.engine.transaction.STATISTICS_MS", 600_000
    )  # none but those that are given below
    consumer = backend_of(lived).consumer(lived.client(**{"group.id": "another"}))
    transactions = Transactions(lived, lambda _point: None)
    made = made_anew()

    def commit(n: int) -> None:
        outbox = Outbox()
        outbox.add(DEAD_LETTERS, 0, f"letter-{n}", b"")
        transactions.submit(outbox, consumer.consumer_group_metadata(), lambda: None)
        transactions.join()

    commit(1)
    assert made_anew() == made
    lost = {
        "brokers": {
            "TxnCoordinator": {"disconnects": 1, "req_timeouts": 0},
            "127.0.0.1:1/1": {"disconnects": 9},
        }
    }
    transactions._watch_brokers(json.dumps(lost))
    commit(2)
    assert made_anew() == made + 1
    transactions._watch_brokers(
        json.dumps({"brokers": {"TxnCoordinator": {"disconnects": 0, "req_timeouts": 0}}})
    )
    commit(3)
    commit(4)
    assert made_anew() == made + 1
    transactions.close()
    consumer.close()
    keys = [key for _, key, _ in standing(lived, DEAD_LETTERS) if key.startswith("letter-")]
    assert keys == [f"letter-{n}" for n in range(1, 5)]


def test_a_commit_without_end_is_given_up_soon_after_a_broker_was_lost(
    lived: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What librdkafka does where the group's coordinator dies between the offsets and their
    commit.
    """
    over = threading.Event()
    transactions = Transactions(
        lived, lambda point: assert_set(over) if point == "offsets" else None
    )
    consumer = backend_of(lived).consumer(lived.client(**{"group.id": "another"}))
    transactions.submit(Outbox(), consumer.consumer_group_metadata(), lambda: None)
    lost = json.dumps({"brokers": {"127.0.0.1:1/1": {"disconnects": 1}}})
    monkeypatch.setattr("streams.engine.transaction.CUT_OFF_SECONDS", 0.2)
    monkeypatch.setattr(transactions, "_serve", lambda: transactions._watch_brokers(lost))
    began = monotonic()
    with pytest.raises(Crash, match="a commit did not end after a broker was lost"):
        transactions.join()
    assert monotonic() - began < lived.transaction_timeout_ms / 1_000
    over.set()
    transactions.close()


def assert_set(event: threading.Event) -> None:
    assert event.wait(SECONDS)


def made_anew() -> float:
    return REGISTRY.get_sample_value("mendstream_producer_recreated_total") or 0.0


def test_ticks_that_retention_took_are_not_missed(lived: Settings) -> None:
    send(lived, TICKS, [b"tick"] * 90, [f"bot-{n % 9}" for n in range(90)])
    cut = [TopicPartition(TICKS, p, end) for (_, p), end in ends_of(lived, TICKS).items()]
    forget(lived, cut)
    with Threaded(lived) as worker:
        send(lived, RESULTS, [result(n, subject="bot-1") for n in range(100, 110)])
        worker.takes_in(ends_of(lived, RESULTS))


# A status is read before anything is assigned, by a way of its own.
@pytest.mark.parametrize("topic", [RESULTS, STATUS])
def test_other_records_that_retention_took_before_they_were_read_are_missed(
    lived: Settings, tmp_path: Path, topic: str
) -> None:
    send(lived, topic, [b"unread"], ["bot-1"])
    place = topic, partition_of("bot-1", lived.partitions)
    end = ends_of(lived, topic)[place]
    forget(lived, [TopicPartition(*place, end)])
    said = refusal(lived, tmp_path / "log")
    assert said.startswith(
        f"Records that group {lived.group!r} had not read yet are gone from the log: "
    )
    assert f"{lived.topic(topic)}/{place[1]} begins at {end}, " in said
    assert f"To go on without them, {begin_anew(lived)}" in said


def test_a_row_of_an_unknown_schema_is_refused(lived: Settings, tmp_path: Path) -> None:
    send(lived, TABLES_ARMS, [b"\x00\x7f\xff\xff\xffof another release"], ["bot-1"])
    said = refusal(lived, tmp_path / "log")
    assert said.startswith(
        f"What the tables or the journal hold cannot be read: a row of {TABLES_ARMS}: "
    )
    assert "use that release, or the Schema Registry" in said


def test_a_journal_made_anew_is_refused(lived: Settings, tmp_path: Path) -> None:
    make_anew(admin(lived), lived, JOURNAL)
    said = refusal(lived, tmp_path / "log")
    assert f"the journal ends at {{}}, the group {lived.group!r} at {{'" in said
    assert f"Was a topic deleted? Then {begin_anew(lived)}" in said
    # What the remedy names, done: a group that was never used, with tables that hold nothing.
    client = admin(lived)
    gone = [name for name in TOPICS if name.startswith("tables.")] + [JOURNAL]
    for future in client.delete_topics(gone).values():
        future.result()
    assert wait_until(lambda: not set(gone) & set(client.list_topics(timeout=10.0).topics), SECONDS)
    topics.create(client, lived)
    with Threaded(changed(lived, group="never-used")) as worker:
        worker.takes_in(ends_of(lived, RESULTS))

    # Or the other remedy: a topic prefix of which nothing is known, and everything left as it is.
    with own_topics(lived.bootstrap, **FAST) as fresh:
        send(fresh, RESULTS, [result(n, subject="bot-1") for n in range(10)])
        with Threaded(fresh) as worker:
            worker.takes_in(ends_of(fresh, RESULTS))
