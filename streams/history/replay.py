"""Folds log and journal again, and compares: the same commands and the same tables, byte for
byte.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.flow.pipeline import refresh
from schemas.catalog import COMMANDS, DECISIONS, JOURNAL, TOPICS
from schemas.codec.framing import Codec
from schemas.records import Command
from streams.history.reexecution import ProgressCallback, ReplayStep, reexecute
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin, end_offsets
from streams.kafka.schema_ids import codec_for
from streams.kafka.stored_records import messages
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.runtime.terminal import say

OUTPUTS = (DECISIONS, *COMMANDS.values())
Written = dict[str, list[tuple[str, bytes]]]  # by topic: (key, value) in order


@dataclass(slots=True)
class Replayed:
    """The result of one partition's replay: its outputs, and its tables' rows by topic."""

    outputs: Written = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, dict[str, bytes]] = field(default_factory=dict)
    entries: int = 0
    records: int = 0


@dataclass(slots=True)
class ReplayReport:
    """The result of a replay of every partition.

    partitions: by number, the records that were folded and the transactions that they came in.
    differences: where what stands is not what was replayed; unexplained: those that are differences
    even if the journal went on meanwhile, which only adds outputs and changes rows.
    """

    partitions: dict[int, tuple[int, int]] = field(default_factory=dict)
    commands: list[dict[str, object]] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)  # digests by topic/partition
    differences: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    entries: int = 0
    records: int = 0
    went_on: bool = False


def main(settings: Settings, json_file: Path | None = None) -> int:
    """Replays every partition and prints what differs; 0 if nothing does."""
    return show(replayed(settings), json_file)


def replayed(settings: Settings, told: ProgressCallback = lambda _: None) -> ReplayReport:
    """Replays every partition and compares. told: hears how far it is. Raises MendstreamError as
    `reexecute` does.
    """
    client = admin(settings)
    check(client, settings)
    return compared(settings, codec_for(settings), client, told)


def show(found: ReplayReport, json_file: Path | None) -> int:
    """Prints what was replayed and what differs; 0 if nothing does."""
    for partition, (records, entries) in found.partitions.items():
        say(f"partition {partition}: {records} records in {entries} transactions")
    for command in found.commands:
        say(f"{command['type']}: {command['reason']}")
    for name, value in found.tables.items():
        say(f"{value[:16]}  {name}")
    if json_file is not None:
        report = {
            "commands": found.commands,
            "tables": found.tables,
            "differences": found.differences,
        }
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    if found.differences and found.went_on:
        raise MendstreamError(
            f"The journal went on while it was replayed, and {len(found.differences)} places "
            "differ.",
            "Stop the workers and replay again: a log at rest can be compared.",
        )
    for difference in found.differences:
        say(f"differs: {difference}")
    verdict = f"{len(found.differences)} differences" if found.differences else "byte-equal"
    say(f"{len(found.commands)} commands, {len(found.tables)} tables: {verdict}")
    return 1 if found.differences else 0


def compared(
    settings: Settings, codec: Codec, client: AdminClient, told: ProgressCallback
) -> ReplayReport:
    """As `replayed`."""
    report = ReplayReport()
    began_at = _journal_ends(settings, client)
    for partition in range(settings.partitions):
        again = replay(settings, codec, client, partition, told)
        report.partitions[partition] = again.records, again.entries
        _compare(settings, client, partition, again, report)
        for topic, rows in again.rows.items():
            report.tables[f"{topic}/{partition}"] = digest(rows.items())
        report.commands += _commands(codec, again.outputs)
        report.entries += again.entries
        report.records += again.records
    report.went_on = _journal_ends(settings, client) != began_at
    return report


def replay(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    partition: int,
    told: ProgressCallback = lambda _: None,
) -> Replayed:
    """Folds one partition from its journal. Raises MendstreamError as `reexecute` does."""
    result = Replayed()
    turn: ReplayStep | None = None
    for turn in reexecute(settings, codec, client, partition):
        result.entries = turn.entry.number
        result.records += len(turn.piece.records) if turn.piece is not None else 0
        for output in turn.effects.outputs:
            result.outputs[output.topic].append((output.key, codec.encode(output.record)))
        told(f"partition {partition}: {result.records:,} records folded again")
    if turn is not None:
        refresh(turn.tables)
        result.rows = {
            topic: dict(table.snapshot(codec)) for topic, table in turn.tables.all().items()
        }
    return result


def digest(rows: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of rows, whatever their order."""
    hashed = hashlib.sha256()
    for key, value in sorted(rows):
        hashed.update(
            len(key).to_bytes(4, "big") + key.encode() + len(value).to_bytes(4, "big") + value
        )
    return hashed.hexdigest()


def _journal_ends(settings: Settings, client: AdminClient) -> dict[int, int]:
    parts = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
    return {part.partition: end for part, end in end_offsets(client, parts).items()}


def _compare(
    settings: Settings, client: AdminClient, partition: int, again: Replayed, report: ReplayReport
) -> None:
    """Reports what stands in Kafka and what the replay gave, where they are not equal."""
    for topic in OUTPUTS:
        stands, replayed = _standing(settings, client, topic, partition), again.outputs[topic]
        if stands != replayed:
            sentence = (
                f"{topic}/{partition}: {len(stands)} stand, {len(replayed)} replayed, not "
                "the same bytes"
            )
            report.differences.append(sentence)
            if stands[: len(replayed)] != replayed:
                report.unexplained.append(sentence)
    for topic, rows in again.rows.items():
        latest = dict(_standing(settings, client, topic, partition))
        report.differences += [
            f"{topic}/{partition} row {key}"
            for key in rows.keys() | latest
            if rows.get(key) != latest.get(key)
        ]


def _standing(
    settings: Settings, client: AdminClient, topic: str, partition: int
) -> list[tuple[str, bytes]]:
    return [
        ((message.key() or b"").decode(), message.value() or b"")
        for message in messages(settings, client, (topic,), (partition,))
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
