"""Hits in bursts are told from such as come one by one; neither an effect nor a late harm passes
for bursts.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from agents.experiments.evidence.blocks import (
    MORE_IS_HARM,
    NO_MARGIN,
    BlockTerms,
    close_block,
)
from agents.statistics.bursts import dispersion_of
from state.pairs.pair_blocks import (
    CONTROL_SUM,
    CONTROL_UNITS,
    MORE,
    TREATMENT_SUM,
    TREATMENT_UNITS,
    WIDTH,
)

TERMS = BlockTerms(MORE_IS_HARM, 1.0, NO_MARGIN)


@dataclass(frozen=True)
class World:
    """Blocks of eight units an arm, whose rates are these, each (blocks,)."""

    treatment: np.ndarray
    control: np.ndarray

    def dispersions(self, runs: int) -> np.ndarray:
        return np.array([dispersion_of(self.folded(seed), 0) for seed in range(runs)])

    def folded(self, seed: int) -> np.ndarray:
        rng, rows = np.random.default_rng(seed), np.zeros((1, WIDTH))
        hits = rng.binomial(8, np.stack([self.treatment, self.control]))
        for own, other in hits.T.tolist():
            rows[0, [TREATMENT_UNITS, CONTROL_UNITS]] = 8.0
            rows[0, TREATMENT_SUM], rows[0, CONTROL_SUM] = own, other
            close_block(rows, 0, TERMS)
        return rows


def even(treatment: float, control: float, blocks: int = 1_200) -> World:
    return World(np.full(blocks, treatment), np.full(blocks, control))


@pytest.mark.parametrize("rate", [0.005, 0.1, 0.5])
def test_independent_units_are_seldom_taken_for_bursts(rate: float) -> None:
    assert (even(rate, rate).dispersions(100) > 1.0).mean() <= 0.1


def test_an_effect_is_no_burst() -> None:
    assert (even(0.3, 0.15).dispersions(100) > 1.0).mean() <= 0.1


def test_a_base_that_moves_for_both_arms_is_no_burst() -> None:
    base = 0.2 + 0.15 * np.sin(np.arange(1_200) / 20.0)
    assert (World(base, base).dispersions(100) > 1.0).mean() <= 0.1


def test_a_harm_that_begins_late_is_no_burst() -> None:
    treatment = np.where(np.arange(1_200) < 1_000, 0.01, 0.05)
    found = World(treatment, np.full(1_200, 0.01)).dispersions(100)
    assert (found > 1.0).mean() <= 0.15


def bursts(seed: int) -> World:
    """Every ten blocks the errors of either arm are other ones."""
    rng = np.random.default_rng(1_000 + seed)
    factors = np.exp(0.8 * rng.standard_normal((2, 120)))
    return World(*np.minimum(0.1 * np.repeat(factors, 10, axis=1), 0.9))


def test_bursts_are_measured_and_weigh_less() -> None:
    weighed, found = [], []
    for seed in range(40):
        rows = bursts(seed).folded(seed)
        found.append(dispersion_of(rows, 0))
        weighed.append(rows[0, MORE])
    # Of the mean of 80 units, a variance of 0.1 * 0.9 / 80 by chance and of 0.1^2 by bursts.
    assert 3.0 < np.median(found) < 25.0
    assert (np.array(weighed) > np.log(20.0)).mean() <= 0.1
