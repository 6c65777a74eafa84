"""Folds log and journal again, and compares: the same commands and the same tables, byte for byte."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.fold import apply_policy, fold, refresh
from agents.slice import Slice
from schemas.catalog import COMMANDS, DECISIONS, JOURNAL, POLICIES, TOPICS
from schemas.records import Command, JournalEntry
from schemas.wire import Codec
from state.tables import Tables
from streams.codecs import codec_for
from streams.config import Settings
from streams.errors import MendstreamError
from streams.kafka import admin, end_offsets, read, start_offsets
from streams.owned import agents_name
from streams.topics import check

OUTPUTS = (DECISIONS, *COMMANDS.values())
Written = dict[str, list[tuple[str, bytes]]]  # by topic: (key, value) in order


@dataclass(slots=True)
class Replayed:
    """What one partition came to: its outputs, and its tables' rows by topic."""

    outputs: Written = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, dict[str, bytes]] = field(default_factory=dict)
    entries: int = 0
    records: int = 0


def main(settings: Settings, json_file: Path | None = None) -> int:
    """Replays every partition and prints what differs; 0 if nothing does."""
    client = admin(settings)
    check(client, settings)
    codec = codec_for(settings)
    began_at = _journal_ends(settings, client)
    differences: list[str] = []
    digests: dict[str, str] = {}
    commands: list[dict[str, object]] = []
    for partition in range(settings.partitions):
        again = replay(settings, codec, client, partition)
        print(f"partition {partition}: {again.records} records in {again.entries} transactions", flush=True)
        differences += _compare(settings, client, partition, again)
        for topic, rows in again.rows.items():
            digests[f"{topic}/{partition}"] = digest(rows.items())
        commands += _commands(codec, again.outputs)
    for command in commands:
        print(f"{command['type']}: {command['reason']}")
    for name, value in digests.items():
        print(f"{value[:16]}  {name}")
    if json_file is not None:
        report = {"commands": commands, "tables": digests, "differences": differences}
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    if differences and _journal_ends(settings, client) != began_at:
        raise MendstreamError(
            f"The journal went on while it was replayed, and {len(differences)} places differ.",
            "Stop the workers and replay again: a log at rest can be compared.",
        )
    for difference in differences:
        print(f"differs: {difference}")
    verdict = f"{len(differences)} differences" if differences else "byte-equal"
    print(f"{len(commands)} commands, {len(digests)} tables: {verdict}")
    return 1 if differences else 0


def replay(settings: Settings, codec: Codec, client: AdminClient, partition: int) -> Replayed:
    """Folds one partition from its journal. Raises MendstreamError where the log does not reach back that far."""
    result = Replayed()
    tables: Tables | None = None
    logs: dict[str, _Log] = {}
    for entry in _journal(settings, codec, client, partition):
        if tables is None:
            tables = Tables(partition, settings.partitions, _dedupe_window(entry))
        if entry.agents != agents_name(tables.dedupe_window):
            raise MendstreamError(
                f"Partition {partition}: entry {entry.number} was written by agents {entry.agents!r}.",
                f"Replay it with that version; this one is {agents_name(tables.dedupe_window)!r}.",
            )
        result.entries += 1
        for step in entry.steps:
            if step.topic == POLICIES:
                apply_policy(step.record, tables, codec)
                continue
            log = logs.setdefault(step.topic, _Log(settings, client, step.topic, partition))
            records = log.take(step.first_offset, step.next_offset)
            effects = fold(Slice.of(step.topic, partition, records), tables, codec)  # type: ignore[arg-type]
            result.records += len(records)
            for output in effects.outputs:
                result.outputs[output.topic].append((output.key, codec.encode(output.record)))
    if tables is not None:
        refresh(tables)
        result.rows = {topic: dict(table.snapshot(codec)) for topic, table in tables.all().items()}
    return result


def digest(rows: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of rows, whatever their order."""
    hashed = hashlib.sha256()
    for key, value in sorted(rows):
        hashed.update(len(key).to_bytes(4, "big") + key.encode() + len(value).to_bytes(4, "big") + value)
    return hashed.hexdigest()


class _Log:
    """One input partition read once, from its start on, as the journal asks for it."""

    def __init__(self, settings: Settings, client: AdminClient, topic: str, partition: int) -> None:
        part = TopicPartition(topic, partition)
        self._name = f"{topic}/{partition}"
        self._start = start_offsets(client, [part])[part]
        end = end_offsets(client, [part])[part]
        self._batches = read(settings, {(topic, partition): (self._start, end)})
        self._waiting: list[Message] = []

    def take(self, first: int, after: int) -> list[Message]:
        """The records from offset `first` up to, not including, `after`."""
        if first < self._start:
            raise MendstreamError(
                f"{self._name} begins at offset {self._start}; the journal needs {first}.",
                "The log was not kept that long: a replay reaches as far back as retention.",
            )
        while not self._waiting or (self._waiting[-1].offset() or 0) < after - 1:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._waiting += batch
        taken = [message for message in self._waiting if first <= (message.offset() or 0) < after]
        self._waiting = [message for message in self._waiting if (message.offset() or 0) >= after]
        if not taken:
            raise MendstreamError(f"{self._name} holds nothing from {first} to {after}.", "Was the topic made anew?")
        return taken


def _journal(settings: Settings, codec: Codec, client: AdminClient, partition: int) -> Iterator[JournalEntry]:
    part = TopicPartition(JOURNAL, partition)
    ranges = {(JOURNAL, partition): (0, end_offsets(client, [part], committed_only=True)[part])}
    expected = 1
    for batch in read(settings, ranges):
        for message in batch:
            entry = codec.decode("JournalEntry", message.value())
            assert isinstance(entry, JournalEntry)
            if entry.number != expected:
                raise MendstreamError(
                    f"Partition {partition}: journal entry {expected} is missing ({entry.number} follows).",
                    "The journal is not whole; it must be kept for ever (retention.ms=-1).",
                )
            expected += 1
            yield entry


def _journal_ends(settings: Settings, client: AdminClient) -> dict[int, int]:
    parts = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
    return {part.partition: end for part, end in end_offsets(client, parts).items()}


def _dedupe_window(entry: JournalEntry) -> int:
    return int(entry.agents.partition("dedupe=")[2])


def _compare(settings: Settings, client: AdminClient, partition: int, again: Replayed) -> list[str]:
    """What stands in Kafka and what the replay gave, where they are not equal."""
    differences = []
    for topic in OUTPUTS:
        stands, replayed = _standing(settings, client, topic, partition), again.outputs[topic]
        if stands != replayed:
            differences.append(
                f"{topic}/{partition}: {len(stands)} stand, {len(replayed)} replayed, not the same bytes"
            )
    for topic, rows in again.rows.items():
        latest = dict(_standing(settings, client, topic, partition))
        differences += [
            f"{topic}/{partition} row {key}" for key in rows.keys() | latest if rows.get(key) != latest.get(key)
        ]
    return differences


def _standing(settings: Settings, client: AdminClient, topic: str, partition: int) -> list[tuple[str, bytes]]:
    part = TopicPartition(topic, partition)
    ranges = {(topic, partition): (start_offsets(client, [part])[part], end_offsets(client, [part])[part])}
    return [
        ((message.key() or b"").decode(), message.value() or b"")
        for batch in read(settings, ranges)
        for message in batch
    ]


def _commands(codec: Codec, outputs: Written) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for topic in COMMANDS.values():
        name = TOPICS[topic].record
        assert name is not None
        for _, value in outputs[topic]:
            command = codec.decode(name, value)
            assert isinstance(command, Command)
            found.append({"type": name, "command_id": command.command_id, "reason": command.reason})
    return found
