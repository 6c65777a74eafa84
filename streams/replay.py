"""Folds log and journal again, and compares: the same commands and the same tables, byte for byte."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.fold import refresh
from schemas.catalog import COMMANDS, DECISIONS, JOURNAL, TOPICS
from schemas.records import Command
from schemas.wire import Codec
from streams.codecs import codec_for
from streams.config import Settings
from streams.errors import MendstreamError
from streams.kafka import admin, end_offsets
from streams.relive import Turn, relive
from streams.stored import messages
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
    """Folds one partition from its journal. Raises MendstreamError as `relive` does."""
    result = Replayed()
    turn: Turn | None = None
    for turn in relive(settings, codec, client, partition):
        result.entries = turn.entry.number
        result.records += len(turn.piece.records) if turn.piece is not None else 0
        for output in turn.effects.outputs:
            result.outputs[output.topic].append((output.key, codec.encode(output.record)))
    if turn is not None:
        refresh(turn.tables)
        result.rows = {topic: dict(table.snapshot(codec)) for topic, table in turn.tables.all().items()}
    return result


def digest(rows: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of rows, whatever their order."""
    hashed = hashlib.sha256()
    for key, value in sorted(rows):
        hashed.update(len(key).to_bytes(4, "big") + key.encode() + len(value).to_bytes(4, "big") + value)
    return hashed.hexdigest()


def _journal_ends(settings: Settings, client: AdminClient) -> dict[int, int]:
    parts = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
    return {part.partition: end for part, end in end_offsets(client, parts).items()}


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
