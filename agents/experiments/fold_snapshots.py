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

from agents.core.batch import Finding
from agents.core.policies import EXPOSURE
from agents.core.provenance import Provenance
from agents.experiments.arms.arms import Key, compared_with, group_of
from agents.experiments.arms.opening import names_of, row_of
from agents.experiments.evidence.look import POINT, look
from agents.experiments.evidence.pair_points import new_point_notes, note_point, take_points
from agents.experiments.late_results import heard
from agents.experiments.plan.terms import Tally
from agents.experiments.verdicts.decide import decide, pairs_of
from schemas.records import ArmPoint, ExperimentResult, ExperimentRow, SnapshotPart, SnapshotRow
from schemas.row_limits import SNAPSHOT_BYTES_MAX, bytes_of
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

_PART_BYTES = (
    48  # of a part beside its names: moment, count, sum, squares, and how long each name is
)
# moments later than the one that stands for which an arm is still missing; then the oldest is given
# up
WAITING = 16

_Set = dict[tuple[str, str | None], SnapshotPart]  # by variant and segment


def fold_snapshot(
    result: ExperimentResult, place: Provenance, appended: int, tables: ExperimentTables
) -> tuple[list[Finding], list[ArmPoint]]:
    """Takes in one snapshot, and judges the sets that it completes; appended: by the broker, ms.
    Returns what is found, and the points of the pairs whose running interval was cut.
    """
    subject, experiment_id, metric, _ = names_of(result)
    row = _row_of(result, tables) or SnapshotRow(subject, experiment_id, metric, -1, 0, ())
    part = _part(result)
    over = tables.experiments.get(row_key(subject, experiment_id))
    # Of sets that are not complete no arm tells when they came.
    if over is not None and (later := heard(over, place.now)).leaves_at != over.leaves_at:
        tables.experiments.put(later)
    if part.occurred_at < row.applied_at:
        tables.snapshots.put(replace(row, ignored=row.ignored + 1))
        return [], []
    others = [
        old for old in row.parts if (old.occurred_at, old.variant, old.segment) != _place(part)
    ]
    tables.snapshots.put(_bounded(replace(row, parts=(*others, part))))
    _open(result, place, tables)
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    assert experiment is not None
    rows, parts = _completed(tables, experiment, metric)
    return _judge(tables, rows, parts, place, appended) if rows else ([], [])


def why_oversized(result: ExperimentResult, tables: ExperimentTables) -> tuple[str, str] | None:
    """Why the set that stands and this snapshot's would be too large for the row that holds them;
    None where they are not.
    """
    row, part = _row_of(result, tables), _part(result)
    moments = (row.applied_at, part.occurred_at) if row is not None else ()
    size = (
        sum(map(_size, (old for old in row.parts if old.occurred_at in moments)))
        if row is not None
        else 0
    )
    if size + _size(part) <= SNAPSHOT_BYTES_MAX:
        return None
    return (
        "TOO_MANY_PARTS",
        f"the arms and segments of one moment would take more than {SNAPSHOT_BYTES_MAX} bytes",
    )


def _row_of(result: ExperimentResult, tables: ExperimentTables) -> SnapshotRow | None:
    return tables.snapshots.get(row_key(*names_of(result)[:3]))


def _size(part: SnapshotPart) -> int:
    return bytes_of(part.variant, part.segment) + _PART_BYTES


def _place(part: SnapshotPart) -> tuple[int, str, str | None]:
    return part.occurred_at, part.variant, part.segment


def _part(result: ExperimentResult) -> SnapshotPart:
    squares = result.sum_squares
    if squares is None and result.count == 1:
        squares = result.sum * result.sum
    return SnapshotPart(
        occurred_at=result.occurred_at,
        variant=result.variant,
        segment=result.segment,
        count=result.count,
        sum=result.sum,
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


def _open(result: ExperimentResult, place: Provenance, tables: ExperimentTables) -> None:
    """Opens the rows that a snapshot will stand in: its arm, and its segment of it."""
    for segment in dict.fromkeys((None, result.segment)):
        key: Key = (*names_of(result), segment, None)
        known = len(tables.arms)
        row = row_of(key, result, place, tables)
        if row == known:
            tables.arms.touch(np.array(group_of(tables, row)))
        if segment is None:
            tables.silence.hear(row, place.now)


def _completed(
    tables: ExperimentTables, experiment: ExperimentRow, metric: str
) -> tuple[list[int], list[SnapshotPart]]:
    """The rows of the sets that this snapshot completes, its exposure's first, and what stands for
    each.
    """
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
    return rows, parts


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
    arms, index = tables.arms, _trial(tables, experiment)
    return all(
        _totals(tables, row, part)
        == (
            arms.count[row],
            arms.hits[row],
            arms.sum[row],
            arms.sum_squares[row],
            arms.missing_squares[row],
        )
        for (variant, segment), part in members.items()
        for row in (index.of(metric, segment, None)[variant],)
    )


def _totals(
    tables: ExperimentTables, row: int, part: SnapshotPart
) -> tuple[int, int, float, float, bool]:
    """(count, hits, sum, squares, whether the squares are missing) of a row at a snapshot."""
    tally = tables.arms.tally[row]
    missing = part.sum_squares is None and tally in (Tally.MEAN, Tally.COUNT)
    hits = 0 if tally == Tally.MEAN else int(part.sum)
    squares = float(hits) if tally == Tally.RATE else part.sum_squares or 0.0
    return part.count, hits, part.sum, squares, missing


def _judge(
    tables: ExperimentTables,
    rows: list[int],
    parts: Sequence[SnapshotPart],
    place: Provenance,
    appended: int,
) -> tuple[list[Finding], list[ArmPoint]]:
    """Puts the totals of whole sets into their rows: one record brought all of them at once."""
    arms = tables.arms
    pairs = sorted({pair for row in rows for pair in pairs_of(tables, row)})
    before = {pair: _units(tables, pair) for pair in pairs}
    for row, part in zip(rows, parts, strict=True):
        count, hits, total, squares, missing = _totals(tables, row, part)
        arms.count[row], arms.hits[row], arms.sum[row] = count, hits, total
        arms.sum_squares[row], arms.missing_squares[row] = squares, missing
        arms.applied_offset[row], arms.last_at[row] = place.offset, appended
        arms.touch(np.array([row, *compared_with(tables, row)]))
    proved, points = 0, list[ArmPoint]()
    notes, offsets = new_point_notes(), (np.array([place.offset]), np.array([appended]))
    for pair in pairs:
        added = _units(tables, pair) - before[pair]
        seen = look(arms.records, tables.pairs, pair, added, place.offset, notes.interval)
        proved |= seen & ~POINT
        if seen & POINT:
            note_point(arms.records, tables.pairs, pair, 0, notes)
            points += take_points(tables, notes, *offsets)
    if not proved:
        return [], points
    return decide(place, tables, int(arms.experiment_no[rows[0]]), pairs), points


def _units(tables: ExperimentTables, pair: int) -> int:
    """Units of both arms of a pair."""
    return int(tables.arms.count[pair] + tables.arms.count[tables.arms.control[pair]])
