"""The pass over points of series: one compiled loop, which stops at a series that is not in hand,
and at a point of which something is to be said.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.anomalies.detector import observe
from agents.anomalies.silence import note_arrival
from agents.core.series_points import Points
from schemas.compiled import compiled
from state.metrics.series_table import AnomaliesTable
from state.storage.hash_map import find

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class PointStop(IntEnum):
    """Why the loop returned."""

    END = 0
    NOT_IN_HAND = 1  # nothing is done with the point yet
    FOUND = 2  # the point is taken in


class SeriesMemory(NamedTuple):
    """What compiled code reads and writes of the table of series; see AnomaliesTable."""

    numbers: NDArray[np.float64]
    slots: NDArray[np.uint64]
    is_touched: Flags
    is_listed: Flags
    touched: Ints
    touched_count: Ints


def memory_of(series: AnomaliesTable) -> SeriesMemory:
    """The memory of a partition's series; valid until one is taken in hand."""
    return SeriesMemory(
        series.numbers,
        series.slots,
        series.is_touched,
        series.is_listed,
        series.touched,
        series.touched_count,
    )


@compiled
def step_through(
    memory: SeriesMemory, points: Points, now: Ints, at: int, end: int
) -> tuple[int, int, int, int]:
    """(why it stopped, at which point, the place of its series, what came of it) from a point on.

    now: the broker's clock at each record of the batch, ms.
    """
    while at < end:
        place = find(memory.slots, points.hashes[at])
        if place < 0:
            return PointStop.NOT_IN_HAND.value, at, -1, 0
        series = memory.numbers[place]
        came = observe(series, points.values[at], points.occurred_at[at], points.offsets[at])
        note_arrival(series, float(now[points.records[at]]))
        _touch(memory, place)
        if came:
            return PointStop.FOUND.value, at, place, came
        at += 1
    return PointStop.END.value, at, -1, 0


@compiled
def _touch(memory: SeriesMemory, place: int) -> None:
    """Has a series written back."""
    memory.is_touched[place] = True
    if not memory.is_listed[place]:
        memory.is_listed[place] = True
        memory.touched[memory.touched_count[0]] = place
        memory.touched_count[0] += 1
