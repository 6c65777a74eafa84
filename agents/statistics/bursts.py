"""How much more the hits of an arm vary from one stretch of blocks to the next than those of
independent units would, because errors come in bursts: of one host, one client, one minute.

Given the hits of a block, those of the treatment exceed what they would be on the mean by x - n (x
+ y) / (n + m), with the hypergeometric variance. The excess of a group of blocks is compared with
that of the group before it, each by its variance, for a constant effect adds in proportion to it:
successive differences (von Neumann, "Distribution of the Ratio of the Mean Square Successive
Difference to the Variance", 1941) leave out an effect, and whatever moves more slowly than a group.
A harm that begins moves one of them, which counts as nine times the ratio before it at most. The
mean of the squared differences over their variances is the dispersion of quasi-likelihood
(McCullagh and Nelder, "Generalized Linear Models", 1989, 4.5); it grows with the group until that
is longer than a burst, hence groups of several sizes, and the largest ratio that is more than
chance.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.pairs.pair_blocks import (
    BURST_GROUPS,
    BURST_WIDTH,
    BURSTS,
    CLOSED,
    DISPERSION,
    LAST_EXCESS,
    LAST_VARIANCE,
    OPEN_EXCESS,
    OPEN_VARIANCE,
    PAIRS,
    RATIOS,
)

Floats = NDArray[np.float64]

PAIRS_LEAST = 8.0  # before what a size says is heard
PAIRS_MOST = 64.0  # after which a size has said what it can: a harm that begins later moves nothing
_SIGMAS = (
    2.5  # by which a ratio is more than 1 before it counts: each costs power where it is chance
)
_MOST_OF_PAIR = 9.0  # times the ratio before it: three standard deviations
_RELATIVE = 3.0  # times 1 / pairs: the relative variance of a ratio of successive differences


@compiled
def take_block(blocks: Floats, slot: int, excess: float, variance: float) -> None:
    """Takes in a block that was closed last: by how much its treatment's hits exceed what is to be
    expected, and with which variance.
    """
    has_closed = False
    for scale in range(len(BURST_GROUPS)):
        at = BURSTS + BURST_WIDTH * scale
        blocks[slot, at + OPEN_EXCESS] += excess
        blocks[slot, at + OPEN_VARIANCE] += variance
        if blocks[slot, CLOSED] % BURST_GROUPS[scale] != 0.0:
            break
        excess, variance = blocks[slot, at + OPEN_EXCESS], blocks[slot, at + OPEN_VARIANCE]
        _close(blocks, slot, at)
        has_closed = True
    if has_closed:
        blocks[slot, DISPERSION] = _dispersion(blocks, slot)


@compiled
def dispersion_of(blocks: Floats, slot: int) -> float:
    """How many times as much as of independent units the hits vary, 1 at least."""
    return float(max(1.0, blocks[slot, DISPERSION]))


@compiled
def _close(blocks: Floats, slot: int, at: int) -> None:
    """Compares a whole group with the one before it; one without hits or misses tells nothing."""
    excess, variance = blocks[slot, at + OPEN_EXCESS], blocks[slot, at + OPEN_VARIANCE]
    blocks[slot, at + OPEN_EXCESS], blocks[slot, at + OPEN_VARIANCE] = 0.0, 0.0
    if not variance > 0.0:
        return
    before = blocks[slot, at + LAST_VARIANCE]
    if before > 0.0 and blocks[slot, at + PAIRS] < PAIRS_MOST:
        times = variance / before
        apart = excess - blocks[slot, at + LAST_EXCESS] * times
        most = _MOST_OF_PAIR * max(1.0, _ratio(blocks, slot, at))
        blocks[slot, at + RATIOS] += min(apart * apart / (variance * (1.0 + times)), most)
        blocks[slot, at + PAIRS] += 1.0
    blocks[slot, at + LAST_EXCESS], blocks[slot, at + LAST_VARIANCE] = excess, variance


@compiled
def _ratio(blocks: Floats, slot: int, at: int) -> float:
    """The mean over its pairs, near 1 while there are few."""
    return float((blocks[slot, at + RATIOS] + 1.0) / (blocks[slot, at + PAIRS] + 1.0))


@compiled
def _dispersion(blocks: Floats, slot: int) -> float:
    """The largest ratio over the sizes whose ratio is more than chance, each with a standard error
    added, for too small a one lets false verdicts through.
    """
    most = 1.0
    for scale in range(len(BURST_GROUPS)):
        at = BURSTS + BURST_WIDTH * scale
        pairs = blocks[slot, at + PAIRS]
        if pairs < PAIRS_LEAST:
            continue
        error = sqrt(_RELATIVE / pairs)
        ratio = _ratio(blocks, slot, at)
        if ratio > 1.0 + _SIGMAS * error:
            most = max(most, ratio * (1.0 + error))
    return most
