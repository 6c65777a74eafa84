"""Evidence from means: the asymptotic confidence sequence, approximate, and therefore guarded.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 2024, arXiv:2103.06476. Guards: a burn-in in each arm,
and the larger of Welch's and the pooled variance, without which an unequal split with heavy tails
is wrong far too often.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BURN_IN = 1_000  # units an arm before the sequence may decide
INDEPENDENT = 100.0  # and at least as many independent ones, where values follow each other
TUNED_AT = 5_000.0  # N*: where the sequence is tightest; fixed, so nothing is tuned on the data
DESIGN_ALPHA = 0.05  # the level for which rho is tuned; every other level is valid too
NO_EVIDENCE = -700.0
TINY = 1e-12  # of the mean square: a variance below it is rounding, not spread


def _rho_squared(alpha: float) -> float:
    return float((-2.0 * np.log(alpha) + np.log(1.0 - 2.0 * np.log(alpha))) / TUNED_AT)


RHO2_ONE_SIDED = _rho_squared(2.0 * DESIGN_ALPHA)


@dataclass(frozen=True, slots=True)
class Sample:
    """Sufficient statistics of one arm at each of n events, each shape (n,)."""

    count: Floats
    total: Floats
    squares: Floats

    def mean(self) -> Floats:
        return np.asarray(self.total / self.count)

    def variance(self) -> Floats:
        """Unbiased; 0 where only rounding is left, infinite where it is too large to be known."""
        with np.errstate(over="ignore", invalid="ignore"):
            spread = self.squares - self.total * self.total / self.count
        known = np.where(spread > TINY * self.squares, spread, 0.0)
        spread = np.where(np.isfinite(spread) | (self.count == 0), known, np.inf)
        return np.asarray(spread / np.maximum(self.count - 1.0, 1.0))


def standard_error(a: Sample, b: Sample) -> Floats:
    """Of the difference of two means: the larger of Welch's and the pooled, shape (n,)."""
    va, vb = a.variance(), b.variance()
    freedom = np.maximum(a.count + b.count - 2.0, 1.0)
    with np.errstate(over="ignore"):
        welch = va / a.count + vb / b.count
        pooled = (
            ((a.count - 1.0) * va + (b.count - 1.0) * vb)
            / freedom
            * (1.0 / a.count + 1.0 / b.count)
        )
    return np.asarray(np.sqrt(np.maximum(welch, pooled)))


def log_evidence(effect: Floats, se: Floats, n: Floats) -> Floats:
    """Minus log of the anytime-valid one-sided p-value that `effect` is above 0, shape (n,).

    The inverse of the one-sided bound effect - se sqrt(n) sqrt(2 (n rho^2 + 1) / (n^2 rho^2) ln(1 +
    sqrt(n rho^2 + 1) / (2 a))) in a. A p-value, not 1/e: thresholds for it are log(1/level).
    NO_EVIDENCE where se is 0 or the effect is not above 0.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.where(se > 0.0, effect / se, 0.0)
        grown = n * RHO2_ONE_SIDED + 1.0
        q = z * z * n * RHO2_ONE_SIDED / (2.0 * grown)
        # log(exp(q) - 1) without overflow: q + log(1 - exp(-q)).
        evidence = np.log(2.0) + q + np.log(-np.expm1(-q)) - 0.5 * np.log(grown)
    return np.where(
        (z > 0.0) & np.isfinite(evidence), np.maximum(evidence, NO_EVIDENCE), NO_EVIDENCE
    )


def radius(se: Floats, n: Floats, alpha: Floats | float) -> Floats:
    """How far the running one-sided bound at level alpha lies from the effect, shape (n,): what
    `log_evidence` inverts.
    """
    grown = n * RHO2_ONE_SIDED + 1.0
    return np.asarray(
        se * np.sqrt(2.0 * grown / (n * RHO2_ONE_SIDED) * np.log1p(np.sqrt(grown) / (2.0 * alpha)))
    )
