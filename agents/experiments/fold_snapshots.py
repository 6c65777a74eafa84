"""Cumulative totals: each snapshot replaces the one before, and only complete sets are judged.

A set is what all arms of a metric sent for one moment (`occurred_at`), in the same segments each,
with their exposure up to that moment where the experiment sends exposures as snapshots. In a ramp
they are not judged: totals do not tell the share that their units were assigned at. Until a set is
complete the last complete one stands: arms of different moments would be compared otherwise.
Order-free: what arrives late for a moment that is past is ignored and counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Finding, Ints
from agents.core.policies import EXPOSURE
from agents.experiments.arms.arms import open_arm
from agents.experiments.evidence.looks import looks_of
from agents.experiments.late_results import count_late, count_mixed, heard, late_of
from agents.experiments.plan.name_limits import crowded
from agents.experiments.plan.terms import Tally
from agents.experiments.row_lookup import named
from agents.experiments.totals.contributions import measure_of, senseless
from agents.experiments.totals.running_totals import Running, group_of, totals_of
from agents.experiments.totals.totals import Totals
from agents.experiments.verdicts.crossings import look
from agents.statistics.running_sums import bring_together
from schemas.records import ExperimentRow, SnapshotPart, SnapshotRow
from schemas.refusals import RefusedRecord
from schemas.row_limits import SNAPSHOT_BYTES_MAX, bytes_of
from state.arms_table import ARM_NAMES
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import combine, hash_part
from state.storage.table import row_key

_PART_BYTES = (
    48  # of a part beside its names: moment, count, sum, squares, and how long each name is
)
# moments later than the one that stands for which an arm is still missing; then the oldest is given
# up
WAITING = 16

_Names = tuple[str, str, str, str, str | None]
_Set = dict[tuple[str, str | None], SnapshotPart]  # by variant and segment


def fold_snapshots(
    facts: Facts, tables: ExperimentTables
) -> tuple[list[Finding], list[RefusedRecord]]:
    """Folds records that are all snapshots, one by one: there are few."""
    findings: list[Finding] = []
    refused: list[RefusedRecord] = []
    for at in range(len(facts)):
        one = facts.part(at, at + 1)
        names = named(one)
        measure = measure_of(one, tables, names.whole)
        senseless_one = senseless(one, measure, snapshot=True)
        count_mixed(one, tables, senseless_one)
        if not senseless_one and not late_of(one, measure).any():
            senseless_one = crowded(one, tables, names, measure.rows, [0]) or _oversized(
                one, tables
            )
        refused += [replace(fault, index=at) for fault in senseless_one]
        if not senseless_one and not count_late(one, tables, late_of(one, measure)):
            findings += [replace(finding, at=at) for finding in _fold_one(one, tables)]
    return findings, refused


def _fold_one(one: Facts, tables: ExperimentTables) -> list[Finding]:
    names = tuple(one.batch.column(name)[0].as_py() for name in ARM_NAMES[:5])
    subject, experiment_id, metric, variant, segment = names
    key = row_key(subject, experiment_id, metric)
    row = tables.snapshots.get(key) or SnapshotRow(subject, experiment_id, metric, -1, 0, ())
    part = _part(one, variant, segment)
    over = tables.experiments.get(row_key(subject, experiment_id))
    # Of sets that are not complete no arm tells when they came.
    if over is not None and (later := heard(over, int(one.now[0]))).leaves_at != over.leaves_at:
        tables.experiments.put(later)
    if part.occurred_at < row.applied_at:
        tables.snapshots.put(replace(row, ignored=row.ignored + 1))
        return []
    others = [
        old for old in row.parts if (old.occurred_at, old.variant, old.segment) != _place(part)
    ]
    tables.snapshots.put(_bounded(replace(row, parts=(*others, part))))
    _open(tables, names, one)
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    assert experiment is not None
    rows, totals = _completed(tables, experiment, metric)
    return _judge(one, tables, rows, totals) if len(rows) else []


def _oversized(one: Facts, tables: ExperimentTables) -> list[RefusedRecord]:
    """Whether the set that stands and this record's would be too large for the row that holds
    them.
    """
    subject, experiment_id, metric, variant, segment = (
        one.batch.column(name)[0].as_py() for name in ARM_NAMES[:5]
    )
    row = tables.snapshots.get(row_key(subject, experiment_id, metric))
    part = _part(one, variant, segment)
    moments = (row.applied_at, part.occurred_at) if row is not None else ()
    size = (
        sum(map(_size, (old for old in row.parts if old.occurred_at in moments)))
        if row is not None
        else 0
    )
    if size + _size(part) <= SNAPSHOT_BYTES_MAX:
        return []
    sentence = (
        f"the arms and segments of one moment would take more than {SNAPSHOT_BYTES_MAX} bytes"
    )
    return [RefusedRecord(0, "TOO_MANY_PARTS", sentence)]


def _size(part: SnapshotPart) -> int:
    return bytes_of(part.variant, part.segment) + _PART_BYTES


def _place(part: SnapshotPart) -> tuple[int, str, str | None]:
    return part.occurred_at, part.variant, part.segment


def _part(one: Facts, variant: str, segment: str | None) -> SnapshotPart:
    squares = one.batch.column("sum_squares")[0].as_py()
    count, total = int(one.ints("count")[0]), float(one.floats("sum")[0])
    if squares is None and count == 1:
        squares = total * total
    occurred_at = int(one.ints("occurred_at")[0])
    return SnapshotPart(
        occurred_at=occurred_at,
        variant=variant,
        segment=segment,
        count=count,
        sum=total,
        sum_squares=squares,
    )


def _bounded(row: SnapshotRow) -> SnapshotRow:
    waiting = sorted({part.occurred_at for part in row.parts if part.occurred_at > row.applied_at})
    kept = row.parts
    while len(waiting) > WAITING or (
        len(waiting) > 1 and sum(map(_size, kept)) > SNAPSHOT_BYTES_MAX
    ):
        kept = tuple(part for part in kept if part.occurred_at != waiting[0])
        waiting = waiting[1:]
    return replace(row, parts=kept, ignored=row.ignored + len(row.parts) - len(kept))


def _open(tables: ExperimentTables, names: _Names, one: Facts) -> None:
    """Opens the rows that a snapshot will stand in: its arm, and its segment of it."""
    for segment in dict.fromkeys((None, names[4])):
        key = (*names[:4], segment, None)
        hashed = combine([hash_part(pa.array([name], pa.string())) for name in key])
        if tables.arms.find(hashed)[0] < 0:
            moment = int(one.offsets[0]), int(one.ints("occurred_at")[0]), int(one.now[0])
            row = open_arm(tables, int(hashed[0]), key, *moment)
            tables.arms.touch(np.array(group_of(tables, row)))
        if segment is None:
            tables.silence.results(tables.arms.find(hashed), one.now)


def _completed(
    tables: ExperimentTables, experiment: ExperimentRow, metric: str
) -> tuple[Ints, Totals]:
    """The rows of the sets that this snapshot completes, its exposure's first, and their totals."""
    rows: list[int] = []
    parts: list[SnapshotPart] = []
    index = _trial(tables, experiment)
    candidates = (
        [metric]
        if metric != EXPOSURE
        else [EXPOSURE, *(name for name in index.arms if name != EXPOSURE)]
    )
    for name in candidates:
        row = tables.snapshots.get(row_key(experiment.subject, experiment.experiment_id, name))
        found = _latest_complete(tables, experiment, row) if row is not None else None
        if row is None or found is None:
            continue
        moment, members = found
        kept = tuple(part for part in row.parts if part.occurred_at >= moment)
        gone = sum(
            part.occurred_at < moment and part.occurred_at != row.applied_at for part in row.parts
        )
        tables.snapshots.put(
            replace(row, applied_at=moment, parts=kept, ignored=row.ignored + gone)
        )
        for (variant, segment), part in members.items():
            rows.append(index.of(name, segment, None)[variant])
            parts.append(part)
    return np.array(rows, np.int64), _totals(tables, rows, parts)


def _trial(tables: ExperimentTables, experiment: ExperimentRow) -> ExperimentArms:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    assert number is not None, f"{experiment.experiment_id} has snapshots and no rows"
    return tables.index[number]


def _latest_complete(
    tables: ExperimentTables, experiment: ExperimentRow, row: SnapshotRow
) -> tuple[int, _Set] | None:
    """The latest complete set at or after the one that stands, with the whole of each arm; None if
    nothing changes.
    """
    sets: dict[int, _Set] = defaultdict(dict)
    for part in row.parts:
        sets[part.occurred_at][part.variant, part.segment] = part
    for moment in sorted(sets, reverse=True):
        if _complete(tables, experiment, row, sets, moment):
            members = {**sets[moment], **_wholes(sets[moment])}
            stands = moment == row.applied_at and _stands(tables, experiment, row.metric, members)
            return None if stands else (moment, members)
    return None


def _complete(
    tables: ExperimentTables,
    experiment: ExperimentRow,
    row: SnapshotRow,
    sets: dict[int, _Set],
    moment: int,
) -> bool:
    segments: dict[str, set[str | None]] = defaultdict(set)
    for variant, segment in sets[moment]:
        segments[variant].add(segment)
    known = {variant for parts in sets.values() for variant, _ in parts}
    index = _trial(tables, experiment)
    arms = {
        experiment.control,
        *(experiment.treatments or known | index.arms.get(row.metric, {}).keys()),
    }
    if (
        len(arms) < 2
        or not arms <= segments.keys()
        or len({frozenset(segments[arm]) for arm in arms}) > 1
    ):
        return False
    if row.metric == EXPOSURE:
        return True
    exposure = tables.snapshots.get(row_key(experiment.subject, experiment.experiment_id, EXPOSURE))
    return exposure is None or exposure.applied_at >= moment


def _wholes(members: _Set) -> _Set:
    """The whole of each arm: as sent, or the sum of its segments in the order of their names."""
    wholes: _Set = {}
    for variant in sorted({variant for variant, _ in members}):
        if (variant, None) in members:
            continue
        parts = [members[key] for key in sorted(key for key in members if key[0] == variant)]
        squares = [part.sum_squares for part in parts]
        wholes[variant, None] = replace(
            parts[0],
            segment=None,
            count=sum(part.count for part in parts),
            sum=sum(part.sum for part in parts),
            sum_squares=None
            if None in squares
            else sum(value for value in squares if value is not None),
        )
    return wholes


def _stands(
    tables: ExperimentTables, experiment: ExperimentRow, metric: str, members: _Set
) -> bool:
    """Whether these totals are in their rows already."""
    index = _trial(tables, experiment)
    rows = [index.of(metric, segment, None)[variant] for variant, segment in members]
    new, old = _totals(tables, rows, list(members.values())), totals_of(tables, np.array(rows))
    pairs = (
        (new.count, old.count),
        (new.hits, old.hits),
        (new.total, old.total),
        (new.squares, old.squares),
    )
    return all(np.array_equal(a, b) for a, b in pairs) and np.array_equal(new.missing, old.missing)


def _totals(tables: ExperimentTables, rows: Sequence[int], parts: Sequence[SnapshotPart]) -> Totals:
    tally = tables.arms.tally[np.array(rows, np.int64)]
    count = np.array([part.count for part in parts], np.int64)
    total = np.array([part.sum for part in parts])
    squares = np.array([np.nan if part.sum_squares is None else part.sum_squares for part in parts])
    counted = tally != Tally.MEAN
    hits = np.where(counted, total, 0.0).astype(np.int64)
    missing = np.isnan(squares) & np.isin(tally, (Tally.MEAN, Tally.COUNT))
    squares = np.where(np.isnan(squares), 0.0, squares)
    rate = tally == Tally.RATE
    return Totals(count, hits, total, np.where(rate, hits, squares), missing)


def _judge(one: Facts, tables: ExperimentTables, rows: Ints, totals: Totals) -> list[Finding]:
    """The one record brought all these totals at once."""
    runs = bring_together(rows)
    after = Running(runs, np.zeros(len(rows), np.int64), totals.take(runs.order))
    looks, findings = looks_of(one, tables, after), list[Finding]()
    if looks is not None:
        findings = look(one, tables, after, looks)
    after.store(tables, one)
    return findings
