"""What of a point is looked at: eight numbers that each show another way to be unusual, as compiled
functions.

VALUE itself; JUMP, its distance from the mean of the four before it; SHIFT and LONG_SHIFT, how the
mean of the last 8 (32) stands to that of the last 64 (256); ROUGHNESS, the log of how much the last
12 steps from point to point are to the last 256; OF_DAY and OF_HOUR, what the time of the day does
not explain, as a mean of the last 12 and alone; GAP, the log of how long nothing came, to what is
usual.
"""

from math import exp, log

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.metrics.series_layout import (
    CELL_COUNT,
    CELL_MEAN,
    CELLS,
    DAY_DISTANCE,
    FEATURE,
    FEATURE_WIDTH,
    FEATURES,
    FIRST_AT,
    HOUR_DISTANCE,
    IS_KNOWN,
    LAST_AT,
    LAST_VALUE,
    MEAN_4,
    MEAN_8,
    MEAN_32,
    MEAN_64,
    MEAN_256,
    MEAN_DAY,
    NOW,
    POINTS,
    RESIDUAL_12,
    STEP_12,
    STEP_256,
    USUAL_GAP,
)

Floats = NDArray[np.float64]

VALUE, JUMP, SHIFT, LONG_SHIFT, ROUGHNESS, OF_DAY, OF_HOUR, GAP = range(FEATURES)
DAY_MS = 86_400_000.0
_DAY_KNOWN = 1.5 * DAY_MS  # since the first point
_SEASON_KNOWN = 7.0 * DAY_MS
_SEASONAL = 0.7  # of the distances from the mean of the day is left where there is a season
_DISTANCE_POINTS = 1_000.0
_GAP_KNOWN, _ROUGHNESS_KNOWN = 20.0, 100.0  # points
_LEAST_ROUGHNESS = 0.02  # of the usual step: steps below it are none
_CELL_POINTS = 60.0  # of which the mean of a cell of the day is one: days where points are sparse
_STEP_OF_DAY = DAY_MS / 8.0  # a longer gap moves the mean of the day by no more


@compiled
def begin(series: Floats, value: float, at: float) -> None:
    """Takes the first point of a series."""
    for mean in (MEAN_4, MEAN_8, MEAN_32, MEAN_64, MEAN_256, MEAN_DAY):
        series[mean] = value
    series[LAST_VALUE] = value
    series[FIRST_AT] = at
    series[LAST_AT] = at


@compiled
def expected_of_day(series: Floats, at: float) -> tuple[bool, float]:
    """(whether this time of the day is known, what is usual then).

    Between the middles of two cells it is interpolated.
    """
    phase = at % DAY_MS / DAY_MS * CELLS
    cell = min(int(phase), CELLS - 1)
    aside = phase - cell - 0.5
    other = (cell + 1) % CELLS if aside > 0.0 else (cell - 1) % CELLS
    if series[CELL_COUNT + cell] < 1.0 or series[CELL_COUNT + other] < 1.0:
        return False, 0.0
    away = abs(aside)
    usual = series[CELL_MEAN + cell] * (1.0 - away) + series[CELL_MEAN + other] * away
    return True, float(series[MEAN_DAY] + usual)


@compiled
def without_season(series: Floats, value: float, at: float) -> float:
    """A point without what the time of the day explains, where a week has shown that it does."""
    is_known, of_day = expected_of_day(series, at)
    is_season = series[HOUR_DISTANCE] < _SEASONAL * series[DAY_DISTANCE]
    if not is_known or not is_season or at - series[FIRST_AT] < _SEASON_KNOWN:
        return value
    return value - (of_day - float(series[MEAN_DAY]))


@compiled
def set_features(series: Floats, value: float, at: float) -> None:
    """Works out the features of a point from what was seen before it."""
    points = series[POINTS]
    _set(series, VALUE, points > 0.0, value)
    _set(series, JUMP, points > 4.0, value - series[MEAN_4])
    shift = next_mean(series[MEAN_8], value, 8.0) - series[MEAN_64]
    _set(series, SHIFT, points > 64.0, shift)
    shift = next_mean(series[MEAN_32], value, 32.0) - series[MEAN_256]
    _set(series, LONG_SHIFT, points > 256.0, shift)
    _set_roughness(series, value)
    is_known, of_day = expected_of_day(series, at)
    is_known = is_known and at - series[FIRST_AT] > _DAY_KNOWN
    _set(series, OF_HOUR, is_known, value - of_day)
    _set(series, OF_DAY, is_known, next_mean(series[RESIDUAL_12], value - of_day, 12.0))
    gap, usual = at - series[LAST_AT], series[USUAL_GAP]
    is_known = points > _GAP_KNOWN and gap > 0.0 and usual > 0.0
    _set(series, GAP, is_known, log(gap / usual) if is_known else 0.0)


@compiled
def _set_roughness(series: Floats, value: float) -> None:
    step, usual = abs(value - series[LAST_VALUE]), series[STEP_256]
    is_known = series[POINTS] > _ROUGHNESS_KNOWN and usual > 0.0
    rough = 0.0
    if is_known:
        step = next_mean(series[STEP_12], step, 12.0)
        rough = log((step + _LEAST_ROUGHNESS * usual) / usual)
    _set(series, ROUGHNESS, is_known, rough)


@compiled
def _set(series: Floats, feature: int, is_known: bool, value: float) -> None:
    series[FEATURE + FEATURE_WIDTH * feature + NOW] = value
    series[FEATURE + FEATURE_WIDTH * feature + IS_KNOWN] = 1.0 if is_known else 0.0


@compiled
def learn_point(series: Floats, value: float, at: float) -> None:
    """Takes a point into the means, the steps, the day and the gaps."""
    seen = series[POINTS] + 1.0
    is_of_day, of_day = expected_of_day(series, at)
    if is_of_day and at - series[FIRST_AT] > _DAY_KNOWN:
        series[RESIDUAL_12] = next_mean(series[RESIDUAL_12], value - of_day, 12.0)
        width = min(seen, _DISTANCE_POINTS)
        away, left = abs(value - series[MEAN_DAY]), abs(value - of_day)
        series[DAY_DISTANCE] = next_mean(series[DAY_DISTANCE], away, width)
        series[HOUR_DISTANCE] = next_mean(series[HOUR_DISTANCE], left, width)
    step = abs(value - series[LAST_VALUE])
    for mean, width in (
        (MEAN_4, 4.0),
        (MEAN_8, 8.0),
        (MEAN_32, 32.0),
        (MEAN_64, 64.0),
        (MEAN_256, 256.0),
    ):
        series[mean] = next_mean(series[mean], value, min(seen, width))
    if seen > 1.0:
        series[STEP_12] = next_mean(series[STEP_12], step, min(seen - 1.0, 12.0))
        series[STEP_256] = next_mean(series[STEP_256], step, min(seen - 1.0, 256.0))
    _learn_gap(series, at, seen)
    _learn_day(series, value, at, seen)
    series[LAST_VALUE] = value
    series[LAST_AT] = max(series[LAST_AT], at)


@compiled
def _learn_gap(series: Floats, at: float, seen: float) -> None:
    gap = at - series[LAST_AT]
    if gap <= 0.0:
        return
    usual = series[USUAL_GAP]
    if usual > 0.0:
        gap = exp(log(usual) + (log(gap) - log(usual)) / min(seen, 50.0))
    series[USUAL_GAP] = gap


@compiled
def _learn_day(series: Floats, value: float, at: float, seen: float) -> None:
    gap = min(max(at - series[LAST_AT], 0.0), _STEP_OF_DAY)
    weight = max(1.0 / seen, 1.0 - exp(-gap / DAY_MS))
    series[MEAN_DAY] += weight * (value - series[MEAN_DAY])
    cell = min(int(at % DAY_MS / DAY_MS * CELLS), CELLS - 1)
    series[CELL_COUNT + cell] += 1.0
    count, usual = series[CELL_COUNT + cell], series[CELL_MEAN + cell]
    series[CELL_MEAN + cell] += (value - series[MEAN_DAY] - usual) / min(count, _CELL_POINTS)


@compiled
def next_mean(mean: float, value: float, width: float) -> float:
    """An exponentially weighted mean with one value more."""
    return mean + (value - mean) / width
