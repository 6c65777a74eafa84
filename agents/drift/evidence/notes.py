"""What the loop over model metrics leaves to be dealt with once it stops: who was heard, what
limits are learned from, and points of series, of which state.metrics.open_point says what they are.
"""

from enum import IntEnum
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.core.series_points import Points, room_for_points
from schemas.compiled import compiled
from state.metrics.cells import RowCells
from state.metrics.open_point import LAST_AT, MINUTE, OFFSET, PACE, PACED, SUM, UNITS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PointsOf(IntEnum):
    """What makes a point of a metric's series."""

    NOTHING = 0
    RECORDS = 1  # each record, unless they come too fast
    MINUTES = 2  # the records of a minute


class MetricNotes(NamedTuple):
    """What the loop leaves to be dealt with once it stops, each in the order of the log.

    heard: rows of the wholes of metrics; learned_rows, learned_values: what limits are learned
    from. lengths: of each, [HEARD, LEARNED, POINTED].
    """

    heard: Ints
    learned_rows: Ints
    learned_values: Floats
    points: Points
    lengths: Ints


HEARD, LEARNED, POINTED = range(3)  # of MetricNotes.lengths
_RECORDS = PointsOf.RECORDS.value
_NOTHING = PointsOf.NOTHING.value
_FAST_MS = 10_000.0  # from record to record, below which a minute makes a point
_PACE_KNOWN = 32.0  # records
# Of a row, which make no point: a name that somebody made up is to take no room in another table.
_FIRST_RECORDS = 8.0
_MINUTE_MS = 60_000.0
_LONGEST_MS = 3_600_000.0  # that a gap counts for in the pace


def new_notes(records: int) -> MetricNotes:
    """Room for what so many records leave: each may teach the limits of two rows, close a point of
    each, and be one itself.
    """
    return MetricNotes(
        np.empty(records, np.int64),
        np.empty(2 * records, np.int64),
        np.empty(2 * records),
        room_for_points(4 * records),
        np.zeros(3, np.int64),
    )


@compiled
def note_value(notes: MetricNotes, row: int, value: float) -> None:
    """Notes a value that a row's limit is learned from."""
    at = notes.lengths[LEARNED]
    notes.learned_rows[at] = row
    notes.learned_values[at] = value
    notes.lengths[LEARNED] += 1


@compiled
def note_points(
    notes: MetricNotes,
    row: RowCells,
    number: int,
    by_minute: bool,
    measured: tuple[int, float],
    moment: tuple[int, int, int],
) -> None:
    """Notes the points that a record closes or is.

    number: of the row. by_minute: whatever the pace. measured: count and sum. moment: when it
    occurred, its offset, and which record of the batch it is.
    """
    if row.points == _NOTHING:
        return
    count, total = measured
    occurred_at, offset, record = moment
    series, at = row.open_point, float(occurred_at)
    _learn_pace(series, at)
    if series[PACED] < _FIRST_RECORDS:
        return
    is_fast = series[PACED] >= _PACE_KNOWN and series[PACE] < _FAST_MS
    is_point = row.points == _RECORDS and not by_minute and not is_fast
    minute = floor(at / _MINUTE_MS)
    if series[UNITS] > 0.0 and (is_point or minute > series[MINUTE]):
        mean, began = series[SUM] / series[UNITS], series[MINUTE] * _MINUTE_MS
        _note(notes, row, number, (mean, began, series[OFFSET]), record)
        series[UNITS] = 0.0
    if is_point:
        point = total / count, at, float(offset)
        _note(notes, row, number, point, record)
        return
    if series[UNITS] == 0.0:
        series[MINUTE] = minute
        series[OFFSET] = float(offset)
        series[SUM] = 0.0
    series[UNITS] += float(count)
    series[SUM] += total


@compiled
def _learn_pace(series: Floats, at: float) -> None:
    if series[LAST_AT] > 0.0:
        gap = min(max(at - series[LAST_AT], 0.0), _LONGEST_MS)
        series[PACED] = min(series[PACED] + 1.0, _PACE_KNOWN)
        series[PACE] += (gap - series[PACE]) / series[PACED]
    series[LAST_AT] = max(series[LAST_AT], at)


@compiled
def _note(
    notes: MetricNotes,
    row: RowCells,
    number: int,
    point: tuple[float, float, float],
    record: int,
) -> None:
    """point: its value, when it occurred, and its first offset."""
    at, points = notes.lengths[POINTED], notes.points
    points.rows[at] = number
    points.hashes[at] = row.hash
    points.values[at], points.occurred_at[at], points.offsets[at] = point
    points.records[at] = record
    notes.lengths[POINTED] += 1
