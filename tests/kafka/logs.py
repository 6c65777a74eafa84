"""Input logs for tests on a real Kafka, and what a read_committed reader finds of the outputs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from confluent_kafka import Producer, TopicPartition

from schemas.catalog import COMMANDS, RESULTS, SPECS, TOPICS, local_ids
from schemas.ids import partition_of
from schemas.records import Command, ExperimentResult, ExperimentSpec
from schemas.wire import Codec, Record
from streams.config import Settings
from streams.kafka import admin, end_offsets, read, start_offsets
from tests.builders import result, spec

CODEC = Codec(local_ids())
Place = tuple[str, int]


def planted(n: int, seed: int = 7, experiments: int = 24) -> Iterable[ExperimentResult]:
    """Results of experiments of which every third loses conversion."""
    rng = np.random.default_rng(seed)
    which, treated, luck = rng.integers(experiments, size=n), rng.random(n) < 0.5, rng.random(n)
    for i in range(n):
        lost = bool(treated[i]) and which[i] % 3 == 0
        yield result(
            i,
            subject=f"bot-{which[i] % 12}",
            experiment_id=f"exp-{which[i]}",
            variant="b" if treated[i] else "control",
            sum=float(luck[i] < (0.12 if lost else 0.2)),
        )


def specs(experiments: int = 24) -> list[ExperimentSpec]:
    return [spec(event_id=f"spec-{e}", subject=f"bot-{e % 12}", experiment_id=f"exp-{e}") for e in range(experiments)]


def send(
    settings: Settings, topic: str, records: Iterable[Record | bytes], subjects: Sequence[str] | None = None
) -> None:
    """Writes records to their partitions and waits until they are acknowledged."""
    producer = Producer(settings.client(**{"linger.ms": 20, "queue.buffering.max.messages": 1_000_000}))
    for i, record in enumerate(records):
        subject = subjects[i] if subjects is not None else record.subject  # type: ignore[union-attr]
        value = record if isinstance(record, bytes) else CODEC.encode(record)
        producer.produce(topic, value=value, key=subject, partition=partition_of(subject, settings.partitions))
        producer.poll(0)
    assert producer.flush(60.0) == 0


def send_planted(settings: Settings, n: int) -> dict[Place, int]:
    """Writes the specs and n planted results; returns the end offsets."""
    send(settings, SPECS, specs())
    send(settings, RESULTS, planted(n))
    return ends_of(settings, RESULTS)


def ends_of(settings: Settings, topic: str) -> dict[Place, int]:
    parts = [TopicPartition(topic, p) for p in range(settings.partitions)]
    return {(part.topic, part.partition): end for part, end in end_offsets(admin(settings), parts).items()}


def as_json(ends: dict[Place, int]) -> str:
    return json.dumps([[topic, p, end] for (topic, p), end in ends.items()])


def standing(settings: Settings, topic: str) -> list[tuple[int, str, bytes]]:
    """(partition, key, value) of every committed record, by partition in order."""
    parts = [TopicPartition(topic, p) for p in range(settings.partitions)]
    client = admin(settings)
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    found = [
        (message.partition() or 0, bytes(message.key() or b"").decode(), bytes(message.value() or b""))
        for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts})
        for message in batch
    ]
    return sorted(found, key=lambda each: each[0])  # stable: the order within a partition stays


def commands(settings: Settings) -> list[Command]:
    """Every command that stands, without what is derived from the broker's clock."""
    found = []
    for topic in COMMANDS.values():
        name = TOPICS[topic].record
        assert name is not None
        for _, _, value in standing(settings, topic):
            command = CODEC.decode(name, value)
            assert isinstance(command, Command)
            found.append(replace(command, issued_at=0, expires_at=0))
    return found


def table(settings: Settings, topic: str) -> dict[str, Record]:
    """The rows as they stand, the last of each key."""
    name = TOPICS[topic].record
    assert name is not None
    return {key: CODEC.decode(name, value) for _, key, value in standing(settings, topic)}
