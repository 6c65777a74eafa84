"""The compiled tests on numbers of every size: against scipy, and their bounds against what they
bound.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special as scipy_special

from agents.statistics import (
    confidence_sequence,
    multinomial,
    rate_comparison,
    special,
)

Floats = NDArray[np.float64]
ULPS = 8.0 * 2.0**-52
ALWAYS = -np.inf  # the least evidence from which it must be exact


def close(got: float, expected: float, scale: float) -> bool:
    """Equal to a few units in the last place of the largest term of the sum that both are."""
    if np.isnan(expected) or np.isinf(expected):
        return bool(got == expected or (np.isnan(got) and np.isnan(expected)))
    return bool(abs(got - expected) <= ULPS * (scale + abs(expected) + 1.0))


def counts(rng: np.random.Generator, n: int) -> Floats:
    """Whole numbers of every size, a fifth of them 0."""
    return np.where(rng.random(n) < 0.2, 0.0, np.floor(10.0 ** rng.uniform(0.0, 12.0, n)))


def shares(rng: np.random.Generator, n: int) -> Floats:
    stated = rng.choice([0.5, 0.05, 1 / 3, 0.01, 0.99, 1e-4], n)
    return np.where(rng.random(n) < 0.5, stated, rng.uniform(0.001, 0.999, n))


def test_special_functions_are_scipys_bit_by_bit() -> None:
    rng = np.random.default_rng(1)
    a, b = 10.0 ** rng.uniform(-3.0, 8.0, (2, 5_000))
    x = rng.random(5_000)
    got = [(special.betaincc(*one), special.betaln(*one[:2])) for one in zip(a, b, x, strict=True)]
    expected = np.stack([scipy_special.betaincc(a, b, x), scipy_special.betaln(a, b)], axis=1)
    assert np.array_equal(np.array(got).view(np.int64), expected.view(np.int64))


def events(rng: np.random.Generator, n: int) -> Iterator[tuple[float, float, float]]:
    """Counted events near the planned share, far off it, and none."""
    rho, total = shares(rng, n), counts(rng, n)
    near = rng.binomial(np.minimum(total, 1e9).astype(np.int64), rho).astype(float)
    x = np.where(rng.random(n) < 0.6, near, np.floor(rng.random(n) * total))
    x = np.where(rng.random(n) < 0.1, total, x)
    return zip(x, np.maximum(total - x, 0.0), rho, strict=True)


def log_e(x: float, y: float, rho: float, k: float) -> float:
    """The published two-sided evidence under a prior of concentration k, by scipy."""
    a, b = k * rho, k * (1.0 - rho)
    grown = scipy_special.betaln(a + x, b + y) - scipy_special.betaln(a, b)
    return float(grown - x * np.log(rho) - y * np.log1p(-rho))


def one_sided(x: float, y: float, rho: float) -> float:
    """The mixture of the published evidence under priors cut to the shares above rho, by scipy."""
    each = []
    for k, weight in zip((10.0, 100.0), (0.8, 0.2), strict=True):
        a, b = k * rho, k * (1.0 - rho)
        before, mass = scipy_special.betaincc([a, a + x], [b, b + y], rho)
        cut = log_e(x, y, rho, k) - np.log(before) + np.log(mass) if mass > 0.0 else -700.0
        each.append(max(cut, -700.0) + np.log(weight))
    return float(scipy_special.logsumexp(each))


def test_count_evidence_of_any_size_is_the_mixture_of_scipys_betas() -> None:
    for x, y, rho in events(np.random.default_rng(2), 4_000):
        scale = x * abs(np.log(rho)) + y * abs(np.log1p(-rho)) + (x + y) * 25.0
        # The share of the other arm is rounded to a few units in the last place of 1.
        scale /= min(rho, 1.0 - rho)
        above, below = multinomial.log_e_one_sided(
            x, y, rho, multinomial.prior_masses(rho), ALWAYS, ALWAYS
        )
        assert close(above, one_sided(x, y, rho), scale), (x, y, rho)
        assert close(below, one_sided(y, x, 1.0 - rho), scale), (x, y, rho)
        assert close(multinomial.log_e_split(x, y, rho), log_e(x, y, rho, 200.0), scale)


def test_bounds_of_count_evidence_hold_and_stay_below_the_level() -> None:
    cheap = 0
    for x, y, rho in events(np.random.default_rng(3), 4_000):
        exact = multinomial.log_e_one_sided(
            x, y, rho, multinomial.prior_masses(rho), ALWAYS, ALWAYS
        )
        for level in (0.5, 3.0, 8.0):
            bound = multinomial.log_e_one_sided(
                x, y, rho, multinomial.prior_masses(rho), level, level
            )
            cheap += bound != exact
            scale = ULPS * (1.0 + (x + y) * 25.0)
            assert bound[0] >= exact[0] - scale
            assert bound[1] >= exact[1] - scale
            assert (bound[0] >= level, bound[1] >= level) == (exact[0] >= level, exact[1] >= level)
    assert cheap > 1_000


def samples(rng: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    count = counts(rng, n)
    center, spread = rng.normal(0.0, 10.0, n), rng.choice([0.0, 1e-9, 1.0, 1e5, 1e150], n)
    total = count * center
    with np.errstate(over="ignore"):
        squares = count * (center * center + spread * spread)
    return count, total, np.where(rng.random(n) < 0.05, np.inf, squares)


def test_the_bound_of_evidence_of_means_holds_and_stays_below_the_level() -> None:
    rng, n = np.random.default_rng(6), 4_000
    a, b = samples(rng, n), samples(rng, n)
    cheap = 0
    for at in range(n):
        one = confidence_sequence.Sample(*(float(column[at]) for column in a))
        other = confidence_sequence.Sample(*(float(column[at]) for column in b))
        se = confidence_sequence.standard_error(one, other)
        effect = confidence_sequence.mean(other) - confidence_sequence.mean(one)
        units = one.units + other.units
        exact = confidence_sequence.log_evidence(effect, se, units, ALWAYS)
        bound = confidence_sequence.log_evidence(effect, se, units, 5.0)
        assert (bound >= 5.0) == (exact >= 5.0)
        assert bound >= exact
        cheap += bound != exact
    assert cheap > 100


def test_the_bound_of_a_comparison_of_rates_holds_and_stays_below_the_level() -> None:
    rng, n = np.random.default_rng(7), 3_000
    units = np.maximum(counts(rng, n), 1.0), np.maximum(counts(rng, n), 1.0)
    hits = [np.floor(rng.random(n) * of) for of in units]
    kinds = rng.integers(0, 4, n)
    hits = [
        np.where(kinds == 0, 0.0, np.where(kinds == 1, of, hit))
        for hit, of in zip(hits, units, strict=True)
    ]
    for x, n_, y, m in zip(hits[0], units[0], hits[1], units[1], strict=True):
        exact = rate_comparison.log_e_above(x, n_, y, m, ALWAYS)
        bound = rate_comparison.log_e_above(x, n_, y, m, 3.0)
        assert bound >= exact - ULPS * (n_ + m) * 25.0
        assert (bound >= 3.0) == (exact >= 3.0)
