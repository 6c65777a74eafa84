"""Limits learned from values, and how far apart records of a gauge must be: against simulated AR(1)
gauges.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from agents.drift.evidence.thinning_and_limits import (
    LEARNED,
    NOT_TO_BE_THINNED,
    THIN_MAX,
    limit_of,
    thinning,
)
from agents.statistics.e_detector import upper_bound
from tests.support.detecting import detected

Values = NDArray[np.float64]


def gauge(rng: np.random.Generator, n: int, phi: float) -> Values:
    """A stationary AR(1) of variance one."""
    noise = rng.standard_normal(n) * np.sqrt(1.0 - phi**2)
    noise[0] = rng.standard_normal()
    return np.asarray(lfilter([1.0], [1.0, -phi], noise))


@pytest.mark.parametrize(("upper", "limit"), [(True, 950.0), (False, 51.0)])
def test_one_value_in_twenty_is_beyond_the_limit(upper: bool, limit: float) -> None:
    values = np.random.default_rng(1).permutation(np.arange(1.0, 1_001.0))
    assert limit_of(values, upper, 0.1) == limit
    assert (values > limit if upper else values < limit).sum() == 50


@pytest.mark.parametrize(
    ("values", "upper", "limit"),
    [
        ((7.0,) * 1_000, True, 7.7),  # constant: beyond it by the margin
        ((7.0,) * 1_000, False, 6.3),
        ((-7.0,) * 1_000, True, -6.3),
        ((0.0,) * 1_000, True, 0.0),
        (
            (0.0,) * 100 + (1.0,) * 900,
            False,
            1.0,
        ),  # one in ten is the worst there is: it is what is counted
        ((0.0,) * 900 + (1.0,) * 100, True, 0.0),
        ((0.0,) * 900 + (1.0,) * 100, False, 1.0),  # nine in ten: more can come
        ((0.0,) * 950 + (1.0,) * 50, False, 0.0),  # hardly more can
        ((0.0,) * 960 + (1.0,) * 40, True, 0.0),  # one in twenty-five: as always, the percentile
        ((1.797e308,) * 1_000, True, float(np.finfo(np.float64).max)),
    ],
)
def test_where_the_worst_value_is_shared_the_limit_leaves_room_for_what_is_worse(
    values: tuple[float, ...], upper: bool, limit: float
) -> None:
    assert limit_of(np.array(values), upper, 0.1) == pytest.approx(limit, rel=1e-12)


def test_values_that_do_not_follow_each_other_are_not_thinned() -> None:
    for draw in (np.random.Generator.standard_normal, np.random.Generator.standard_cauchy):
        kept = [thinning(draw(np.random.default_rng(seed), LEARNED)) for seed in range(100)]
        assert kept.count(1) >= 98


def test_values_too_large_for_their_squares_are_compared_all_the_same() -> None:
    values = np.where(np.random.default_rng(2).random(LEARNED) < 0.5, 1e308, -1e308)
    assert thinning(values) == 1


@pytest.mark.parametrize(("phi", "least"), [(0.5, 4), (0.8, 13), (0.95, 38)])
def test_what_is_left_of_the_correlation_is_small(phi: float, least: int) -> None:
    """The true phi to the power of k; the upper bound errs on the side of fewer records."""
    for make in (lambda values: values, np.exp):
        found = [
            thinning(make(gauge(np.random.default_rng(seed), LEARNED, phi))) for seed in range(40)
        ]
        assert all(least <= k <= THIN_MAX for k in found), found
        assert np.mean([phi**k <= 0.08 for k in found]) >= 0.95


def test_a_random_walk_is_never_judged() -> None:
    walks = [np.cumsum(np.random.default_rng(seed).standard_normal(LEARNED)) for seed in range(20)]
    assert [thinning(walk) for walk in walks].count(NOT_TO_BE_THINNED) >= 19


@pytest.mark.parametrize("phi", [0.8, 0.95])
def test_a_gauge_without_a_change_alarms_no_more_often_than_promised(phi: float) -> None:
    """At 1/a = 5 000 within 1 000 judged records: at most one in five; without thinning nearly all
    of them alarm.
    """
    alarms = unthinned = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, int(100 * phi)])
        values = gauge(rng, LEARNED + 200 * 1_200, phi)
        limit, k = limit_of(values[:LEARNED], True, 0.1), thinning(values[:LEARNED])
        assert limit is not None
        bad = (values[LEARNED:] > limit).astype(np.int64)
        alarms += _alarms(bad[k - 1 :: k], 200, 5_000.0)
        unthinned += _alarms(bad, 200 * k, 5_000.0)
    assert alarms <= 8
    assert unthinned >= 30


def _alarms(bad: NDArray[np.int64], reference: int, run: float) -> bool:
    rate = upper_bound(float(bad[:reference].sum()), float(reference))
    bad = bad[reference : reference + 1_000]
    log_r, _ = detected(rate, np.cumsum(bad), np.arange(1, len(bad) + 1))
    return bool((log_r >= np.log(run)).any())
