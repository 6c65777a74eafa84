"""From totals to samples: the units judged of each arm, their sums, and the difference of their
means.
"""

import numpy as np

from agents.experiments.plan.terms import Method, Tally
from agents.experiments.totals.totals import Flags, Floats, Ints, Sides, Totals
from agents.statistics import confidence_sequence
from state.arms_table import ArmsTable


def needed(arms: ArmsTable, pairs: Ints) -> Floats:
    """Units that each arm must have, shape (n,)."""
    least, method = arms.min_count[pairs], arms.method[pairs]
    of_mean = needed_of_mean(arms, pairs)
    return np.where(
        method == Method.MEANS, of_mean, np.where(method == Method.SPLIT, 1.0, least.astype(float))
    )


def needed_of_mean(arms: ArmsTable, pairs: Ints) -> Floats:
    """Units that each arm must have before the confidence sequence of their means may decide, shape
    (n,).
    """
    least = np.maximum(arms.min_count[pairs], confidence_sequence.BURN_IN)
    return np.asarray(np.maximum(least, confidence_sequence.INDEPENDENT * arms.inflation[pairs]))


def fewest(arms: ArmsTable, pairs: Ints, sides: Sides) -> Floats:
    """Units judged of the smaller arm, shape (n,)."""
    return np.minimum(
        judged_control(arms, pairs, sides.control), judged(arms, pairs, sides.treatment)
    )


def judged(arms: ArmsTable, rows: Ints, totals: Totals) -> Floats:
    return np.asarray(totals.count - arms.base_count[rows], np.float64)


def judged_control(arms: ArmsTable, pairs: Ints, totals: Totals) -> Floats:
    return judged(arms, arms.control[pairs], totals)


def difference(arms: ArmsTable, pairs: Ints, sides: Sides) -> tuple[Floats, Floats, Floats]:
    """Treatment's mean minus control's, its standard error, and the independent units behind both,
    each shape (n,).
    """
    a, b = samples(arms, pairs, sides)
    inflation = arms.inflation[pairs]
    effect, se = b.mean() - a.mean(), confidence_sequence.standard_error(a, b)
    if sides.strata is not None:
        ramped = arms.ramped[pairs]
        effect, se = (
            np.where(ramped, sides.strata.effect, effect),
            np.where(ramped, sides.strata.se, se),
        )
    return effect, se * np.sqrt(inflation), (a.count + b.count) / inflation


def rounding(arms: ArmsTable, pairs: Ints, sides: Sides) -> Floats:
    """What a standard error is not below, shape (n,): a spread that is taken for rounding, and the
    rounding of the sums.
    """
    a, b = samples(arms, pairs, sides)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.sqrt(np.fmax(a.squares / a.count, b.squares / b.count))
        spread = np.sqrt(confidence_sequence.TINY * (1.0 / a.count + 1.0 / b.count))
    return np.asarray(size * (spread + (a.count + b.count) * np.finfo(np.float64).eps))


def samples(
    arms: ArmsTable, pairs: Ints, sides: Sides
) -> tuple[confidence_sequence.Sample, confidence_sequence.Sample]:
    # A rate's units are 0 or 1, so its sum and its squares are its hits.
    counted = np.isin(arms.tally[pairs], (Tally.RATE, Tally.LATENCY))
    control = _sample(counted, sides.control, judged_control(arms, pairs, sides.control))
    return control, _sample(counted, sides.treatment, judged(arms, pairs, sides.treatment))


def _sample(counted: Flags, totals: Totals, count: Floats) -> confidence_sequence.Sample:
    total = np.where(counted, totals.hits, totals.total)
    return confidence_sequence.Sample(count, total, np.where(counted, totals.hits, totals.squares))
