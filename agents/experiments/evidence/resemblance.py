"""Whether blocks resemble those before them, as of hosts that go up and down slowly, or of hits in
bursts: sums of blocks that follow each other then vary more than single blocks do (batch means;
Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 1982).
"""

from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled, read_only
from state.arms_table import ArmRows
from state.pairs.pair_blocks import (
    CLOSED,
    CROSS,
    DIFFERENCE,
    GROUP_WIDTH,
    GROUPS,
    GROUPS_CLOSED,
    GROUPS_OF_MEAN,
    GROUPS_OF_RATE,
    OPEN_DIFFERENCE,
    OPEN_WEIGHT,
    SQUARES,
    VARIANCE,
    WEIGHT,
    WEIGHT_SQUARES,
)

Floats = NDArray[np.float64]

FEWEST_GROUPS = 6.0  # of blocks, from which their spread is looked at
NOTICED = 2.0  # standard errors of a variance of groups beyond that of single blocks
BOUND = 1.645
_GROUPS = read_only(np.array(GROUPS, np.float64))


@compiled
def first_group(is_rate: bool) -> int:
    """Where the sums of single blocks and of groups of them begin."""
    return GROUPS_OF_RATE if is_rate else GROUPS_OF_MEAN


@compiled
def add_difference(blocks: Floats, slot: int, of_block: tuple[float, float], start: int) -> None:
    """Adds a closed block's (weighted difference, weight) to the groups of its kind."""
    difference, weight = of_block
    for number in range(len(_GROUPS)):
        first = start + GROUP_WIDTH * number
        blocks[slot, first + OPEN_DIFFERENCE] += difference
        blocks[slot, first + OPEN_WEIGHT] += weight
        if blocks[slot, CLOSED] % _GROUPS[number] == 0.0:
            _close_group(blocks, slot, first)


@compiled
def _close_group(blocks: Floats, slot: int, first: int) -> None:
    difference = blocks[slot, first + OPEN_DIFFERENCE]
    weight = blocks[slot, first + OPEN_WEIGHT]
    blocks[slot, first + SQUARES] += difference * difference
    blocks[slot, first + CROSS] += difference * weight
    blocks[slot, first + WEIGHT_SQUARES] += weight * weight
    blocks[slot, first + OPEN_DIFFERENCE], blocks[slot, first + OPEN_WEIGHT] = 0.0, 0.0
    blocks[slot, first + GROUPS_CLOSED] += 1.0


@compiled
def error_of_means(rows: ArmRows, blocks: Floats, pair: int) -> float:
    """The standard error of a mean difference of many blocks, by their own spread around it."""
    slot = rows[pair].block_slot
    _, most = _spread_of_means(blocks, slot)
    return sqrt(most) / float(blocks[slot, WEIGHT])


@compiled
def resemblance_of_means(rows: ArmRows, blocks: Floats, pair: int) -> float:
    """How many times the variance of a mean is that of values none of which resembles those before
    it; 1 at least.
    """
    single, most = _spread_of_means(blocks, rows[pair].block_slot)
    return most / single if single > 0.0 else 1.0


@compiled
def _spread_of_means(blocks: Floats, slot: int) -> tuple[float, float]:
    """The variance of the sum of all differences by single blocks, and by what they say together.

    If groups of them are noticed to spread more, it is by the groups' upper bound, and infinite
    until there are enough of the larger groups.
    """
    mean = blocks[slot, DIFFERENCE] / blocks[slot, WEIGHT]
    most = single = _variance_of_sum(blocks, slot, GROUPS_OF_MEAN, 0, mean)
    for number in range(1, len(_GROUPS)):
        closed = blocks[slot, GROUPS_OF_MEAN + GROUP_WIDTH * number + GROUPS_CLOSED]
        if closed < FEWEST_GROUPS:
            return single, inf if most > single else single
        grouped = _variance_of_sum(blocks, slot, GROUPS_OF_MEAN, number, mean)
        part = sqrt(2.0 / closed)
        if grouped > single * (1.0 + NOTICED * part):
            most = max(most, grouped * (1.0 + BOUND * part))
    return single, most


@compiled
def resemblance_of_rates(blocks: Floats, slot: int, inflation: float) -> float:
    """How many times the variance of a rate's difference is that of units none of which resembles
    those before it, given the hits of each block; 1 at least.

    By groups of blocks, as of means. Rare hits make the spread of groups less certain: by the
    fourth moment of a Poisson count, 1 over its mean. Until there are enough of the largest groups
    it is at least the inflation that the first values of control told.
    """
    most, alone = 1.0, float(blocks[slot, VARIANCE])
    last = GROUPS_OF_RATE + GROUP_WIDTH * (len(_GROUPS) - 1) + GROUPS_CLOSED
    if blocks[slot, last] < FEWEST_GROUPS:
        most = max(most, inflation)
    if not alone > 0.0:
        return most
    mean = blocks[slot, DIFFERENCE] / blocks[slot, WEIGHT]
    for number in range(1, len(_GROUPS)):
        closed = blocks[slot, GROUPS_OF_RATE + GROUP_WIDTH * number + GROUPS_CLOSED]
        if closed < FEWEST_GROUPS:
            break
        ratio = _variance_of_sum(blocks, slot, GROUPS_OF_RATE, number, mean) / alone
        part = sqrt((2.0 + closed / alone) / closed)
        if ratio > 1.0 + NOTICED * part:
            most = max(most, ratio * (1.0 + BOUND * part))
    return most


@compiled
def groups_of_rate(blocks: Floats, slot: int) -> float:
    """How many groups of 8 blocks are closed."""
    return float(blocks[slot, GROUPS_OF_RATE + GROUP_WIDTH + GROUPS_CLOSED])


@compiled
def _variance_of_sum(blocks: Floats, slot: int, start: int, number: int, mean: float) -> float:
    """The variance of the sum of all blocks' differences around this mean, by groups of a size."""
    first = start + GROUP_WIDTH * number
    spread = blocks[slot, first + SQUARES] - 2.0 * mean * blocks[slot, first + CROSS]
    spread += mean * mean * blocks[slot, first + WEIGHT_SQUARES]
    closed = blocks[slot, first + GROUPS_CLOSED]
    all_of_them = blocks[slot, CLOSED] / (closed * _GROUPS[number])
    return float(max(spread, 0.0) * closed / (closed - 1.0) * all_of_them)
