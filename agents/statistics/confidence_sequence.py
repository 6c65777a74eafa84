"""Evidence from means: the asymptotic confidence sequence, approximate, and therefore guarded.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 2024, arXiv:2103.06476. Guards: a burn-in in each arm,
and the larger of Welch's and the pooled variance, without which an unequal split with heavy tails
is wrong far too often.
"""

from math import expm1, inf, isfinite, log, log1p, sqrt
from typing import NamedTuple

from agents.statistics.scalars import greater
from schemas.compiled import compiled

BURN_IN = 1_000  # units an arm before the sequence may decide
INDEPENDENT = 100.0  # and at least as many independent ones, where values follow each other
TUNED_AT = 5_000.0  # N*: where the sequence is tightest; fixed, so nothing is tuned on the data
DESIGN_ALPHA = 0.05  # the level for which rho is tuned; every other level is valid too
NO_EVIDENCE = -700.0
TINY = 1e-12  # of the mean square: a variance below it is rounding, not spread
_LOG_2 = log(2.0)


def _rho_squared(alpha: float) -> float:
    return (-2.0 * log(alpha) + log(1.0 - 2.0 * log(alpha))) / TUNED_AT


RHO2_ONE_SIDED = _rho_squared(2.0 * DESIGN_ALPHA)


class Sample(NamedTuple):
    """Sufficient statistics of one arm."""

    units: float
    total: float
    squares: float


@compiled
def mean(sample: Sample) -> float:
    """NaN of no units."""
    return sample.total / sample.units


@compiled
def variance(sample: Sample) -> float:
    """Unbiased; 0 where only rounding is left, infinite where it is too large to be known."""
    units, total, squares = sample
    spread = squares - total * total / units
    if not isfinite(spread) and units != 0.0:
        return inf
    known = spread if spread > TINY * squares else 0.0
    return known / max(units - 1.0, 1.0)


@compiled
def standard_error(a: Sample, b: Sample) -> float:
    """Of the difference of two means: the larger of Welch's and the pooled; NaN without units."""
    of_a, of_b = variance(a), variance(b)
    freedom = max(a.units + b.units - 2.0, 1.0)
    welch = of_a / a.units + of_b / b.units
    pooled = ((a.units - 1.0) * of_a + (b.units - 1.0) * of_b) / freedom
    return sqrt(greater(welch, pooled * (1.0 / a.units + 1.0 / b.units)))


@compiled
def log_evidence(effect: float, se: float, n: float, least: float) -> float:
    """Minus log of the anytime-valid one-sided p-value that `effect` is above 0; an upper bound of
    it that stays below `least` where it cannot reach that.

    The inverse of the one-sided bound effect - se sqrt(n) sqrt(2 (n rho^2 + 1) / (n^2 rho^2) ln(1 +
    sqrt(n rho^2 + 1) / (2 a))) in a. A p-value, not 1/e: thresholds for it are log(1/level).
    NO_EVIDENCE where se is 0 or the effect is not above 0.
    """
    if not (se > 0.0 and effect > 0.0):
        return NO_EVIDENCE
    z = effect / se
    grown = n * RHO2_ONE_SIDED + 1.0
    q = z * z * n * RHO2_ONE_SIDED / (2.0 * grown)
    if _LOG_2 + q < least:
        return _LOG_2 + q
    # log(exp(q) - 1) without overflow: q + log(1 - exp(-q)).
    evidence = _LOG_2 + q + log(-expm1(-q)) - 0.5 * log(grown)
    if not isfinite(evidence) or evidence < NO_EVIDENCE:
        return NO_EVIDENCE
    return evidence


@compiled
def radius(se: float, n: float, alpha: float) -> float:
    """How far the running one-sided bound at level alpha lies from the effect: what `log_evidence`
    inverts.
    """
    grown = n * RHO2_ONE_SIDED + 1.0
    return se * sqrt(2.0 * grown / (n * RHO2_ONE_SIDED) * log1p(sqrt(grown) / (2.0 * alpha)))
