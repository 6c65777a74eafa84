"""A pair whose rates are compared block by block: what closes a block, and what all closed ones say
of effect, evidence and interval.

Where nobody states which part of the traffic an arm has, it may be any, and another at each moment:
totals would compare one time of day with another (Simpson's paradox), within a block both arms met
the same time.
"""

from math import log, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from agents.experiments.plan.terms import Method
from agents.statistics.odds_ratio import (
    FURTHEST,
    add_block,
    end_of,
    log_mean,
    rates_at,
)
from agents.statistics.scalars import log_added
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_blocks import (
    CLOSED,
    CONTROL_HITS,
    CONTROL_UNITS,
    DIFFERENCE,
    FEWER,
    LAST,
    MORE,
    NO_BLOCKS,
    RATE,
    RUN_SINCE,
    TREATMENT_HITS,
    TREATMENT_UNITS,
    VARIANCE,
    WEIGHT,
)

Floats = NDArray[np.float64]

# Units of either arm that close a block: one at first, so that an outage shows at once; more later,
# because within a block of n units one part in n of what they tell is lost.
LEAST, MOST = 1.0, 8.0
BLOCKS_A_UNIT = 4.0  # after so many blocks the next ones have a unit more
FULL = 64.0  # units of either arm with which a block may close although the same arm goes on
RUN_MS = 60_000.0  # for which the same arm may go on
_NONE, _CONTROL, _TREATMENT = 0.0, 1.0, 2.0  # LAST


@compiled
def is_in_blocks(rows: ArmRows, pair: int) -> bool:
    """Whether a pair is compared block by block."""
    return rows[pair].method == Method.BLOCKS and rows[pair].block_slot != NO_BLOCKS


@compiled
def is_by_totals(rows: ArmRows, pair: int) -> bool:
    """Whether a pair's rates are compared by the totals of either arm."""
    method = rows[pair].method
    return method == Method.RATES or (method == Method.BLOCKS and not is_in_blocks(rows, pair))


@compiled
def take_units(
    blocks: Floats, slot: int, of_treatment: bool, brought: tuple[float, float], now: float
) -> None:
    """Takes in what a record brought to an arm of a pair: units, and hits among them; now: by the
    log's clock, ms.

    When a block closes depends on the order of the arms and on time, never on hits. It closes
    before a record that goes over to the other arm, as soon as there is enough of both, so that of
    arms that send many records at a time all are compared; after a record of many units, for such
    come rarely; and where one arm goes on and on, once it has as many units as the other had, or
    after a minute.
    """
    units, hits = brought
    arm = _TREATMENT if of_treatment else _CONTROL
    least = min(MOST, LEAST + blocks[slot, CLOSED] // BLOCKS_A_UNIT)
    if blocks[slot, LAST] != arm:
        if _fewest(blocks, slot) >= least:
            _close(blocks, slot)
        blocks[slot, LAST], blocks[slot, RUN_SINCE] = arm, now
    own, other = TREATMENT_UNITS, CONTROL_UNITS
    if not of_treatment:
        own, other = other, own
    blocks[slot, own] += units
    blocks[slot, TREATMENT_HITS if of_treatment else CONTROL_HITS] += hits
    fewest = _fewest(blocks, slot)
    goes_on = fewest >= FULL and (
        blocks[slot, own] >= blocks[slot, other] or now - blocks[slot, RUN_SINCE] >= RUN_MS
    )
    if goes_on or (units > 1.0 and fewest >= least):
        _close(blocks, slot)


@compiled
def _fewest(blocks: Floats, slot: int) -> float:
    return float(min(blocks[slot, TREATMENT_UNITS], blocks[slot, CONTROL_UNITS]))


@compiled
def _close(blocks: Floats, slot: int) -> None:
    n, x = blocks[slot, TREATMENT_UNITS], blocks[slot, TREATMENT_HITS]
    m, y = blocks[slot, CONTROL_UNITS], blocks[slot, CONTROL_HITS]
    add_block(blocks, slot, n, x, m, y)
    blocks[slot, MORE] = log_mean(blocks, slot, True)
    blocks[slot, FEWER] = log_mean(blocks, slot, False)
    units = n + m
    weight, rate = n * m / units, (x + y) / units
    blocks[slot, WEIGHT] += weight
    blocks[slot, DIFFERENCE] += weight * (x / n - y / m)
    blocks[slot, RATE] += weight * rate
    # Of the difference given the hits of both arms.
    blocks[slot, VARIANCE] += weight * rate * (1.0 - rate) * units / (units - 1.0)
    blocks[slot, TREATMENT_UNITS], blocks[slot, TREATMENT_HITS] = 0.0, 0.0
    blocks[slot, CONTROL_UNITS], blocks[slot, CONTROL_HITS] = 0.0, 0.0
    blocks[slot, CLOSED] += 1.0


@compiled
def evidence_in_blocks(rows: ArmRows, blocks: Floats, pair: int) -> tuple[float, float]:
    """log e of harm, and of gain."""
    slot = rows[pair].block_slot
    more, fewer = float(blocks[slot, MORE]), float(blocks[slot, FEWER])
    return (fewer, more) if rows[pair].sign > 0 else (more, fewer)


@compiled
def difference_in_blocks(rows: ArmRows, blocks: Floats, pair: int) -> tuple[float, float]:
    """The mean of the blocks' differences, treatment minus control, in Mantel and Haenszel's
    weights, and its standard error were there no effect; NaN where no block is closed.
    """
    slot = rows[pair].block_slot
    weight = blocks[slot, WEIGHT]
    if weight == 0.0:
        return nan, nan
    return float(blocks[slot, DIFFERENCE] / weight), sqrt(blocks[slot, VARIANCE]) / weight


@compiled
def has_mixed_blocks(rows: ArmRows, blocks: Floats, pair: int) -> bool:
    """Whether a closed block of a pair in blocks had both hits and misses; others tell nothing."""
    return bool(blocks[rows[pair].block_slot, VARIANCE] > 0.0)


@compiled
def ends_in_blocks(rows: ArmRows, blocks: Floats, pair: int, level: float) -> tuple[float, float]:
    """The differences of the rates that are not rejected at evidence `level`, least and most.

    The alternatives are fixed, so the evidence against any odds ratio is that against 1 less its
    own log likelihood ratio: an end reaches 0 where the test reaches its level, so verdict and
    interval agree. An odds ratio is a difference at the mean rate of the blocks.
    """
    slot = rows[pair].block_slot
    least = end_of(blocks, slot, blocks[slot, MORE] - level, False)
    most = end_of(blocks, slot, blocks[slot, FEWER] - level, True)
    low, of_control = _rates(rows, blocks, pair, least)
    low -= of_control
    high, of_control = _rates(rows, blocks, pair, most)
    return low, high - of_control


@compiled
def worst_in_blocks(rows: ArmRows, blocks: Floats, pair: int, level: float) -> tuple[float, float]:
    """The rates of treatment and control at the most harmful odds ratio that is not rejected at
    evidence `level` by alternatives of no effect, which have half the weight, and of a gain.

    Both are of one odds ratio, so that a margin relative to control's rate is one of their ratio.
    """
    slot, more_is_harm = rows[pair].block_slot, rows[pair].sign < 0
    other = blocks[slot, FEWER if more_is_harm else MORE]
    wanted = log_added(0.0, other) - log(2.0) - level
    return _rates(rows, blocks, pair, end_of(blocks, slot, wanted, more_is_harm))


@compiled
def _rates(rows: ArmRows, blocks: Floats, pair: int, d: float) -> tuple[float, float]:
    slot = rows[pair].block_slot
    treatment, control = rows[pair], rows[rows[pair].control]
    share = float(treatment.count) / float(treatment.count + control.count)
    rate = blocks[slot, RATE] / blocks[slot, WEIGHT]
    if abs(d) < FURTHEST:
        return rates_at(d, rate, share)
    # No odds ratio is too large: one arm has all of the hits, or none of the misses.
    return _most_apart(rate, share) if d > 0.0 else _least_apart(rate, share)


@compiled
def _most_apart(rate: float, share: float) -> tuple[float, float]:
    """The rates of treatment and control where all hits are the treatment's, as far as they go."""
    treatment = min(1.0, rate / share)
    return treatment, max(0.0, (rate - share * treatment) / (1.0 - share))


@compiled
def _least_apart(rate: float, share: float) -> tuple[float, float]:
    control, treatment = _most_apart(rate, 1.0 - share)
    return treatment, control
