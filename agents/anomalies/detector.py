"""Takes in one point of a series after the other, and says what was unusual in it: compiled
functions.

Each feature of a point is held against the tails of what it was before
([tails.py](tails.py)); where the least likely of them has a chance below e ** -8, an episode
begins, and whatever is unusual goes on with it until fifty points in a row were not. The same
points move the odds of since when the present level holds ([levels.py](levels.py)). A point is
judged by points before it alone, takes the same time whatever came before, and is learned from in
any case.
"""

from math import exp, isfinite

import numpy as np
from numpy.typing import NDArray

from agents.anomalies.features import (
    GAP,
    JUMP,
    LONG_SHIFT,
    OF_DAY,
    OF_HOUR,
    ROUGHNESS,
    SHIFT,
    begin,
    expected_of_day,
    learn_point,
    set_features,
    without_season,
)
from agents.anomalies.levels import advance
from agents.anomalies.tails import (
    centre,
    is_in_cluster,
    learn_centre,
    learn_tail,
    log_chance,
    record,
)
from schemas.compiled import compiled
from state.metrics.series_layout import (
    CENTRE,
    FEATURE,
    FEATURE_WIDTH,
    FEATURES,
    FOUND,
    FROM_AT,
    FROM_OFFSET,
    HIGH,
    IS_KNOWN,
    IS_OPEN,
    LAST_AT,
    LAST_VALUE,
    LOW,
    MEAN_4,
    MEAN_8,
    MEAN_32,
    MEAN_64,
    MEAN_256,
    NOW,
    POINTS,
    QUIET_UNTIL,
    RESIDUAL_12,
    SEEN,
    SINCE_AT,
    SINCE_OFFSET,
    STEP_12,
    STEP_256,
    SURPRISE,
    TAIL,
    TAIL_WIDTH,
    USUAL_GAP,
)

Floats = NDArray[np.float64]

SURPRISING = 8.0  # -log of the chance of a value, from which on an episode begins
QUIET_POINTS = 100.0  # from the begin of an episode
CALM_POINTS = 50.0  # from the last unusual point of an episode
# What features that follow slow movements must be beyond that, for those have fewer independent
# values than points.
_BEYOND = 0.5
_LARGEST = 1e150  # a value beyond it has no square; it is left out

BEGAN, ENDED, CHANGED = 1, 2, 4  # what comes of a point, added up


@compiled
def observe(series: Floats, value: float, at: float, offset: float) -> int:
    """Takes in a point; what comes of it: BEGAN, ENDED and CHANGED, added up.

    series: (WIDTH,), see `state.metrics.series_layout`; it changes. at: when the point occurred,
    ms. offset: of its record.
    """
    if not isfinite(value) or abs(value) > _LARGEST:
        return 0
    if series[POINTS] == 0.0:
        begin(series, value, at)
    set_features(series, value, at)
    position, moment = series[POINTS], (at, offset)
    tail, surprise = _most_surprising(series)
    came = 0
    if surprise >= SURPRISING:
        if position > series[QUIET_UNTIL]:
            came = _begun(series, tail, value, surprise, moment)
        else:
            series[QUIET_UNTIL] = max(series[QUIET_UNTIL], position + CALM_POINTS)
    elif series[IS_OPEN] > 0.0 and position > series[QUIET_UNTIL]:
        series[IS_OPEN] = 0.0
        came = ENDED
    _learn(series, position, moment)
    if advance(series, without_season(series, value, at), moment):
        came += CHANGED
    learn_point(series, value, at)
    series[POINTS] += 1.0
    return came


@compiled
def _most_surprising(series: Floats) -> tuple[int, float]:
    """(the tail that a point is farthest out in, minus the log of its chance there); features
    become distances from their centres.
    """
    most, surprise = -1, 0.0
    for feature in range(FEATURES):
        if series[FEATURE + FEATURE_WIDTH * feature + IS_KNOWN] == 0.0:
            continue
        distance = centre(series, feature)
        beyond = _BEYOND if feature in (LONG_SHIFT, OF_DAY, OF_HOUR) else 0.0
        for side in range(2):
            tail, height = 2 * feature + side, distance if side == 0 else -distance
            own = -log_chance(series, feature, tail, height) - beyond
            if own > surprise:
                most, surprise = tail, own
    return most, surprise


@compiled
def _learn(series: Floats, position: float, moment: tuple[float, float]) -> None:
    for feature in range(FEATURES):
        at = FEATURE + FEATURE_WIDTH * feature
        if series[at + IS_KNOWN] > 0.0:
            learn_tail(series, 2 * feature, series[at + NOW], position, moment)
            learn_tail(series, 2 * feature + 1, -series[at + NOW], position, moment)
            learn_centre(series, feature)


@compiled
def _begun(
    series: Floats, tail: int, value: float, surprise: float, moment: tuple[float, float]
) -> int:
    """Begins an episode, and notes what was seen and expected.

    An episode that is open still, because nothing came since it was over, ends with it.
    """
    came = BEGAN + (ENDED if series[IS_OPEN] > 0.0 else 0)
    position = series[POINTS]
    series[IS_OPEN] = 1.0
    series[QUIET_UNTIL] = position + QUIET_POINTS
    series[FOUND] = float(tail)
    series[SURPRISE] = surprise
    series[SINCE_AT], series[SINCE_OFFSET] = moment
    if is_in_cluster(series, tail, position):
        at = TAIL + TAIL_WIDTH * tail
        series[SINCE_AT], series[SINCE_OFFSET] = series[at + FROM_AT], series[at + FROM_OFFSET]
    _say_expected(series, tail // 2, value, moment[0])
    return came


@compiled
def _say_expected(series: Floats, feature: int, value: float, at: float) -> None:
    """Sets what was seen, and between what it was expected, in the unit of the values; for a gap in
    ms.
    """
    middle = series[FEATURE + FEATURE_WIDTH * feature + CENTRE]
    low = middle - record(series, 2 * feature + 1)
    high = middle + record(series, 2 * feature)
    seen, base = value, 0.0
    if feature == JUMP:
        base = series[MEAN_4]
    elif feature == SHIFT:
        seen, base = series[MEAN_8] + (value - series[MEAN_8]) / 8.0, series[MEAN_64]
    elif feature == LONG_SHIFT:
        seen, base = series[MEAN_32] + (value - series[MEAN_32]) / 32.0, series[MEAN_256]
    elif feature == OF_HOUR:
        base = expected_of_day(series, at)[1]
    elif feature == OF_DAY:
        base = expected_of_day(series, at)[1]
        residual = series[RESIDUAL_12]
        seen = base + residual + (value - base - residual) / 12.0
    elif feature == ROUGHNESS:
        step = series[STEP_12]
        seen = step + (abs(value - series[LAST_VALUE]) - step) / 12.0
        low, high = exp(low) * series[STEP_256], exp(high) * series[STEP_256]
    elif feature == GAP:
        seen = at - series[LAST_AT]
        low, high = exp(low) * series[USUAL_GAP], exp(high) * series[USUAL_GAP]
    series[SEEN], series[LOW], series[HIGH] = seen, base + low, base + high
