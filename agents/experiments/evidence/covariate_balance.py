"""Whether the arms of a pair are alike in what was known of their units beforehand, as chance makes
them, and how large the effect looks without it.

A covariate that differs between the arms by more than chance was not known before the units were
exposed, or the units were not assigned by chance; adjusted values then differ without any effect of
the treatment. So nothing is proved while the covariates are `Z_ALIKE` standard errors apart, and
once a sequence that holds at all moments shows that they differ, the split is told to be broken.
"""

from math import log, nan, sqrt

from agents.experiments.evidence.blocks import has_many_blocks
from agents.experiments.evidence.pair_ramp import is_known
from agents.experiments.evidence.pair_samples import difference, has_units, units_of
from agents.experiments.plan.terms import Method
from agents.statistics.confidence_sequence import Sample, log_evidence, mean, standard_error
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs
from state.pairs.pair_blocks import ADJUSTED, COVARIATE_DIFFERENCE, COVARIATE_SQUARES, WEIGHT
from state.pairs.ramp_table import NO_SLOT

Z_ALIKE = 3.0
APART_LEVEL = log(2.0 / 0.001)  # two-sided: what is told by it holds an experiment for good


@compiled
def has_alike_covariates(rows: ArmRows, pairs: Pairs, pair: int) -> bool:
    """Whether the covariates of a pair's arms do not show that their units were assigned otherwise
    than by chance; true where none is used, and where a command may have moved the units.
    """
    if rows[pair].coefficient == 0.0 or not rows[pair].randomized:
        return True
    return abs(covariates_apart(rows, pairs, pair)) < Z_ALIKE


@compiled
def covariates_apart(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """How many standard errors the treatment's covariates are above control's; 0 where there are
    none.
    """
    if rows[pair].ramped:
        apart, variance = _over_steps(rows, pairs, pair)
    elif rows[pair].method == Method.MEANS_IN_BLOCKS and has_many_blocks(rows, pairs.blocks, pair):
        slot = rows[pair].block_slot
        apart = float(pairs.blocks[slot, COVARIATE_DIFFERENCE])
        variance = float(pairs.blocks[slot, COVARIATE_SQUARES])
    else:
        apart, variance = _of_rows(rows, rows[pair].control, pair)
    return apart / sqrt(variance) if variance > 0.0 else 0.0


@compiled
def log_apart(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """Minus log of a p-value that holds at every look that the arms' covariates are alike, of one
    side; compare it with APART_LEVEL.
    """
    units = rows[pair].covariate_units + rows[rows[pair].control].covariate_units
    z = abs(covariates_apart(rows, pairs, pair))
    return log_evidence(z, 1.0, float(units), APART_LEVEL)


@compiled
def raw_effect(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """The effect without the covariate; NaN where none is used."""
    if rows[pair].coefficient == 0.0 or not has_units(rows, pair):
        return nan
    effect, _, _ = difference(rows, pairs, pair)
    if rows[pair].ramped:
        return effect + _adjusted_over_steps(rows, pairs, pair)
    if rows[pair].method == Method.MEANS_IN_BLOCKS and has_many_blocks(rows, pairs.blocks, pair):
        slot = rows[pair].block_slot
        return float(effect + pairs.blocks[slot, ADJUSTED] / pairs.blocks[slot, WEIGHT])
    return effect + _adjusted(rows, pair) - _adjusted(rows, rows[pair].control)


@compiled
def _adjusted(rows: ArmRows, row: int) -> float:
    """What was taken off an arm's values, per unit judged."""
    return float(rows[row].adjusted / units_of(rows, row))


@compiled
def _of_rows(rows: ArmRows, control: int, treatment: int) -> tuple[float, float]:
    """By how much the mean covariates of two rows differ, and the variance of that."""
    if control < 0 or treatment < 0:
        return 0.0, 0.0
    a, b = _sample(rows, control), _sample(rows, treatment)
    if a.units < 2.0 or b.units < 2.0:
        return 0.0, 0.0
    se = standard_error(a, b)
    return mean(b) - mean(a), se * se


@compiled
def _sample(rows: ArmRows, row: int) -> Sample:
    arm = rows[row]
    return Sample(float(arm.covariate_units), arm.covariate_sum, arm.covariate_squares)


@compiled
def _over_steps(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float]:
    """The same over the steps of a ramp, each by the weight that Mantel and Haenszel gave it."""
    if rows[pair].ramp_slot == NO_SLOT:
        return 0.0, 0.0
    slot, top, spread = pairs.ramps.slots[rows[pair].ramp_slot], 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = pairs.ramps.steps[at]
        if is_known(step):
            apart, variance = _of_rows(rows, step.control, step.treatment)
            if variance > 0.0:
                n = float(rows[step.treatment].covariate_units)
                m = float(rows[step.control].covariate_units)
                weight = n * m / (n + m)
                top += weight * apart
                spread += weight * weight * variance
    return top, spread


@compiled
def _adjusted_over_steps(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """By how much more was taken off a unit of the treatment, in the weights of the effect."""
    if rows[pair].ramp_slot == NO_SLOT:
        return nan
    slot, top, weights = pairs.ramps.slots[rows[pair].ramp_slot], 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = pairs.ramps.steps[at]
        if is_known(step) and step.control >= 0 and step.treatment >= 0:
            n, m = units_of(rows, step.treatment), units_of(rows, step.control)
            if n > 1.0 and m > 1.0:
                weight = n * m / (n + m)
                weights += weight
                apart = _adjusted(rows, step.treatment) - _adjusted(rows, step.control)
                top += weight * apart
    return top / weights if weights > 0.0 else nan
