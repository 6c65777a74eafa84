"""From the totals of a pair's rows to samples: the units judged of each arm, their sums, and the
difference of their means.

A pair is a treatment's row; it names its control's.
"""

from math import isfinite, sqrt

from agents.experiments.evidence.blocks import (
    difference_in_blocks,
    has_many_blocks,
    is_of_means,
    weighs_in_blocks,
)
from agents.experiments.evidence.pair_ramp import difference_of_ramp
from agents.experiments.evidence.repeated_units import design_effect_of
from agents.experiments.evidence.resemblance import error_of_means
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import (
    BURN_IN,
    INDEPENDENT,
    TINY,
    Sample,
    mean,
    standard_error,
)
from agents.statistics.scalars import greater, greater_known
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs

_EPSILON = 2.0**-52


@compiled
def units_of(rows: ArmRows, row: int) -> float:
    """The units judged of an arm: all but those of its metric's burn-in."""
    return float(rows[row].count - rows[row].base_count)


@compiled
def sample_of(rows: ArmRows, row: int) -> Sample:
    """An arm's units judged; a rate's are 0 or 1, so their sum and their squares are its hits."""
    arm, units = rows[row], units_of(rows, row)
    if arm.tally in (Tally.RATE, Tally.LATENCY):
        return Sample(units, float(arm.hits), float(arm.hits))
    return Sample(units, arm.sum, arm.sum_squares)


@compiled
def sent_sample(rows: ArmRows, row: int) -> Sample:
    """The same with the values as they were sent, without squares: what a covariate took off them
    is added again.
    """
    units, total, _ = sample_of(rows, row)
    return Sample(units, total + rows[row].adjusted, 0.0)


@compiled
def independent_units(rows: ArmRows, pair: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(hits, units) of control, and of the treatment, as many as weigh as units of their own."""
    weighs = design_effect_of(rows, pair)
    control, treatment = sample_of(rows, rows[pair].control), sample_of(rows, pair)
    return (
        (control.total / weighs, control.units / weighs),
        (treatment.total / weighs, treatment.units / weighs),
    )


@compiled
def fewest(rows: ArmRows, pair: int) -> float:
    """Units judged of the smaller arm."""
    return min(units_of(rows, pair), units_of(rows, rows[pair].control))


@compiled
def needed_of_mean(rows: ArmRows, pair: int) -> float:
    """Units that each arm must have before the confidence sequence of their means may decide."""
    least = float(max(rows[pair].min_count, BURN_IN))
    return max(least, INDEPENDENT * inflation_of(rows, pair))


@compiled
def inflation_of(rows: ArmRows, pair: int) -> float:
    """How many records weigh as much as one independent one, because each follows the one before it
    and because units come again: covariances add up. Of a rate the design effect has both.
    """
    if rows[pair].tally == Tally.RATE or rows[pair].tally == Tally.LATENCY:
        return design_effect_of(rows, pair)
    return float(rows[pair].inflation + design_effect_of(rows, pair) - 1.0)


@compiled
def needed(rows: ArmRows, pair: int) -> float:
    """Units that each arm must have."""
    if is_of_means(rows, pair):
        return needed_of_mean(rows, pair)
    return 1.0 if rows[pair].method == Method.SPLIT else float(rows[pair].min_count)


@compiled
def misses_squares(rows: ArmRows, pair: int) -> bool:
    """Whether an arm has values whose squares did not come: there is no variance to judge by."""
    return rows[pair].missing_squares or rows[rows[pair].control].missing_squares


@compiled
def has_enough(rows: ArmRows, pair: int) -> bool:
    """Whether both arms have the records that a decision needs."""
    if fewest(rows, pair) < needed(rows, pair):
        return False
    if is_of_means(rows, pair) and misses_squares(rows, pair):
        return False
    learns = rows[pair].tally == Tally.LATENCY and not isfinite(rows[pair].limit)
    return not learns


@compiled
def has_units(rows: ArmRows, pair: int) -> bool:
    """Whether a unit of both arms is judged."""
    return fewest(rows, pair) > 0.0


@compiled
def difference(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, float]:
    """Treatment's mean minus control's, its standard error, and the independent units behind
    both; NaN where an arm is empty.
    """
    control, treatment = sample_of(rows, rows[pair].control), sample_of(rows, pair)
    inflation = inflation_of(rows, pair)
    if rows[pair].ramped:
        effect, se = difference_of_ramp(rows, pairs.ramps, pair)
    elif rows[pair].method == Method.RATES_IN_BLOCKS:
        effect, se = difference_in_blocks(rows, pairs.blocks, pair)
        inflation = weighs_in_blocks(rows, pairs.blocks, pair)
    else:
        effect, se = mean(treatment) - mean(control), standard_error(control, treatment)
    if rows[pair].method == Method.MEANS_IN_BLOCKS and has_many_blocks(rows, pairs.blocks, pair):
        # Whichever is more: values of a heavy tail are missing in the small arm's blocks at first.
        effect, _ = difference_in_blocks(rows, pairs.blocks, pair)
        # The spread of blocks shows how values follow those before them, and not that units do.
        of_blocks = error_of_means(rows, pairs.blocks, pair) * sqrt(design_effect_of(rows, pair))
        se = greater(se, of_blocks / sqrt(inflation))
    return effect, se * sqrt(inflation), (control.units + treatment.units) / inflation


@compiled
def rounding(rows: ArmRows, pair: int) -> float:
    """What a standard error is not below: a spread that is taken for rounding, and the rounding of
    the sums.
    """
    a, b = sample_of(rows, rows[pair].control), sample_of(rows, pair)
    size = sqrt(greater_known(a.squares / a.units, b.squares / b.units))
    spread = sqrt(TINY * (1.0 / a.units + 1.0 / b.units))
    return size * (spread + (a.units + b.units) * _EPSILON)


@compiled
def least_error(rows: ArmRows, pair: int, effect: float) -> float:
    """The least that the standard error of an effect is taken for: rounding, and one unit of each
    arm like the other arm's, for of arms without any spread nothing else is known of it.

    Arms of n units that are alike are both constant and differ with a chance of 2^-2n at most, far
    below what is left to a test that is a thousand units old.
    """
    a, b = units_of(rows, rows[pair].control), units_of(rows, pair)
    one_unit = abs(effect) * sqrt(1.0 / (a * a) + 1.0 / (b * b))
    return greater_known(one_unit, rounding(rows, pair))
