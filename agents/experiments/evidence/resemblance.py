"""Whether blocks of means resemble those before them, as of hosts that go up and down slowly: sums
of blocks that follow each other then vary more than single blocks do (batch means; Schmeiser,
"Batch size effects in the analysis of simulation output", Operations Research 1982).
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
    OPEN_DIFFERENCE,
    OPEN_WEIGHT,
    SQUARES,
    WEIGHT,
    WEIGHT_SQUARES,
)

Floats = NDArray[np.float64]

FEWEST_GROUPS = 6.0  # of blocks, from which their spread is looked at
NOTICED = 2.0  # standard errors of a variance of groups beyond that of single blocks
BOUND = 1.645
_GROUPS = read_only(np.array(GROUPS, np.float64))


@compiled
def add_difference(blocks: Floats, slot: int, difference: float, weight: float) -> None:
    """Adds a closed block's weighted difference, and its weight, to the groups."""
    for number in range(len(_GROUPS)):
        first = GROUP_WIDTH * number
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
    return sqrt(_variance_of_all(blocks, slot)) / float(blocks[slot, WEIGHT])


@compiled
def _variance_of_all(blocks: Floats, slot: int) -> float:
    """The variance of the sum of all differences, by single blocks and by groups of them.

    If groups of them are noticed to spread more, it is by the groups' upper bound, and infinite
    until there are enough of the larger groups.
    """
    mean = blocks[slot, DIFFERENCE] / blocks[slot, WEIGHT]
    most = single = _variance_of_sum(blocks, slot, 0, mean)
    for number in range(1, len(_GROUPS)):
        closed = blocks[slot, GROUP_WIDTH * number + GROUPS_CLOSED]
        if closed < FEWEST_GROUPS:
            return inf if most > single else single
        grouped = _variance_of_sum(blocks, slot, number, mean)
        part = sqrt(2.0 / closed)
        if grouped > single * (1.0 + NOTICED * part):
            most = max(most, grouped * (1.0 + BOUND * part))
    return most


@compiled
def _variance_of_sum(blocks: Floats, slot: int, number: int, mean: float) -> float:
    """The variance of the sum of all blocks' differences around this mean, by groups of a size."""
    first = GROUP_WIDTH * number
    spread = blocks[slot, first + SQUARES] - 2.0 * mean * blocks[slot, first + CROSS]
    spread += mean * mean * blocks[slot, first + WEIGHT_SQUARES]
    closed = blocks[slot, first + GROUPS_CLOSED]
    all_of_them = blocks[slot, CLOSED] / (closed * _GROUPS[number])
    return float(max(spread, 0.0) * closed / (closed - 1.0) * all_of_them)
