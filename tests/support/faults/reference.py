"""The run without faults: the log of the inputs folded in this process, in the order in which the
journal says that they were applied.

What the clock closes (blocks that wait, experiments that lack something) hangs on where each tick
stands among the records, and only the journal knows that. That it skips nothing and takes nothing
twice is looked at here too.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confluent_kafka import Message, TopicPartition

from agents.core.batch import Slice
from agents.flow.pipeline import fold, refresh
from schemas.catalog import (
    ADMISSIONS,
    ADVICE,
    DEAD_LETTERS,
    INPUTS,
    METRICS,
    PATTERN_FACTS,
    POLICIES,
    PROPOSALS,
    RESULTS,
    SPECS,
    STATUS,
    TABLES_ALERTS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_RUNS,
    TABLES_TRUST,
    TOPICS,
)
from schemas.codec.framing import Record
from schemas.records import (
    Advice,
    BudgetRow,
    Command,
    CommandRow,
    Decision,
    ExperimentRow,
    FailureAnalysis,
    FollowupRow,
    JournalEntry,
    MetricRow,
    PatternFact,
    PatternFactKind,
    SightingsRow,
)
from state.partition.partition_state import PartitionState
from streams.kafka.reading import admin, end_offsets, read, start_offsets
from streams.runtime.settings import Settings
from tests.support.builders import apply_policy
from tests.support.kafka.logs import CODEC, Place, headers, journal, messages, reason

# Of what the journal does not know yet.
ORDER = (SPECS, METRICS, RESULTS, PATTERN_FACTS, ADVICE, PROPOSALS, ADMISSIONS, STATUS)
# All of it derives from the broker's clock, and nothing that does is compared; a replay holds it to
# the byte.
CLOCKED = (TABLES_TRUST, TABLES_RUNS, TABLES_LESSONS, TABLES_LEARNING, TABLES_ALERTS)
_OUTPUTS = (Decision, Command, FailureAnalysis, PatternFact, Advice)
Identity = tuple[str, str, int]  # kind of record, id, attempt
Row = tuple[str, int, str]  # topic, partition, key
Mend = Callable[
    [list[Message]], Sequence[Any]
]  # one input partition; offsets and times are to stay


@dataclass(slots=True)
class Found:
    """Outputs and rows, without what is derived from the broker's clock."""

    outputs: dict[Identity, list[Record]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[Row, Record] = field(default_factory=dict)

    def add_output(self, record: Record) -> None:
        if isinstance(record, _OUTPUTS):
            self.outputs[_identity(record)].append(_timeless(record))

    def put_row(self, topic: str, partition: int, key: str, value: bytes | None) -> None:
        """The last of a key stands; None deletes."""
        name = TOPICS[topic].record
        assert name is not None
        if topic in CLOCKED:
            return
        if value is None:
            self.rows.pop((topic, partition, key), None)
        else:
            self.rows[topic, partition, key] = _timeless(CODEC.decode(name, value))

    def commands(self) -> set[Identity]:
        return {who for who in self.outputs if who[0].endswith("Command")}


def folded(settings: Settings, upto: Mapping[Place, int], mend: Mend = list) -> Found:
    """What the inputs before these offsets come to when nothing disturbs, each log as `mend` leaves
    it.

    Policies count from the beginning: so a case must write them, or wait. Raises AssertionError
    where the journal skips a record, or takes one twice.
    """
    found, log, entries = Found(), _log(settings, upto), journal(settings)
    policies = messages(settings, POLICIES)
    for p in range(settings.partitions):
        tables = PartitionState(p, settings.partitions, settings.dedupe_window)
        for policy in policies:
            apply_policy(policy.value(), tables, CODEC)
        mended = {topic: mend(log[topic, p]) for topic in INPUTS if log[topic, p]}
        for piece in _pieces(entries.get(p, []), mended, p):
            for output in fold(piece, tables, CODEC).outputs:
                found.add_output(output.record)
        refresh(tables)
        for topic, table in tables.all().items():
            for key, value in table.snapshot(CODEC):
                found.put_row(topic, p, key, value)
    return found


def _pieces(
    entries: Sequence[JournalEntry], log: Mapping[str, Sequence[Any]], partition: int
) -> Iterator[Slice]:
    """The records of one partition as the journal took them, then those that it has not taken, by
    ORDER.
    """
    taken: dict[str, int] = {}  # the next offset of each input
    for step in (step for entry in entries for step in entry.steps if step.topic in INPUTS):
        records, at = log.get(step.topic, ()), taken.get(step.topic, 0)
        skipped = _between(records, at, step.first_offset)
        assert at <= step.first_offset, f"{step} takes again what was before offset {at}"
        assert not skipped, f"{step} skips {len(skipped)} records from offset {at} on"
        taken[step.topic] = step.next_offset
        if of_step := _between(records, step.first_offset, step.next_offset):
            yield Slice.of(step.topic, partition, of_step)
    for topic in ORDER:
        if records := _between(log.get(topic, ()), taken.get(topic, 0), None):
            yield Slice.of(topic, partition, records)


def _between(records: Sequence[Any], first: int, after: int | None) -> Sequence[Any]:
    """The records of a log from an offset on, up to, not including, another."""
    end = len(records) if after is None else bisect_left(records, after, key=_offset)
    return records[bisect_left(records, first, key=_offset) : end]


def _offset(record: Any) -> int:
    return int(record.offset())


def set_aside(settings: Settings) -> dict[tuple[bytes, ...], Message]:
    """The letters of records that ended workers, by topic, partition and offset; a case must say
    which may be.
    """
    found = {}
    for letter in messages(settings, DEAD_LETTERS):
        if reason(letter) == "QUARANTINED":
            whence = dict(headers(letter))
            place = tuple(
                whence[f"__streams.errors.{name}"] or b""
                for name in ("topic", "partition", "offset")
            )
            found[place] = letter
    return found


def _log(settings: Settings, upto: Mapping[Place, int]) -> dict[Place, list[Message]]:
    parts = [TopicPartition(topic, p) for topic in INPUTS for p in range(settings.partitions)]
    client = admin(settings)
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    ranges = {
        (x.topic, x.partition): (starts[x], min(ends[x], upto.get((x.topic, x.partition), 0)))
        for x in parts
    }
    log: dict[Place, list[Message]] = defaultdict(list)
    aside = set_aside(settings)
    for batch in read(settings, ranges):
        for message in batch:
            topic, partition = message.topic() or "", message.partition() or 0
            if (
                topic.encode(),
                str(partition).encode(),
                str(message.offset()).encode(),
            ) not in aside:
                log[topic, partition].append(message)
    return log


def _identity(record: Record) -> Identity:
    name = type(record).__name__
    match record:
        case Decision():
            return name, record.decision_id, 0
        case FailureAnalysis():
            return name, record.failure_id, 0
        case PatternFact() | Advice():
            return name, record.event_id, 0
    assert isinstance(record, Command), f"{name} is no output"
    return name, record.command_id, record.attempt


def _timeless(record: Record) -> Record:  # noqa: C901 - one case a kind of record
    match record:
        case Decision():
            return replace(record, decided_at=0)
        case Command():
            return replace(record, issued_at=0, expires_at=0)
        case CommandRow():
            return replace(record, issued_at=0, expires_at=0, due_at=min(0, record.due_at))
        case BudgetRow():
            return replace(record, spent=(0,) * len(record.spent), denied=(0,) * len(record.denied))
        case FailureAnalysis():
            return replace(record, analysed_at=0)
        case FollowupRow():
            return replace(record, issued_at=0, ends_at=min(0, record.ends_at))
        case ExperimentRow():
            return _experiment(record)
        case MetricRow():
            return _metric(record)
        case SightingsRow():
            return replace(record, touched_at=0)
        case PatternFact() if record.kind == PatternFactKind.ACTION:
            return replace(record, occurred_at=0)
    return record


def _experiment(row: ExperimentRow) -> ExperimentRow:
    """When it began, is looked at, ended and leaves are moments of the broker's clock."""
    return replace(
        row,
        begun_at=0,
        due_at=min(0, row.due_at),
        ended_at=min(0, row.ended_at),
        leaves_at=min(0, row.leaves_at),
        decided=tuple(replace(done, again_at=min(0, done.again_at)) for done in row.decided),
        lacks=tuple(replace(lack, since=0, told_at=min(0, lack.told_at)) for lack in row.lacks),
    )


def _metric(row: MetricRow) -> MetricRow:
    """Since when it is not judged, and when its versions were seen, are moments of the broker's
    clock.
    """
    return replace(
        row,
        unjudged_at=min(0, row.unjudged_at),
        unwatched_at=min(0, row.unwatched_at),
        versions=tuple(
            replace(version, seen_at=0, again_at=min(0, version.again_at))
            for version in row.versions
        ),
    )
