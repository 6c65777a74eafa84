"""Points that do not come: a series that sends nothing for longer than it ever did is told while it
lasts, at a tick.

What counts is when points arrive by the broker's clock, not when they say that they occurred: a
file that is published once a day is silent for a day in between, and the second day teaches that.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.metrics.series_layout import (
    FOUND,
    HIGH,
    IS_OPEN,
    LONGEST_WAIT,
    LOW,
    POINTS,
    QUIET_UNTIL,
    SEEN,
    SEEN_AT,
    SINCE_AT,
    SINCE_OFFSET,
    SURPRISE,
    USUAL_GAP,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOWN = 100.0  # points, before which nobody knows how often they come
TIMES_LONGEST = 3.0  # the longest wait there was
TIMES_USUAL = 10.0  # the usual time from point to point
LEAST_MS = 600_000.0
_MINUTE_MS = 60_000.0  # silence is looked for at full minutes
_FADES = 0.999  # of the longest wait, from point to point
_TAIL_OF_SILENCE = 14.0  # of the feature GAP, above
_SURPRISE = 8.0  # the least that is told: a wait has no chance of its own


@compiled
def note_arrival(series: Floats, now: float) -> None:
    """Notes when a point came, by the broker's clock, ms."""
    if series[SEEN_AT] > 0.0:
        wait = max(now - series[SEEN_AT], 0.0)
        series[LONGEST_WAIT] = max(_FADES * series[LONGEST_WAIT], wait)
    series[SEEN_AT] = now


def silent(numbers: Floats, now: int) -> Ints:
    """The places of series that have been silent for too long at the full minute before a moment of
    the broker's clock, and of which nothing is told yet.

    numbers: shape (n, WIDTH). However often one looks within a minute, the answer is the same.
    """
    usual = TIMES_USUAL * numbers[:, USUAL_GAP]
    waits = np.maximum(np.maximum(TIMES_LONGEST * numbers[:, LONGEST_WAIT], usual), LEAST_MS)
    minute = now // _MINUTE_MS * _MINUTE_MS
    is_late = minute >= numbers[:, SEEN_AT] + waits
    is_known = (numbers[:, POINTS] >= KNOWN) & (numbers[:, IS_OPEN] == 0.0)
    return np.flatnonzero(is_late & is_known)


def begin_silence(series: Floats, now: int, offset: int) -> None:
    """Begins an episode of silence: what was seen is how long nothing has come, in ms.

    offset: from which records on evidence is counted.
    """
    series[IS_OPEN] = 1.0
    series[QUIET_UNTIL] = series[POINTS] + 1.0
    series[FOUND] = _TAIL_OF_SILENCE
    series[SEEN] = now - series[SEEN_AT]
    series[LOW] = 0.0
    series[HIGH] = max(series[LONGEST_WAIT], series[USUAL_GAP])
    series[SINCE_AT] = series[SEEN_AT]
    series[SINCE_OFFSET] = float(offset)
    series[SURPRISE] = _SURPRISE
