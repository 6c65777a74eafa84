"""The confidence sequence of means against its published formula, written anew, and against other
implementations.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from river import stats as river_stats
from scipy import stats

from agents.statistics.confidence_sequence import (
    Sample,
    log_evidence,
    mean,
    radius,
    standard_error,
    variance,
)
from schemas.compiled import compiled

TUNED_AT = 5_000.0  # units: where the sequence is tightest
NO_EVIDENCE = -700.0
EXACTLY = -np.inf  # the least evidence from which it must be exact


def sample(values: NDArray[np.float64]) -> Sample:
    return Sample(float(len(values)), float(values.sum()), float((values**2).sum()))


def rho(alpha: float) -> float:
    return float(np.sqrt((-2.0 * np.log(alpha) + np.log(1.0 - 2.0 * np.log(alpha))) / TUNED_AT))


def one_sided_bound(effect: float, se: float, n: float, alpha: float) -> float:
    r = rho(2.0 * 0.05)
    inside = np.log(1.0 + np.sqrt(n * r**2 + 1.0) / (2.0 * alpha))
    return float(
        effect - se * np.sqrt(n) * np.sqrt(2.0 * (n * r**2 + 1.0) / (n**2 * r**2) * inside)
    )


def test_evidence_reaches_a_level_exactly_where_the_one_sided_bound_leaves_zero() -> None:
    rng = np.random.default_rng(1)
    for _ in range(400):
        effect, se, n, alpha = (
            rng.uniform(-1, 3),
            rng.uniform(0.05, 1),
            rng.uniform(2, 1e6),
            rng.uniform(1e-6, 0.4),
        )
        level = np.log(1.0 / alpha)
        evidence = log_evidence(effect, se, n, EXACTLY)
        assert (evidence >= level) == (one_sided_bound(effect, se, n, alpha) >= 0.0)
        # Where it need not be exact it is never below it, and never reaches the level.
        rough = log_evidence(effect, se, n, level)
        assert rough >= evidence
        assert (rough >= level) == (evidence >= level)


def test_the_one_sided_radius_is_the_published_formula() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        se, n, alpha = rng.uniform(0.01, 5), rng.uniform(2, 1e6), rng.uniform(1e-4, 0.4)
        published = one_sided_bound(0.0, se, n, alpha)
        assert radius(se, n, alpha) == pytest.approx(-published)


def test_the_running_interval_covers_zero_at_every_moment_of_most_null_streams() -> None:
    rng = np.random.default_rng(3)
    left = 0
    for _ in range(200):
        a, b = rng.exponential(2.0, 5_000), rng.exponential(2.0, 5_000)
        left += leaves_zero(a, b)
    assert left <= 200 * 0.05 + 6


@compiled
def leaves_zero(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether the running interval leaves 0 at any pair of values from the 1 001st on."""
    total_a, squares_a, total_b, squares_b = 0.0, 0.0, 0.0, 0.0
    for at in range(len(a)):
        total_a, squares_a = total_a + a[at], squares_a + a[at] * a[at]
        total_b, squares_b = total_b + b[at], squares_b + b[at] * b[at]
        n = at + 1.0
        one, two = Sample(n, total_a, squares_a), Sample(n, total_b, squares_b)
        if at >= 1_000:
            wide = radius(standard_error(one, two), 2.0 * n, 0.025)
            if abs(mean(two) - mean(one)) > wide:
                return True
    return False


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_variance_is_that_of_river_and_numpy(scale: float) -> None:
    values = np.random.default_rng(4).lognormal(0.0, 1.0, 500) * scale
    running = river_stats.Var()
    for value in values:
        running.update(value)
    assert variance(sample(values)) == pytest.approx(running.get(), rel=1e-9)
    assert variance(sample(values)) == pytest.approx(values.var(ddof=1), rel=1e-9)


def test_rounding_alone_is_no_variance() -> None:
    assert variance(sample(np.full(1_000, 0.1))) == 0.0
    assert variance(sample(np.full(1_000, 1e9 + 0.1))) == 0.0


def test_what_is_too_large_to_be_known_has_an_infinite_variance_and_proves_nothing() -> None:
    large, none = Sample(2_000.0, 1e200, np.inf), Sample(2_000.0, 10.0, 11.0)
    assert variance(large) == np.inf
    se = standard_error(large, none)
    assert log_evidence(1e197, se, 4_000.0, EXACTLY) == NO_EVIDENCE


def test_the_standard_error_is_the_larger_of_welchs_and_the_pooled() -> None:
    rng = np.random.default_rng(5)
    for n, m, wide in ((20, 400, 1.0), (400, 20, 9.0), (50, 60, 3.0), (30, 900, 0.1)):
        a, b = rng.normal(0.0, 1.0, n), rng.normal(0.5, wide, m)
        effect = a.mean() - b.mean()
        welch = effect / stats.ttest_ind(a, b, equal_var=False).statistic
        pooled = effect / stats.ttest_ind(a, b, equal_var=True).statistic
        assert standard_error(sample(a), sample(b)) == pytest.approx(max(welch, pooled))


@pytest.mark.parametrize(
    ("effect", "se"),
    [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0)],
)
def test_no_effect_no_variance_or_no_number_is_no_evidence(effect: float, se: float) -> None:
    assert log_evidence(effect, se, 5_000.0, EXACTLY) == NO_EVIDENCE


def test_evidence_does_not_overflow_where_its_inverse_would() -> None:
    evidence = log_evidence(100.0, 1.0, 1e6, EXACTLY)
    assert 4_000.0 < evidence < 5_000.0
