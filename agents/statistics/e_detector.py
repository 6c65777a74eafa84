"""An e-detector for a rate that may rise at an unknown moment.

Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2023, arXiv:2203.03532. Shiryaev-Roberts: R_t = (1
+ R_{t-1}) e_t, averaged over alternatives; an alarm at R >= 1/a comes after 1/a records or more on
average while nothing changes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ODDS = np.array(
    [1.3, 1.5, 2.0, 4.0]
)  # alternatives: the odds of a bad unit of the reference times these
SUSPICION = 1  # the alternative (1.5) whose likelihood ratio dates the start of a change
CONFIDENCE = 0.95  # with which the reference's rate is below the bound used in its place


def upper_bound(bad: int, count: int) -> float:
    """Clopper and Pearson's upper bound of a rate, from `bad` of `count` units; kept inside (0,
    1).
    """
    bound = float(betaincinv(bad + 1, count - bad, CONFIDENCE)) if bad < count else 1.0
    return min(max(bound, 1e-9), 1.0 - 1e-9)


@dataclass(frozen=True, slots=True)
class Alternatives:
    """log likelihood ratio of one bad and of one good unit under each alternative, shape (j,)."""

    of_bad: Floats
    of_good: Floats

    @staticmethod
    def against(rate: float) -> "Alternatives":
        odds = ODDS * rate / (1.0 - rate)
        shifted = odds / (1.0 + odds)
        return Alternatives(np.log(shifted / rate), np.log((1.0 - shifted) / (1.0 - rate)))


@dataclass(frozen=True, slots=True)
class Scan:
    """The detector after each of m records: log R (m,), the carry (m, j), the suspicion's ratio
    (m,).
    """

    log_r: Floats
    carry: Floats
    suspicion: Floats


def empty_carry() -> Floats:
    return np.full(len(ODDS), -np.inf)


def scan(
    alternatives: Alternatives,
    bad: Ints,
    count: Ints,
    bad_before: int,
    count_before: int,
    carry: Floats,
) -> Scan:
    """Runs over records with running totals `bad` and `count` since the watch began, from those
    before and the carry.

    With L_t the log likelihood ratio of the totals, log R_t = L_t + A_t, A_t = logaddexp(A_{t-1},
    -L_{t-1}). L comes from whole numbers and A is added up in the order of the log, so a cut
    between two records changes nothing.
    """
    at_each = _ratios(alternatives, bad, count)
    before = np.vstack(
        [_ratios(alternatives, np.array([bad_before]), np.array([count_before])), at_each[:-1]]
    )
    added = np.logaddexp.accumulate(np.vstack([carry, -before]), axis=0)[1:]
    log_r = np.logaddexp.reduce(at_each + added, axis=1) - np.log(len(ODDS))
    return Scan(log_r, added, at_each[:, SUSPICION])


def _ratios(alternatives: Alternatives, bad: Ints, count: Ints) -> Floats:
    good = (count - bad).astype(float)
    return np.asarray(
        bad.astype(float)[:, None] * alternatives.of_bad + good[:, None] * alternatives.of_good
    )
