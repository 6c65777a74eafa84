"""Two rates without stated shares: the evidence against its definition, the null played out, the
interval by brute force.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlog1py, xlogy

from agents.statistics.rate_comparison import least_difference, log_e_above
from schemas.compiled import compiled

PRIOR = 0.18  # both parameters, of Turner, Ly and Grünwald
COUNTS = [
    (0, 5, 5, 5),
    (5, 5, 0, 5),
    (3, 40, 9, 60),
    (30, 40, 9, 60),
    (0, 100, 0, 100),
    (7, 100, 0, 200),
    (90, 90, 5, 9),
]


EXACTLY = -np.inf  # the least evidence from which it must be exact


def evidence(x: int, n: int, y: int, m: int, least: float = EXACTLY) -> float:
    return float(log_e_above(float(x), float(n), float(y), float(m), least))


def log_likelihood(x: float, n: float, p: object) -> np.ndarray:
    return np.asarray(xlogy(x, p) + xlog1py(n - x, -np.asarray(p)))


@pytest.mark.parametrize(("x", "n", "y", "m"), COUNTS)
def test_evidence_is_the_mixture_of_both_arms_over_the_best_rates_of_the_null(
    x: int, n: int, y: int, m: int
) -> None:
    mixed = sum(stats.betabinom(size, PRIOR, PRIOR).logpmf(hits) for hits, size in ((x, n), (y, m)))
    mixed -= sum(
        stats.binom(size, 0.5).logpmf(hits) + size * np.log(2.0) for hits, size in ((x, n), (y, m))
    )
    p = np.linspace(0.0, 1.0, 2_001)
    best = max((log_likelihood(x, n, one) + log_likelihood(y, m, p[p >= one])).max() for one in p)
    assert evidence(x, n, y, m) == pytest.approx(mixed - best, abs=1e-3)
    assert evidence(x, n, y, m, least=np.inf) >= evidence(x, n, y, m)


@pytest.mark.parametrize(("x", "n", "y", "m"), COUNTS)
def test_the_end_of_the_interval_is_where_the_best_rates_with_that_difference_reach_the_level(
    x: int, n: int, y: int, m: int
) -> None:
    level = np.log(20.0)
    end = least_difference(float(x), float(n), float(y), float(m), float(level))
    p = np.linspace(max(0.0, end), min(1.0, 1.0 + end), 200_001)
    best = (log_likelihood(x, n, p) + log_likelihood(y, m, p - end)).max()
    if end > -1.0:
        assert evidence(x, n, y, m) - best + _null(x, n, y, m) == pytest.approx(level, abs=1e-5)
    assert (end > 0.0) == (evidence(x, n, y, m) > level)


def _null(x: int, n: int, y: int, m: int) -> float:
    pooled = (x + y) / (n + m)
    p, q = (pooled, pooled) if x / n > y / m else (x / n, y / m)
    return float(log_likelihood(x, n, p) + log_likelihood(y, m, q))


@pytest.mark.parametrize(("first", "last"), [(0.02, 0.02), (0.5, 0.5), (0.05, 0.3)])
def test_looked_at_after_every_unit_it_is_hardly_ever_wrong_also_where_the_rate_of_both_moves(
    first: float, last: float
) -> None:
    rng, runs, units = np.random.default_rng(1), 300, 3_000
    treated = rng.random((runs, units)) < 0.3
    hit = rng.random((runs, units)) < np.linspace(first, last, units)
    wrong = sum(highest_evidence(*one) >= np.log(20.0) for one in zip(treated, hit, strict=True))
    assert wrong / runs <= 0.02


@compiled
def highest_evidence(treated: NDArray[np.bool_], hit: NDArray[np.bool_]) -> float:
    """Of all looks after a unit from the 41st on."""
    x, n, y, m, highest = 0.0, 0.0, 0.0, 0.0, -np.inf
    for at in range(len(treated)):
        if treated[at]:
            n, x = n + 1.0, x + hit[at]
        else:
            m, y = m + 1.0, y + hit[at]
        if at >= 40:
            log_e = log_e_above(x, max(n, 1.0), y, max(m, 1.0), -np.inf)
            highest = max(highest, log_e)
    return highest


def test_an_outage_of_a_few_units_is_proved() -> None:
    assert evidence(12, 12, 0, 12) > np.log(1_000.0)
    assert evidence(0, 12, 12, 12) < 0.0
