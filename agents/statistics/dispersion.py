"""How much more the number of bad units of a batch varies than if its units were independent.

Units that share a host, a customer or an hour are bad together, so that counts of batches vary more
than binomial ones. The ratio of the variances (Fano's factor, the dispersion of quasi-likelihood:
McCullagh and Nelder, "Generalized Linear Models", 1989, 4.5) grows with the batch until that is
longer than what the units share, hence the batches of several sizes. Successive differences (von
Neumann, 1941) leave out what moves more slowly than a batch. One rise of the level moves one of
them, and each counts as sixteen times the ratio before it at most.
"""

from math import sqrt

import numpy as np

from schemas.compiled import compiled
from state.metrics.usual import (
    BATCH_WIDTH,
    BATCHES,
    DISPERSION,
    LAST_BAD,
    LAST_COUNT,
    LAST_WEIGHT,
    OPEN_AT,
    OPEN_BAD,
    OPEN_COUNT,
    OPEN_WEIGHT,
    PAIRS,
    SCALES,
    SQUARES,
)

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

SMALLEST = 64  # judged units of the smallest batches
GROWTH = 4  # times as many units have the batches of the next size
PAIRS_LEAST = 8  # before what a size says is heard
PAIRS_MOST = 64  # after which a size has said what it can
_SIGMAS = 1.5  # by which a ratio is more than 1 before it counts
_MOST_OF_PAIR = 16.0  # times the ratio before it: four standard deviations
_RELATIVE = 3.0  # times 1 / pairs: the relative variance of a ratio of successive differences


@compiled
def take_in(
    usual: Floats, units: int, bad: int, weight: float, occurred_at: float, longest_ms: float
) -> None:
    """Adds a record to the open batches, closes those that are full, and works out the dispersion
    anew where one closed.

    usual: shape (USUAL_WIDTH,). weight: how many bad units were expected of it, in any unit of
    measure that is always the same. occurred_at: ms. longest_ms: batches that took longer are not
    compared, because a season may have moved them.
    """
    count, hits, size, began = float(units), float(bad), float(SMALLEST), occurred_at
    has_closed = False
    for scale in range(SCALES):
        at = BATCHES + scale * BATCH_WIDTH
        if usual[at + OPEN_COUNT] == 0.0:
            usual[at + OPEN_AT] = began
        usual[at + OPEN_COUNT] += count
        usual[at + OPEN_BAD] += hits
        usual[at + OPEN_WEIGHT] += weight
        if usual[at + OPEN_COUNT] < size:
            break
        count, hits = usual[at + OPEN_COUNT], usual[at + OPEN_BAD]
        weight, began = usual[at + OPEN_WEIGHT], usual[at + OPEN_AT]
        _close(usual, at, occurred_at - began <= longest_ms)
        has_closed = True
        size *= GROWTH
    if has_closed:
        usual[DISPERSION] = _dispersion(usual)


@compiled
def _close(usual: Floats, at: int, is_compared: bool) -> None:
    """Closes a full batch, which may be compared with the one before it."""
    count, bad, weight = usual[at + OPEN_COUNT], usual[at + OPEN_BAD], usual[at + OPEN_WEIGHT]
    count_before, bad_before = usual[at + LAST_COUNT], usual[at + LAST_BAD]
    rate = (bad + bad_before) / (count + count_before)
    is_compared = is_compared and count_before > 0.0 and 0.0 < rate < 1.0
    if is_compared and usual[at + PAIRS] < PAIRS_MOST:
        times = weight / usual[at + LAST_WEIGHT]
        variance = rate * (1.0 - rate) * (count + count_before * times * times)
        most = _MOST_OF_PAIR * max(1.0, _ratio(usual, at))
        usual[at + SQUARES] += min((bad - bad_before * times) ** 2 / variance, most)
        usual[at + PAIRS] += 1.0
    for open_, last in ((OPEN_COUNT, LAST_COUNT), (OPEN_BAD, LAST_BAD), (OPEN_WEIGHT, LAST_WEIGHT)):
        usual[at + last] = usual[at + open_]
        usual[at + open_] = 0.0


@compiled
def _ratio(usual: Floats, at: int) -> float:
    """The mean over its pairs, near 1 while there are few."""
    squares: float = usual[at + SQUARES]
    pairs: float = usual[at + PAIRS]
    return (squares + 1.0) / (pairs + 1.0)


@compiled
def _dispersion(usual: Floats) -> float:
    """The largest ratio over the sizes of batches whose ratio is more than chance; each with a
    standard error added, for too small a one lets false alarms through.
    """
    most = 1.0
    for scale in range(SCALES):
        at = BATCHES + scale * BATCH_WIDTH
        pairs = usual[at + PAIRS]
        if pairs < PAIRS_LEAST:
            continue
        error = sqrt(_RELATIVE / pairs)
        ratio = _ratio(usual, at)
        if ratio > 1.0 + _SIGMAS * error:
            most = max(most, ratio * (1.0 + error))
    return most
