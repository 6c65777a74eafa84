"""Decides a recorded decision again from log and journal, and compares: byte-equal, or where it
differs.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from agents.core.effects import Output
from agents.experiments.verdicts.smallest_changes import SmallestChange, smallest_changes
from agents.flow.inputs import is_columnar
from agents.flow.pipeline import refresh
from schemas.catalog import (
    COMMANDS,
    DECISIONS,
    TABLES_ARMS,
    TABLES_EXPERIMENTS,
    TABLES_METRICS,
    TOPICS,
)
from schemas.codec.framing import Codec, Record
from schemas.ids import partition_of
from schemas.records import Command, Decision, Outcome
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from streams.history.record_diff import Difference, differences, proofs
from streams.history.reexecution import Cut, ProgressCallback, ReplayStep, reexecute
from streams.history.standing import pair_now
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.kafka.stored_records import Stored, naming
from streams.runtime.id_prefixes import check_length, only_id
from streams.runtime.settings import Settings

ID_CHARACTERS = 8  # of an id at least: eight hex digits tell apart some ten thousand decisions
# By the budget of all partitions, or by a person: nothing of the command comes of the record that
# was decided.
_ISSUED_LATER = frozenset({Outcome.AWAITING_ADMISSION, Outcome.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True)
class Again:
    """A decision made again, in the transaction and after the record that made it; the rows stand
    as they stood then, and the changes are those of them.
    """

    transaction: int
    after: str
    decision: Output
    command: Output | None
    rows: dict[str, list[Record]]
    changes: list[SmallestChange]  # each of which would have given another verdict


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that stands of one decision, what it was made again to, and where the two differ."""

    decisions: list[Stored]  # one, or someone wrote another
    commands: list[Stored]
    again: Again | None
    differences: list[Difference]
    now: str | None = None  # where the pair that was decided on stands by now


def explain(
    settings: Settings, wanted: str, told: ProgressCallback = lambda _: None
) -> Explanation:
    """Explains the decision whose id is `wanted`, or begins so. Raises MendstreamError if there is
    not exactly one.
    """
    client = admin(settings)
    check(client, settings)
    codec = codec_for(settings)
    told(f"looking for it in {DECISIONS}")
    stored = _find(settings, codec, client, wanted)
    decision = _decision(stored[0].record)
    commands = [
        each
        for each in naming(
            settings,
            codec,
            client,
            COMMANDS.values(),
            range(settings.partitions),
            decision.decision_id,
        )
        if isinstance(each.record, Command) and each.record.decision_id == decision.decision_id
    ]
    again = _again(settings, codec, client, stored[0].partition, decision, told)
    if again is not None and proofs(made := _decision(again.decision.record)) != proofs(decision):
        # What stands names another record as its proof, so the cut was not where the decision fell.
        again = _again(settings, codec, client, stored[0].partition, made, told)
    with_it = [] if decision.outcome in _ISSUED_LATER else commands
    found = []
    for name, copies, output in (
        ("decision", stored, again and again.decision),
        ("command", with_it, again and again.command),
    ):
        found += differences(
            name, copies, output.key if output else "", output.record if output else None, codec
        )
    return Explanation(stored, commands, again, found, pair_now(settings, decision))


def _find(settings: Settings, codec: Codec, client: AdminClient, wanted: str) -> list[Stored]:
    """The copies of one decision, those on its subject's own partition first, the oldest before
    all.
    """
    remedy = "`mendstream watch decisions --no-follow` lists all decisions."
    check_length(wanted, ID_CHARACTERS, remedy)
    by_id: dict[str, list[Stored]] = {}
    for each in naming(settings, codec, client, (DECISIONS,), range(settings.partitions), wanted):
        by_id.setdefault(_decision(each.record).decision_id, []).append(each)
    found = by_id[only_id(wanted, by_id, "decision", DECISIONS, remedy)]
    return sorted(
        found, key=lambda each: (not _at_home(each, settings), each.partition, each.offset)
    )


def _at_home(stored: Stored, settings: Settings) -> bool:
    return stored.partition == partition_of(_decision(stored.record).subject, settings.partitions)


def _again(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    partition: int,
    decision: Decision,
    told: ProgressCallback,
) -> Again | None:
    """Folds the partition up to the record that proves the decision; None if the decision does not
    come of it.
    """
    records = 0
    for turn in reexecute(settings, codec, client, partition, cut_after(proofs(decision))):
        records += len(turn.piece.records) if turn.piece is not None else 0
        told(
            f"partition {partition}: {records:,} records folded again, transaction "
            f"{turn.entry.number:,}"
        )
        made = [output for output in turn.effects.outputs if output.topic == DECISIONS]
        for output in made:
            if _decision(output.record).decision_id == decision.decision_id:
                return _stopped(turn, output, codec)
    return None


def _stopped(turn: ReplayStep, output: Output, codec: Codec) -> Again:
    """Returns what a turn came to in which the decision was made."""
    decision, piece = _decision(output.record), turn.piece
    assert piece is not None, "a broadcast record decides nothing"
    commands = [
        each
        for each in turn.effects.outputs
        if isinstance(each.record, Command) and each.record.decision_id == decision.decision_id
    ]
    after = f"{piece.topic}/{piece.partition} offset {piece.next_offset - 1}"
    refresh(turn.tables)
    rows = rows_beside(decision, turn.tables, codec)
    changes = smallest_changes(decision, turn.tables.experiments)
    command = commands[0] if commands else None
    return Again(turn.entry.number, after, output, command, rows, changes)


def cut_after(places: Iterable[tuple[str, int]]) -> Cut:
    """Cuts slices right after these records; without any, what is not folded by columns goes record
    by record.
    """
    wanted = sorted(places)

    def cut(topic: str, records: list[Message]) -> Iterable[list[Message]]:
        if not wanted and not is_columnar(topic):
            return [[record] for record in records]
        inner = [
            bisect_right(records, at, key=lambda each: each.offset() or 0)
            for name, at in wanted
            if name == topic
        ]
        return [
            records[start:end] for start, end in pairwise([0, *inner, len(records)]) if start < end
        ]

    return cut


def rows_beside(
    decision: Decision, tables: PartitionState, codec: Codec
) -> dict[str, list[Record]]:
    """The rows that a decision was read from: the arms of its metric and their experiment, or the
    watch of its metric.
    """
    subject, experiment, metric = decision.subject, decision.experiment_id, decision.metric
    if experiment is None:
        wanted = {TABLES_METRICS: row_key(subject, metric)}
    else:
        whole = row_key(subject, experiment)
        wanted = {
            TABLES_ARMS: row_key(subject, experiment, metric) if metric else whole,
            TABLES_EXPERIMENTS: whole,
        }
    found: dict[str, list[Record]] = {}
    for topic, start in wanted.items():
        name = TOPICS[topic].record
        assert name is not None, f"{topic} is a table"
        rows = [
            row
            for row in tables.all()[topic].snapshot(codec)
            if f"{row[0]}|".startswith(f"{start}|")
        ]
        found[topic] = [codec.decode(name, value) for _, value in sorted(rows)]
    return found


def _decision(record: Record) -> Decision:
    assert isinstance(record, Decision), f"{DECISIONS} holds decisions, not {type(record).__name__}"
    return record
