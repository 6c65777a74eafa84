"""Since when the present level of a series holds: change points found as each point arrives, as
compiled functions.

Adams and MacKay, "Bayesian Online Changepoint Detection", arXiv:0710.3742, with a normal-gamma
model of each level: every position may be the start of the present level, and each point moves the
odds between these starts. At most 24 starts are held; where one more comes, the least likely gives
way. The prior of a new level is taken from the series itself: it lies about the mean of all, as far
off as the variance of all is to that of the noise, which half of the mean squared step from point
to point tells. So the answers follow the scale of the values. Points that follow each other
(autocorrelation r of what the level does not explain) weigh (1 - r) / (1 + r) of a point each.

A change is told once the odds that the level began after the last change, and at least five points
ago, are 99 to 1. The start that is likeliest then is when it began.
"""

from math import exp, lgamma, log, pi

import numpy as np
from numpy.typing import NDArray

from agents.statistics.scalars import log_added
from schemas.compiled import compiled
from state.metrics.series_layout import (
    AT,
    CHANGED_POSITION,
    DISTANCES,
    LAST_LEVELLED,
    LEVEL,
    LEVEL_AT,
    LEVEL_BEFORE,
    LEVEL_OFFSET,
    MEAN,
    OFFSET,
    OVERALL_MEAN,
    OVERALL_VARIANCE,
    POINTS,
    POSITION,
    PRODUCTS,
    REMAINDER,
    SQUARES,
    START,
    START_WIDTH,
    STARTS,
    STARTS_USED,
    STEP,
    UNITS,
    WEIGHT,
)

Floats = NDArray[np.float64]

HAZARD = 1e-3  # the chance that a level ends with a point
SURE = 0.99
LEAST_POINTS = 5  # of a level before it is told
_BEGINS = 15.0  # points of a series, from which the noise is known well enough
_OVERALL_POINTS, _NOISE_POINTS = 500.0, 100.0
_NOISE_OF_ALL = 1e-4  # of the variance of all: what a level leaves is never taken for less
_PRIOR_LEAST, _PRIOR_MOST = 0.005, 1.0  # points that the prior of a level weighs
_SHAPE = 4.0  # of the prior of the variance
_CORRELATION_MOST = 0.95
_STEPS_KNOWN = 4.0  # points
_NOISE_OF_STEPS = pi / 4.0  # the variance of independent normal noise to its squared mean step
_REMEMBERED = 0.99  # of the sums for the autocorrelation, from point to point
_PRIOR_SQUARES = 40.0  # points without autocorrelation that are taken for known
_WINSORISED = 4.0  # standard deviations of the noise
_FAR = 4.0  # mean steps, beyond which a step is drawn in
_TINY = 1e-300
_NEVER = -1e300  # log odds of what is given up


@compiled
def advance(series: Floats, value: float, moment: tuple[float, float]) -> bool:
    """Takes in a point, without its season; whether a change of the level is told with it.

    moment: of the point, and its offset.
    """
    position = series[POINTS]
    _learn_steps(series, value, position)
    if position == 0.0:
        _open(series, 0.0, 0.0)
        # What came before the noise was known is no level of its own.
        series[CHANGED_POSITION] = _BEGINS + 1.0
    noise = max(_NOISE_OF_STEPS * series[STEP] ** 2, _NOISE_OF_ALL * series[OVERALL_VARIANCE])
    if position < _BEGINS or noise <= _TINY:  # while all is constant there is one level
        _take_in(series, START, value, moment)
        series[LEVEL] = series[START + MEAN]
        series[LEVEL_AT], series[LEVEL_OFFSET] = series[START + AT], series[START + OFFSET]
        return False
    correlation = _correlation(series, noise)
    _learn_correlation(series, value, noise)
    _weigh(series, value, noise, (1.0 - correlation) / (1.0 + correlation))
    for number in range(int(series[STARTS_USED])):
        _take_in(series, START + START_WIDTH * number, value, moment)
    _open(series, position + 1.0, log(HAZARD))
    return _told(series, position)


@compiled
def _learn_steps(series: Floats, value: float, position: float) -> None:
    """Learns how far values are from the one before, and the mean and the variance of all. Long
    steps are drawn in, for they are changes.
    """
    if position == 0.0:
        series[OVERALL_MEAN] = value
    if position >= 1.0:
        size = abs(value - series[LAST_LEVELLED])
        series[STEP] = _with_step(series[STEP], size, position)
    series[LAST_LEVELLED] = value
    away, weight = value - series[OVERALL_MEAN], 1.0 / min(position + 1.0, _OVERALL_POINTS)
    series[OVERALL_MEAN] += weight * away
    variance = series[OVERALL_VARIANCE] + weight * away * away
    series[OVERALL_VARIANCE] = (1.0 - weight) * variance


@compiled
def _with_step(mean: float, size: float, known: float) -> float:
    if known > _STEPS_KNOWN and mean > 0.0:
        size = min(size, _FAR * mean)
    return mean + (size - mean) / min(known, _NOISE_POINTS)


@compiled
def _correlation(series: Floats, noise: float) -> float:
    """The correlation of neighbours within a level."""
    correlation = series[PRODUCTS] / (series[SQUARES] + _PRIOR_SQUARES * noise)
    return float(min(max(correlation, 0.0), _CORRELATION_MOST))


@compiled
def _learn_correlation(series: Floats, value: float, noise: float) -> None:
    """Learns from what the likeliest level leaves of a point, and left of the one before."""
    likeliest, most = _likeliest(series), _WINSORISED * noise**0.5
    remainder = min(max(value - series[likeliest + MEAN], -most), most)
    if series[likeliest + UNITS] > 3.0:
        series[SQUARES] = _REMEMBERED * series[SQUARES] + remainder * remainder
        series[PRODUCTS] = _REMEMBERED * series[PRODUCTS] + remainder * series[REMAINDER]
    series[REMAINDER] = remainder


@compiled
def _weigh(series: Floats, value: float, noise: float, weight: float) -> None:
    """Moves the odds of the starts by how well each foretold a point. weight: independent points
    that it weighs.
    """
    total = _NEVER
    for number in range(int(series[STARTS_USED])):
        start = START + START_WIDTH * number
        series[start + WEIGHT] += weight * _log_density(series, start, value, noise)
        total = log_added(total, series[start + WEIGHT])
    for number in range(int(series[STARTS_USED])):
        series[START + START_WIDTH * number + WEIGHT] += log(1.0 - HAZARD) - total


@compiled
def _log_density(series: Floats, start: int, value: float, noise: float) -> float:
    """The log density of a point under a start: Student's t, of the normal-gamma model."""
    units, mean = series[start + UNITS], series[start + MEAN]
    overall = series[OVERALL_MEAN]
    prior = noise / (series[OVERALL_VARIANCE] + _TINY)
    prior = min(max(prior, _PRIOR_LEAST), _PRIOR_MOST)
    known = prior + units
    centre = (prior * overall + units * mean) / known
    shape = _SHAPE + 0.5 * units
    from_prior = prior * units * (mean - overall) ** 2 / known
    rate = _SHAPE * noise + 0.5 * (series[start + DISTANCES] + from_prior)
    freedom, square = 2.0 * shape, rate * (known + 1.0) / (shape * known)
    return float(
        lgamma(shape + 0.5)
        - lgamma(shape)
        - 0.5 * log(freedom * pi * square)
        - (shape + 0.5) * log(1.0 + (value - centre) ** 2 / (square * freedom))
    )


@compiled
def _take_in(series: Floats, start: int, value: float, moment: tuple[float, float]) -> None:
    """Adds a point to a start (Welford, Technometrics 4, 1962); the first says when it began."""
    if series[start + UNITS] == 0.0:
        series[start + AT], series[start + OFFSET] = moment
    series[start + UNITS] += 1.0
    away = value - series[start + MEAN]
    series[start + MEAN] += away / series[start + UNITS]
    series[start + DISTANCES] += away * (value - series[start + MEAN])


@compiled
def _open(series: Floats, position: float, weight: float) -> None:
    """Holds one more start, from this position on: in the place of the least likely where there is
    no room.
    """
    number = int(series[STARTS_USED])
    if number < STARTS:
        series[STARTS_USED] += 1.0
    else:
        number = 0
        for other in range(1, STARTS):
            lower = series[START + START_WIDTH * other + WEIGHT]
            if lower < series[START + START_WIDTH * number + WEIGHT]:
                number = other
    start = START + START_WIDTH * number
    series[start + WEIGHT] = weight
    series[start + POSITION] = position
    series[start + UNITS] = 0.0
    series[start + MEAN] = 0.0
    series[start + DISTANCES] = 0.0


@compiled
def _likeliest(series: Floats) -> int:
    """Where the likeliest start stands that has taken in a point."""
    found = START
    for number in range(1, int(series[STARTS_USED])):
        start = START + START_WIDTH * number
        if series[start + UNITS] > 0.0 and series[start + WEIGHT] > series[found + WEIGHT]:
            found = start
    return found


@compiled
def _told(series: Floats, position: float) -> bool:
    """Whether the level is known to have begun since the last change; earlier starts are then
    given up.
    """
    odds, found = _NEVER, -1
    for number in range(int(series[STARTS_USED])):
        start = START + START_WIDTH * number
        begins = series[start + POSITION]
        if series[CHANGED_POSITION] < begins <= position - LEAST_POINTS + 1.0:
            odds = log_added(odds, series[start + WEIGHT])
            if found < 0 or series[start + WEIGHT] > series[found + WEIGHT]:
                found = start
    if found < 0 or exp(odds) <= SURE:
        series[LEVEL] = series[_likeliest(series) + MEAN]
        return False
    changed = series[found + POSITION]
    series[LEVEL_BEFORE] = _mean_before(series, changed)
    series[CHANGED_POSITION] = changed
    series[LEVEL] = series[found + MEAN]
    series[LEVEL_AT] = series[found + AT]
    series[LEVEL_OFFSET] = series[found + OFFSET]
    for number in range(int(series[STARTS_USED])):
        start = START + START_WIDTH * number
        if series[start + POSITION] < changed:
            series[start + WEIGHT] = _NEVER
    return True


@compiled
def _mean_before(series: Floats, changed: float) -> float:
    """The mean of the level that ends where another begins: of what the earliest start since the
    change before took in until then.
    """
    first, after = -1, 0
    for number in range(int(series[STARTS_USED])):
        start = START + START_WIDTH * number
        if series[start + POSITION] == changed:
            after = start
        elif series[start + POSITION] > changed or series[start + WEIGHT] <= _NEVER:
            continue
        elif first < 0 or series[start + POSITION] < series[first + POSITION]:
            first = start
    if first < 0:
        return float(series[LEVEL])
    total = series[first + UNITS] * series[first + MEAN]
    total -= series[after + UNITS] * series[after + MEAN]
    return float(total / (series[first + UNITS] - series[after + UNITS]))
