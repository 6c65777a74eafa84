"""An e-detector for a rate that may rise at an unknown moment.

Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2023, arXiv:2203.03532. Shiryaev-Roberts: R_t = (1
+ R_{t-1}) e_t, averaged over alternatives; an alarm at R >= 1/a comes after 1/a records or more on
average while nothing changes.
"""

from math import exp, inf, log

import numpy as np
from numpy.typing import NDArray

from agents.statistics.scalars import log_added
from agents.statistics.special import betaincinv
from schemas.compiled import compiled

Floats = NDArray[np.float64]

# Alternatives: the odds of a bad unit of the rate that is expected times these.
ODDS = (1.3, 1.5, 2.0, 4.0)
SUSPICION = 1  # the alternative (1.5) whose likelihood ratio dates the start of a change
CONFIDENCE = 0.95  # with which a rate is below the bound used in its place
_INSIDE = 1e-9  # as near as a bound comes to 0 and 1
OF_BAD, OF_GOOD = 0, 1  # rows of the alternatives


@compiled
def upper_bound(bad: float, count: float) -> float:
    """Clopper and Pearson's upper bound at 95 % of a rate of which `bad` of `count` units are
    known, neither of them whole where units are not independent; kept inside (0, 1).

    >>> round(upper_bound(250.0, 5_000.0), 4)
    0.0554
    """
    bound = betaincinv(bad + 1.0, count - bad, CONFIDENCE) if bad < count else 1.0
    return min(max(bound, _INSIDE), 1.0 - _INSIDE)


@compiled
def alternatives_to(rate: float, alternatives: Floats) -> None:
    """Sets the log likelihood ratio of one bad and of one good unit under each alternative.

    alternatives: shape (2, j).
    """
    odds = rate / (1.0 - rate)
    for j in range(len(ODDS)):
        shifted = ODDS[j] * odds / (1.0 + ODDS[j] * odds)
        alternatives[OF_BAD, j] = log(shifted / rate)
        alternatives[OF_GOOD, j] = log((1.0 - shifted) / (1.0 - rate))


@compiled
def advance(
    alternatives: Floats, carry: Floats, ratios: Floats, bad: int, good: int, weight: float
) -> float:
    """log R after one record of so many units.

    alternatives: (2, j), which may change from record to record. carry: (j,), A_{t-1}, which
    becomes A_t; ratios: (j,), L_{t-1}, which becomes L_t. weight: what a unit weighs, at most 1,
    where units are not independent. With L_t the log likelihood ratio since the start, log R_t =
    L_t + A_t, A_t = log(exp(A_{t-1}) + exp(-L_{t-1})). Both are added up in the order of the log,
    so a stop between two records changes nothing.
    """
    most = -inf
    for j in range(len(carry)):
        carry[j] = log_added(carry[j], -ratios[j])
        of_record = bad * alternatives[OF_BAD, j] + good * alternatives[OF_GOOD, j]
        ratios[j] += of_record * weight
        most = max(most, ratios[j] + carry[j])
    mean = 0.0
    for j in range(len(carry)):
        mean += exp(ratios[j] + carry[j] - most) / len(carry)
    return most + log(mean)
