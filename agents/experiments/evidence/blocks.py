"""Pairs that are compared block by block: what closes a block, and what all closed ones say of
effect, evidence and interval.

Where nobody states which part of the traffic an arm has, it may be any, and another at each moment:
totals would compare one time of day with another (Simpson's paradox), within a block both arms met
the same time. Rates are judged by the odds ratio of each block, means by the blocks' differences,
whose own spread tells how far they may be relied on, whatever the values within a block have in
common.
"""

from math import isfinite, log, nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.covariate_blocks import (
    Taken,
    close_covariates,
    take_covariate,
)
from agents.experiments.evidence.repeated_units import design_effect_of, effect_of_units
from agents.experiments.evidence.resemblance import add_difference
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.bursts import dispersion_of, take_block
from agents.statistics.late_odds import add_late, first_alternative, with_late
from agents.statistics.odds_ratio import (
    FURTHEST,
    add_block,
    end_of,
    log_mean,
    rates_at,
)
from agents.statistics.scalars import log_added
from agents.statistics.within_margin import Margin, add_within, log_e_within
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.experiment_arms import SEVERAL
from state.pairs.pair_arrays import Pairs
from state.pairs.pair_blocks import (
    CLOSED,
    CONTROL_SUM,
    CONTROL_UNITS,
    DIFFERENCE,
    FEWER,
    LAST,
    LATE_ALTERNATIVES,
    MORE,
    NO_BESIDE,
    NO_BLOCKS,
    RATE,
    RUN_SINCE,
    TREATMENT_SUM,
    TREATMENT_UNITS,
    VARIANCE,
    WEIGHT,
)

Floats = NDArray[np.float64]

# Of means; with fewer, of which arms that send in long runs have few, totals are compared.
MANY = 50.0
# Units of either arm that close a block: one at first, so that an outage shows at once; more later,
# because within a block of n units one part in n of what they tell is lost.
LEAST, MOST = 1.0, 8.0
BLOCKS_A_UNIT = 4.0  # after so many blocks the next ones have a unit more
FULL = 64.0  # units of either arm with which a block may close although the same arm goes on
RUN_MS = 60_000.0  # for which the same arm may go on
_NONE, _CONTROL, _TREATMENT = 0.0, 1.0, 2.0  # LAST
OF_MEAN, MORE_IS_HARM, FEWER_IS_HARM = range(3)


class BlockTerms(NamedTuple):
    """By what a pair's blocks are closed. harm: OF_MEAN, or what is harm of a rate; weighs: how
    many records weigh as one; margin: within which a rate is tested, absolute 0 where none is
    stated.
    """

    harm: int
    weighs: float
    margin: Margin


NO_MARGIN = Margin(0.0, 0.0, False)


@compiled
def harm_of(rows: ArmRows, pair: int) -> int:
    """OF_MEAN, or what is harm of a rate."""
    if rows[pair].tally != Tally.RATE and rows[pair].tally != Tally.LATENCY:
        return OF_MEAN
    return FEWER_IS_HARM if rows[pair].sign > 0 else MORE_IS_HARM


@compiled
def terms_of(rows: ArmRows, pair: int) -> BlockTerms:
    """By what a pair's blocks are closed."""
    return BlockTerms(harm_of(rows, pair), design_effect_of(rows, pair), margin_of(rows, pair))


@compiled
def margin_of(rows: ArmRows, pair: int) -> Margin:
    """Within which a rate is tested block by block: where an absolute margin is stated."""
    absolute = rows[pair].absolute_margin
    return Margin(rows[pair].margin, absolute if absolute > 0.0 else 0.0, rows[pair].sign > 0)


@compiled
def weighs_in_blocks(rows: ArmRows, blocks: Floats, pair: int) -> float:
    """How many records of a rate in blocks weigh as one, because units come again and because hits
    come in bursts: covariances add up.
    """
    return design_effect_of(rows, pair) + dispersion_of(blocks, rows[pair].block_slot) - 1.0


@compiled
def is_of_means(rows: ArmRows, pair: int) -> bool:
    """Whether a pair's means are compared, by totals or block by block."""
    return rows[pair].method == Method.MEANS or rows[pair].method == Method.MEANS_IN_BLOCKS


@compiled
def lacks_beside(rows: ArmRows, pair: int) -> bool:
    """Whether a row is a pair to be judged in blocks, by a rate, that has none for units which
    another experiment has too.
    """
    arm = rows[pair]
    judged = arm.control >= 0 and (isfinite(arm.harm_level) or isfinite(arm.gain_level))
    return judged and arm.method == Method.RATES_IN_BLOCKS and arm.beside_slot == NO_BESIDE


@compiled
def any_lacks_beside(rows: ArmRows, row: int) -> bool:
    """As `lacks_beside`, of any pair of an arm."""
    if rows[row].control >= 0:
        return lacks_beside(rows, row)
    if rows[row].treatment >= 0:
        return lacks_beside(rows, rows[row].treatment)
    other = rows[row].next_sibling if rows[row].treatment == SEVERAL else row
    while other != row:
        if lacks_beside(rows, other):
            return True
        other = rows[other].next_sibling
    return False


@compiled
def take_units(
    blocks: Floats,
    slot: int,
    of_treatment: bool,
    brought: tuple[float, float],
    moment: tuple[float, float],
    terms: BlockTerms,
    taken: Taken,
) -> None:
    """Takes in what a record brought to an arm of a pair: units, and what they add up to, hits of
    a rate. moment: when it was appended, and when the other arm's last record was, ms. taken: what
    its covariate told.

    When a block closes depends on the order of the arms and on time, never on values. It closes
    before a record that goes over to the other arm, as soon as there is enough of both, so that of
    arms that send many records at a time all are compared; after a record of many units, for such
    come rarely, if the other arm sent within a minute; and where one arm goes on and on, once it
    has as many units as the other had, or after a minute.
    """
    units, total = brought
    now, other_at = moment
    arm = _TREATMENT if of_treatment else _CONTROL
    least = min(MOST, LEAST + blocks[slot, CLOSED] // BLOCKS_A_UNIT)
    if blocks[slot, LAST] != arm:
        if _fewest(blocks, slot) >= least:
            close_block(blocks, slot, terms)
        blocks[slot, LAST], blocks[slot, RUN_SINCE] = arm, now
    own, other = TREATMENT_UNITS, CONTROL_UNITS
    if not of_treatment:
        own, other = other, own
    blocks[slot, own] += units
    blocks[slot, TREATMENT_SUM if of_treatment else CONTROL_SUM] += total
    if terms.harm == OF_MEAN:
        take_covariate(blocks, slot, of_treatment, taken)
    fewest = _fewest(blocks, slot)
    goes_on = fewest >= FULL and (
        blocks[slot, own] >= blocks[slot, other] or now - blocks[slot, RUN_SINCE] >= RUN_MS
    )
    sums = units > 1.0 and now - other_at < RUN_MS and fewest >= least
    if goes_on or sums:
        close_block(blocks, slot, terms)


@compiled
def _fewest(blocks: Floats, slot: int) -> float:
    return float(min(blocks[slot, TREATMENT_UNITS], blocks[slot, CONTROL_UNITS]))


@compiled
def close_block(blocks: Floats, slot: int, terms: BlockTerms) -> None:
    """Closes a block that has units of both arms."""
    n, m = blocks[slot, TREATMENT_UNITS], blocks[slot, CONTROL_UNITS]
    if terms.harm != OF_MEAN and terms.margin.absolute > 0.0:
        hits = blocks[slot, TREATMENT_SUM], blocks[slot, CONTROL_SUM]
        add_within(blocks, slot, (n, hits[0], m, hits[1]), terms.margin)
    weight = n * m / (n + m)
    difference = weight * (blocks[slot, TREATMENT_SUM] / n - blocks[slot, CONTROL_SUM] / m)
    blocks[slot, CLOSED] += 1.0
    blocks[slot, WEIGHT] += weight
    blocks[slot, DIFFERENCE] += difference
    if terms.harm != OF_MEAN:
        _add_rates(blocks, slot, weight, terms.harm)
        weigh_rates(blocks, slot, terms.harm, terms.weighs)
    else:
        add_difference(blocks, slot, difference, weight)
        close_covariates(blocks, slot)
    blocks[slot, TREATMENT_UNITS], blocks[slot, TREATMENT_SUM] = 0.0, 0.0
    blocks[slot, CONTROL_UNITS], blocks[slot, CONTROL_SUM] = 0.0, 0.0


@compiled
def _add_rates(blocks: Floats, slot: int, weight: float, harm: int) -> None:
    n, x = blocks[slot, TREATMENT_UNITS], blocks[slot, TREATMENT_SUM]
    m, y = blocks[slot, CONTROL_UNITS], blocks[slot, CONTROL_SUM]
    first = first_alternative(harm == MORE_IS_HARM)
    before = blocks[slot, first], blocks[slot, first + 1], blocks[slot, first + 2]
    add_block(blocks, slot, n, x, m, y)
    for at in range(LATE_ALTERNATIVES):
        log_ratio = blocks[slot, first + at] - before[at]
        add_late(blocks, slot, at, blocks[slot, CLOSED], log_ratio)
    units, rate = n + m, (x + y) / (n + m)
    blocks[slot, RATE] += weight * rate
    # Of the difference given the hits of both arms.
    variance = weight * rate * (1.0 - rate) * units / (units - 1.0)
    blocks[slot, VARIANCE] += variance
    take_block(blocks, slot, x - n * rate, variance)


@compiled
def weigh_rates(blocks: Floats, slot: int, harm: int, design_effect: float) -> None:
    """Works out what the blocks of a rate say: of harm also that it may have begun late, where all
    units are independent. design_effect: records that weigh as one, for units come again.
    """
    design_effect += dispersion_of(blocks, slot) - 1.0
    more = log_mean(blocks, slot, True, design_effect)
    fewer = log_mean(blocks, slot, False, design_effect)
    if design_effect == 1.0 and harm == MORE_IS_HARM:
        more = with_late(blocks, slot, more)
    elif design_effect == 1.0:
        fewer = with_late(blocks, slot, fewer)
    blocks[slot, MORE], blocks[slot, FEWER] = more, fewer


@compiled
def evidence_in_blocks(rows: ArmRows, blocks: Floats, pair: int) -> tuple[float, float]:
    """log e of harm, and of gain."""
    slot = rows[pair].block_slot
    more, fewer = float(blocks[slot, MORE]), float(blocks[slot, FEWER])
    return (fewer, more) if rows[pair].sign > 0 else (more, fewer)


@compiled
def difference_in_blocks(rows: ArmRows, blocks: Floats, pair: int) -> tuple[float, float]:
    """The mean of the blocks' differences, treatment minus control, in Mantel and Haenszel's
    weights, and the standard error of a difference of rates were there no effect; NaN where no
    block is closed.
    """
    slot = rows[pair].block_slot
    weight = blocks[slot, WEIGHT]
    if weight == 0.0:
        return nan, nan
    return float(blocks[slot, DIFFERENCE] / weight), sqrt(blocks[slot, VARIANCE]) / weight


@compiled
def has_many_blocks(rows: ArmRows, blocks: Floats, pair: int) -> bool:
    """Whether so many blocks of a pair are closed that their spread tells of the mean."""
    return bool(blocks[rows[pair].block_slot, CLOSED] >= MANY)


@compiled
def weigh_pair(rows: ArmRows, pairs: Pairs, pair: int) -> None:
    """Measures anew how many records of a pair weigh as one, because units come again and because
    values of a LATENCY follow each other: covariances add up.
    """
    effect = effect_of_units(rows, pairs.buckets, pair)
    if rows[pair].tally == Tally.LATENCY:
        effect += rows[pair].inflation - 1.0
    slot = rows[pair].block_slot
    if rows[pair].method == Method.RATES_IN_BLOCKS and slot != NO_BLOCKS:
        weigh_rates(pairs.blocks, slot, harm_of(rows, pair), effect)
    rows[pair].design_effect = effect


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
    slot, weighs = rows[pair].block_slot, weighs_in_blocks(rows, blocks, pair)
    least = end_of(blocks, slot, weighs * (blocks[slot, MORE] - level), False)
    most = end_of(blocks, slot, weighs * (blocks[slot, FEWER] - level), True)
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
    wanted = weighs_in_blocks(rows, blocks, pair) * (log_added(0.0, other) - log(2.0) - level)
    return _rates(rows, blocks, pair, end_of(blocks, slot, wanted, more_is_harm))


@compiled
def evidence_within(rows: ArmRows, blocks: Floats, pair: int) -> float:
    """log e that a guardrail with an absolute margin is worse by less than its margin."""
    return log_e_within(blocks, rows[pair].block_slot, weighs_in_blocks(rows, blocks, pair))


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
