"""Input logs for tests on a real Kafka, and what a read_committed reader finds of the outputs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from confluent_kafka import Message, TopicPartition

from agents.core.batch import Slice
from agents.flow.pipeline import fold
from schemas.catalog import BROADCASTS, COMMANDS, INPUTS, JOURNAL, POLICIES, RESULTS, SPECS, TOPICS
from schemas.codec.framing import Codec, Record
from schemas.ids import partition_of
from schemas.records import Command, ExperimentResult, ExperimentSpec, JournalEntry
from state.partition.partition_state import PartitionState
from streams.engine.restore import last_entries
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, end_offsets, read, start_offsets
from streams.runtime.settings import Settings
from tests.support.builders import apply_policy, result, spec
from tests.support.kafka.older import newer_codec

CODEC = newer_codec()
Place = tuple[str, int]


def planted(
    n: int, seed: int = 7, experiments: int = 24, harmed: float = 0.12
) -> Iterable[ExperimentResult]:
    """Results of experiments with a conversion of 0.2, of which every third loses: to `harmed`."""
    rng = np.random.default_rng(seed)
    which, treated, luck = rng.integers(experiments, size=n), rng.random(n) < 0.5, rng.random(n)
    for i in range(n):
        lost = bool(treated[i]) and which[i] % 3 == 0
        yield result(
            i,
            subject=f"bot-{which[i] % 12}",
            experiment_id=f"exp-{which[i]}",
            variant="b" if treated[i] else "control",
            sum=float(luck[i] < (harmed if lost else 0.2)),
        )


def specs(experiments: int = 24) -> list[ExperimentSpec]:
    return [
        spec(event_id=f"spec-{e}", subject=f"bot-{e % 12}", experiment_id=f"exp-{e}")
        for e in range(experiments)
    ]


def send_harm(settings: Settings, numbers: Iterable[int], codec: Codec = CODEC) -> None:
    """Writes for each number an experiment of a subject of its own, which must be rolled back."""
    known = [*numbers]
    started = [
        spec(event_id=f"spec-{n}", subject=f"bot-{n}", experiment_id=f"exp-{n}") for n in known
    ]
    send(settings, SPECS, started, codec=codec)
    send(settings, RESULTS, (each for n in known for each in _harm(n)), codec=codec)


def _harm(number: int, length: int = 240) -> Iterable[ExperimentResult]:
    luck = np.random.default_rng(number).random(length)
    for i in range(length):
        treated = i % 2 == 1
        yield result(
            number * length + i,
            subject=f"bot-{number}",
            experiment_id=f"exp-{number}",
            variant="b" if treated else "control",
            sum=float(luck[i] < (0.05 if treated else 0.6)),
        )


def send(
    settings: Settings,
    topic: str,
    records: Iterable[Record | bytes],
    subjects: Sequence[str] | None = None,
    codec: Codec = CODEC,
) -> None:
    """Writes records to their partitions and waits until they are acknowledged; policies have but
    one.
    """
    partitions = 1 if topic in BROADCASTS else settings.partitions
    producer = backend_of(settings).producer(
        settings.client(**{"linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    )
    for i, record in enumerate(records):
        subject = subjects[i] if subjects is not None else record.subject  # type: ignore[union-attr]
        value = record if isinstance(record, bytes) else codec.encode(record)
        producer.produce(
            topic, value=value, key=subject, partition=partition_of(subject, partitions)
        )
        producer.poll(0)
    assert producer.flush(60.0) == 0


def send_planted(settings: Settings, n: int) -> dict[Place, int]:
    """Writes the specs and n planted results; returns the end offsets."""
    send(settings, SPECS, specs())
    send(settings, RESULTS, planted(n))
    return ends_of(settings, RESULTS)


def ends_of(settings: Settings, topic: str) -> dict[Place, int]:
    parts = [TopicPartition(topic, p) for p in range(settings.partitions)]
    return {
        (part.topic, part.partition): end
        for part, end in end_offsets(admin(settings), parts).items()
    }


def as_json(ends: dict[Place, int]) -> str:
    return json.dumps([[topic, p, end] for (topic, p), end in ends.items()])


def messages(settings: Settings, topic: str) -> list[Message]:
    """Every committed record, by partition in order."""
    count = 1 if topic in BROADCASTS else settings.partitions
    parts = [TopicPartition(topic, p) for p in range(count)]
    client = admin(settings)
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    ranges = {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}
    found = [message for batch in read(settings, ranges) for message in batch]
    return sorted(
        found, key=lambda each: each.partition() or 0
    )  # stable: the order within a partition stays


def headers(message: Message) -> list[tuple[str, bytes | None]]:
    """A message's headers, as a list of names and bytes."""
    found = message.headers() or []
    assert isinstance(found, list)
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in found]


def reason(message: Message) -> str:
    """Why a dead letter is one; empty where whoever wrote it does not say."""
    return (dict(headers(message)).get("mendstream-reason") or b"").decode()


def standing(settings: Settings, topic: str) -> list[tuple[int, str, bytes]]:
    """(partition, key, value) of every committed record, by partition in order."""
    return [
        (each.partition() or 0, bytes(each.key() or b"").decode(), bytes(each.value() or b""))
        for each in messages(settings, topic)
    ]


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


def calm(settings: Settings) -> list[Command]:
    """The commands that the log of specs and results gives when nothing disturbs: folded here, in
    one piece.

    Policies count from the beginning.
    """
    found, policies = [], messages(settings, POLICIES)
    for p in range(settings.partitions):
        tables = PartitionState(p, settings.partitions, settings.dedupe_window)
        for policy in policies:
            apply_policy(policy.value(), tables, CODEC)
        for topic in (SPECS, RESULTS):
            records = [each for each in messages(settings, topic) if each.partition() == p]
            effects = fold(Slice.of(topic, p, records), tables, CODEC) if records else None  # type: ignore[arg-type]
            found += [output.record for output in effects.outputs] if effects else []
    return [
        replace(record, issued_at=0, expires_at=0)
        for record in found
        if isinstance(record, Command)
    ]


def by_id(found: Iterable[Command]) -> list[Command]:
    return sorted(found, key=lambda command: (command.command_id, command.attempt))


def journal(settings: Settings) -> dict[int, list[JournalEntry]]:
    """The entries of each partition."""
    found: dict[int, list[JournalEntry]] = {p: [] for p in range(settings.partitions)}
    for p, _, value in standing(settings, JOURNAL):
        entry = CODEC.decode("JournalEntry", value)
        assert isinstance(entry, JournalEntry)
        found[p].append(entry)
    return found


@dataclass(frozen=True)
class Fates:
    """What became of the records of all inputs, as the journal counts them."""

    applied: int
    duplicates: int
    forwarded: int
    dead_letters: int

    def all(self) -> int:
        return self.applied + self.duplicates + self.forwarded + self.dead_letters


def last(settings: Settings) -> dict[int, JournalEntry]:
    """The last entry of each partition that has one."""
    return last_entries(settings, CODEC, admin(settings), range(settings.partitions))


def fates(settings: Settings) -> Fates:
    entries = last(settings).values()
    return Fates(
        sum(entry.applied for entry in entries),
        sum(entry.duplicates for entry in entries),
        sum(entry.forwarded for entry in entries),
        sum(entry.dead_letters for entry in entries),
    )


def delivered(settings: Settings) -> int:
    """How many records of the inputs lie before the journal's next offsets."""
    nexts = {p: entry.next_offsets for p, entry in last(settings).items()}
    return sum(
        (each.offset() or 0) < nexts.get(each.partition() or 0, {}).get(topic, 0)
        for topic in INPUTS
        for each in messages(settings, topic)
    )


def table(settings: Settings, topic: str) -> dict[str, Record]:
    """The rows as they stand, the last of each key."""
    name = TOPICS[topic].record
    assert name is not None
    return {key: CODEC.decode(name, value) for _, key, value in standing(settings, topic)}
