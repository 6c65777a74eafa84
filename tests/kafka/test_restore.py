"""A processor that cannot trust what it left behind refuses to start; a broker that dies costs nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.catalog import JOURNAL, RESULTS, SPECS, STATUS, TABLES_ARMS, TABLES_EXPERIMENTS, TICKS, TOPICS
from schemas.ids import event_uuid
from schemas.records import ArmRow, ExperimentResult
from streams.broker import EmbeddedKafka
from streams.clock import wait_until
from streams.config import Settings
from streams.errors import MendstreamError
from streams.kafka import admin
from streams.replay import main as replay
from streams.telemetry import REGISTRY
from streams.topics import settings_of
from streams.transaction import Outbox, Transactions
from tests.builders import result
from tests.kafka.logs import (
    CODEC,
    by_id,
    calm,
    commands,
    delivered,
    ends_of,
    fates,
    journal,
    messages,
    planted,
    send,
    specs,
    standing,
    table,
)
from tests.kafka.running import EAGER, SECONDS, Child, Feeder, Threaded, own_kafka

pytestmark = pytest.mark.kafka
FAST = {"session_timeout_ms": 1_000, "transaction_timeout_ms": 5_000}


@pytest.fixture
def lived() -> Iterator[Settings]:
    """A broker on which a processor took in 100 results and left; the group has forgotten the worker."""
    with own_kafka(EAGER, **FAST) as (_, settings):
        with Threaded(settings) as worker:
            send(settings, RESULTS, [result(n, subject=f"bot-{n % 9}") for n in range(100)])
            worker.takes_in(ends_of(settings, RESULTS))
        yield settings


def refusal(settings: Settings) -> str:
    """What a processor says that refuses to run."""
    with Threaded(settings) as worker:
        with pytest.raises(MendstreamError) as refused:
            worker.until(lambda: worker.ready)
            worker.until(lambda: False)
        return refused.value.fault


def set_offsets(settings: Settings, parts: list[TopicPartition]) -> None:
    """Alters the group's offsets as soon as the group is empty."""
    request = [ConsumerGroupTopicPartitions(settings.group, parts)]

    def altered() -> bool:
        try:
            done = admin(settings).alter_consumer_group_offsets(request)[settings.group].result()
        except KafkaException:
            return False
        return all(part.error is None for part in done.topic_partitions)

    assert wait_until(altered, SECONDS)


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


def test_offsets_reset_behind_its_back_are_refused_until_they_are_put_right(lived: Settings) -> None:
    partition, entries = next((p, entries) for p, entries in journal(lived).items() if RESULTS in entries[-1].next_offsets)
    right = entries[-1].next_offsets[RESULTS]
    set_offsets(lived, [TopicPartition(RESULTS, partition, 0)])
    said = refusal(lived)
    assert said.startswith(f"Partition {partition}: the journal ends at {{")
    assert f"'{RESULTS}': {right}" in said
    assert f"'{RESULTS}': 0" in said
    set_offsets(lived, [TopicPartition(RESULTS, partition, right)])
    with Threaded(lived) as worker:
        worker.until(lambda: worker.ready)
    assert replay(lived) == 0


def test_a_table_topic_made_anew_is_refused_until_its_rows_are_back(lived: Settings) -> None:
    rows = standing(lived, TABLES_ARMS)
    make_anew(admin(lived), lived, TABLES_ARMS)
    said = refusal(lived)
    assert said.startswith("Partition ")
    assert f"'{TABLES_ARMS}': 0" in said
    producer = Producer(lived.client())
    for partition, key, value in rows:
        producer.produce(TABLES_ARMS, value, key, partition)
    assert producer.flush(10.0) == 0
    with Threaded(lived) as worker:
        worker.until(lambda: worker.ready)
    assert replay(lived) == 0
    make_anew(admin(lived), lived, JOURNAL)
    assert "the journal ends at {}, the group 'mendstream' at {'" in refusal(lived)


@pytest.mark.parametrize("topic", [RESULTS, STATUS])
def test_records_that_retention_took_before_they_were_read_are_missed(lived: Settings, topic: str) -> None:
    """Statuses are read before anything is assigned, by a way of their own."""
    ends = ends_of(lived, topic)
    send(lived, topic, [b"unread"] * 90, [f"bot-{n % 9}" for n in range(90)])
    cut = [TopicPartition(topic, p, ends_of(lived, topic)[topic, p]) for _, p in ends]
    for future in admin(lived).delete_records(cut).values():
        future.result()
    assert refusal(lived).startswith("Records that group 'mendstream' had not read yet are gone from the log: ")


def test_ticks_that_retention_took_are_not_missed(lived: Settings) -> None:
    send(lived, TICKS, [b"tick"] * 90, [f"bot-{n % 9}" for n in range(90)])
    cut = [TopicPartition(TICKS, p, end) for (_, p), end in ends_of(lived, TICKS).items()]
    for future in admin(lived).delete_records(cut).values():
        future.result()
    with Threaded(lived) as worker:
        send(lived, RESULTS, [result(n, subject="bot-1") for n in range(100, 110)])
        worker.takes_in(ends_of(lived, RESULTS))


def test_a_lost_coordinator_makes_the_producer_anew_once(lived: Settings) -> None:
    """The way out of KAFKA-17754, with the statistics that librdkafka gives after a lost connection."""
    transactions = Transactions(lived, lambda _point: None)
    made = made_anew()

    def commit(n: int) -> None:
        outbox = Outbox()
        outbox.add(TABLES_EXPERIMENTS, 0, f"row-{n}", b"")
        transactions.submit(outbox, None, lambda: None)
        transactions.join()

    commit(1)
    assert made_anew() == made
    lost = {"brokers": {"TxnCoordinator": {"disconnects": 1, "req_timeouts": 0}, "127.0.0.1:1/1": {"disconnects": 9}}}
    transactions._watch_coordinator(json.dumps(lost))
    commit(2)
    assert made_anew() == made + 1
    wait_until(lambda: transactions.poll() is not None, 0.2)  # the new producer's statistics begin at zero
    commit(3)
    commit(4)
    assert made_anew() == made + 1
    transactions.close()
    keys = [key for _, key, _ in standing(lived, TABLES_EXPERIMENTS) if key.startswith("row-")]
    assert keys == [f"row-{n}" for n in range(1, 5)]


def made_anew() -> float:
    return REGISTRY.get_sample_value("mendstream_producer_recreated_total") or 0.0
