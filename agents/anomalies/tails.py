"""How surprising a value of a feature is, by the highest peaks that were seen before it: compiled
functions.

The highest peaks of each side, one of each cluster of exceedances, give the index of a Pareto tail
(Hill, Annals of Statistics 3, 1975), from which a value beyond them has the chance

    p = k / n * (y / y_k) ** (-1 / gamma),   gamma = mean of log(y_i / y_k) over the higher peaks

with y the distance from the centre, y_k the lowest of the k peaks and n the points (at most 3 000,
so that what was unusual long ago does not stay usual for good). A light tail is taken for a
heavier one than it is, which errs towards silence. As in SPOT (Siffer et al., KDD 2017) what was
seen is learned whatever it was, so that what comes again and again is usual.

Worked example: among 2 000 points the six highest distances are 3.0, 2.8, 2.6, 2.5, 2.4 and 2.3.
gamma is 0.144, drawn to 0.188 by a prior of 0.3 that weighs two peaks, and kept at 0.25 at least. A
value at 6.0 then has p = 6 / 2 000 * (6.0 / 2.3) ** -4 = 6.5e-5.
"""

from math import log

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.metrics.series_layout import (
    CENTRE,
    COUNT,
    FEATURE,
    FEATURE_WIDTH,
    FROM_AT,
    FROM_OFFSET,
    LAST_AT_TAIL,
    NOW,
    PEAK_OF_LAST,
    PEAKS,
    SPREAD,
    TAIL,
    TAIL_WIDTH,
)

Floats = NDArray[np.float64]

WARM = 100.0  # points of a feature, before which nothing is judged by it
POINTS_MOST = 3_000.0
INDEX_LEAST = 0.25
_PRIOR_INDEX, _PRIOR_PEAKS = 0.3, 2.0
_OF_RECORD = 0.6  # of the highest peak: what is nearer to the centre is no surprise
_SAME_CLUSTER = 2.0  # points without an exceedance within a cluster
_CENTRE_POINTS = 1_000.0
_WINSORISED = 4.0  # spreads, as far as a value moves the centre
_SPREAD_KNOWN = 30.0  # points
_CONSTANT = 3.0  # log of the odds by which a first departure from a constant surprises more


@compiled
def centre(series: Floats, feature: int) -> float:
    """The distance of a feature from its centre, in the place of its value; it is not learned from
    yet.
    """
    at = FEATURE + FEATURE_WIDTH * feature
    if series[at + COUNT] == 0.0:
        series[at + CENTRE] = series[at + NOW]
    series[at + COUNT] += 1.0
    series[at + NOW] -= series[at + CENTRE]
    return float(series[at + NOW])


@compiled
def learn_centre(series: Floats, feature: int) -> None:
    """Moves the centre and the spread of a feature by its value, which is drawn in where it is
    far.
    """
    at = FEATURE + FEATURE_WIDTH * feature
    count, spread, moved = series[at + COUNT], series[at + SPREAD], series[at + NOW]
    if count > _SPREAD_KNOWN:
        moved = min(max(moved, -_WINSORISED * spread), _WINSORISED * spread)
    weight = 1.0 / min(count, _CENTRE_POINTS)
    series[at + CENTRE] += weight * moved
    series[at + SPREAD] += weight * (abs(moved) - spread)


@compiled
def log_chance(series: Floats, feature: int, tail: int, height: float) -> float:
    """log p of a value so far beyond the centre on the side of a tail; 0 where it is usual."""
    count = series[FEATURE + FEATURE_WIDTH * feature + COUNT]
    at = TAIL + TAIL_WIDTH * tail
    highest, lowest = series[at], series[at + PEAKS - 1]
    if count <= WARM or height <= 0.0:
        return 0.0
    points = min(count, POINTS_MOST)
    if lowest == 0.0:
        is_constant = series[FEATURE + FEATURE_WIDTH * feature + SPREAD] == 0.0
        return -log(points) - _CONSTANT if is_constant else 0.0
    if height <= lowest or height <= _OF_RECORD * highest:
        return 0.0
    index = _PRIOR_INDEX * _PRIOR_PEAKS
    for peak in range(PEAKS - 1):
        index += log(series[at + peak] / lowest)
    index = max(index / (PEAKS - 1 + _PRIOR_PEAKS), INDEX_LEAST)
    return log(PEAKS / points) - log(height / lowest) / index


@compiled
def learn_tail(
    series: Floats, tail: int, height: float, position: float, moment: tuple[float, float]
) -> None:
    """Takes in a distance on the side of a tail. moment: of the point, and its offset."""
    at = TAIL + TAIL_WIDTH * tail
    if height <= series[at + PEAKS - 1] or height <= 0.0:
        return
    peak = int(series[at + PEAK_OF_LAST]) - 1
    is_same = peak >= 0 and position - series[at + LAST_AT_TAIL] <= _SAME_CLUSTER
    series[at + LAST_AT_TAIL] = position
    if not is_same:
        peak = PEAKS - 1
        series[at + FROM_AT], series[at + FROM_OFFSET] = moment
    elif height <= series[at + peak]:
        return
    series[at + peak] = height
    while peak > 0 and series[at + peak] > series[at + peak - 1]:
        higher = series[at + peak]
        series[at + peak] = series[at + peak - 1]
        series[at + peak - 1] = higher
        peak -= 1
    series[at + PEAK_OF_LAST] = peak + 1.0


@compiled
def is_in_cluster(series: Floats, tail: int, position: float) -> bool:
    """Whether a point belongs to exceedances that began before it."""
    at = TAIL + TAIL_WIDTH * tail
    known = series[at + PEAK_OF_LAST] > 0.0
    return bool(known and position - series[at + LAST_AT_TAIL] <= _SAME_CLUSTER)


@compiled
def record(series: Floats, tail: int) -> float:
    """The highest peak of a tail: how far what was seen before went beyond the centre."""
    return float(series[TAIL + TAIL_WIDTH * tail])
