"""How many more units a verdict is expected to need, if the effect is what it looks like."""

import numpy as np

from agents.experiments.totals.totals import Flags, Floats
from agents.statistics import confidence_sequence

ROUNDS = (
    12  # of the fixed point; each shortens the error by the share of the logarithm in the evidence
)
MOST = 1e12


def more_units(n: Floats, evidence: Floats, growth: Floats, tuned: Floats, level: Floats) -> Floats:
    """Units still needed, shape (n,); NaN where the effect points nowhere or more than MOST would
    be needed.

    Evidence grows in proportion to the sample and loses half the logarithm of it: with r times the
    sample, E(r) = E(1) + (r - 1) growth - ln((r tuned + 1) / (tuned + 1)) / 2, which is solved for
    E(r) = level.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r = np.ones(len(n))
        for _ in range(ROUNDS):
            loss = 0.5 * np.log((r * tuned + 1.0) / (tuned + 1.0))
            r = np.maximum(1.0, 1.0 + (level - evidence + loss) / growth)
        more = np.ceil((r - 1.0) * n)
    return np.where((growth > 0.0) & np.isfinite(level) & (more <= MOST), more, np.nan)


def growth_of_mean(effect: Floats, se: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Growth and tuning of a mean's evidence: z^2 / 2 and n rho^2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(se > 0.0, effect / se, 0.0)
    return z * z / 2.0, n * confidence_sequence.RHO2_ONE_SIDED


def growth_of_counts(
    x: Floats, y: Floats, rho: Floats, concentration: float
) -> tuple[Floats, Floats]:
    """Growth and tuning of a count test's evidence: events times the divergence of their split from
    the planned one.
    """
    events = x + y
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(events > 0.0, x / events, rho)
        growth = _entropy(x, theta / rho) + _entropy(y, (1.0 - theta) / (1.0 - rho))
    return np.where(events > 0.0, growth, 0.0), events / concentration


def _entropy(events: Floats, ratio: Floats) -> Floats:
    return np.where(events > 0.0, events * np.log(np.where(ratio > 0.0, ratio, 1.0)), 0.0)


def missing_units(control: Floats, treatment: Floats, needed: Floats, enough: Flags) -> Floats:
    """Units that both arms lack together until there is enough, shape (n,); 0 where there is."""
    lack = np.maximum(needed - control, 0.0) + np.maximum(needed - treatment, 0.0)
    return np.where(enough, 0.0, lack)
