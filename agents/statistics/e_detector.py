"""An e-detector for a rate that may rise at an unknown moment.

Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2023, arXiv:2203.03532. Shiryaev-Roberts: R_t = (1
+ R_{t-1}) e_t, averaged over alternatives; an alarm at R >= 1/a comes after 1/a records or more on
average while nothing changes.
"""

from math import exp, inf, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from agents.statistics.scalars import log_added
from schemas.compiled import compiled

Floats = NDArray[np.float64]

# Alternatives: the odds of a bad unit of the reference times these.
ODDS = (1.3, 1.5, 2.0, 4.0)
SUSPICION = 1  # the alternative (1.5) whose likelihood ratio dates the start of a change
CONFIDENCE = 0.95  # with which the reference's rate is below the bound used in its place
OF_BAD, OF_GOOD = 0, 1  # rows of the alternatives


def upper_bound(bad: int, count: int) -> float:
    """Clopper and Pearson's upper bound of a rate, from `bad` of `count` units; kept inside (0,
    1).
    """
    bound = float(betaincinv(bad + 1, count - bad, CONFIDENCE)) if bad < count else 1.0
    return min(max(bound, 1e-9), 1.0 - 1e-9)


def alternatives_to(rate: float) -> Floats:
    """log likelihood ratio of one bad and of one good unit under each alternative, shape (2, j)."""
    odds = [ratio * rate / (1.0 - rate) for ratio in ODDS]
    shifted = [one / (1.0 + one) for one in odds]
    of_bad = [log(one / rate) for one in shifted]
    of_good = [log((1.0 - one) / (1.0 - rate)) for one in shifted]
    return np.array([of_bad, of_good])


def empty_carry() -> Floats:
    """The detector before the first record, shape (j,)."""
    return np.full(len(ODDS), -np.inf)


@compiled
def advance(
    alternatives: Floats, carry: Floats, bad: int, good: int, bad_before: int, good_before: int
) -> float:
    """log R after one record that brought the units since the watch began from those before to
    `bad` and `good`.

    alternatives: (2, j). carry: (j,), A_{t-1}, which becomes A_t. With L_t the log likelihood ratio
    of the totals, log R_t = L_t + A_t, A_t = log(exp(A_{t-1}) + exp(-L_{t-1})). L comes from whole
    numbers and A is added up in the order of the log, so a stop between two records changes
    nothing.
    """
    most = -inf
    for j in range(len(carry)):
        carry[j] = log_added(carry[j], -log_ratio(alternatives, j, bad_before, good_before))
        most = max(most, log_ratio(alternatives, j, bad, good) + carry[j])
    mean = 0.0
    for j in range(len(carry)):
        mean += exp(log_ratio(alternatives, j, bad, good) + carry[j] - most) / len(carry)
    return most + log(mean)


@compiled
def log_ratio(alternatives: Floats, j: int, bad: int, good: int) -> float:
    """log of the likelihood of the units under the j-th alternative over that of the reference's
    rate.
    """
    return float(bad * alternatives[OF_BAD, j] + good * alternatives[OF_GOOD, j])
