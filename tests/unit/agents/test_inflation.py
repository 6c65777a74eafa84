"""Values that follow each other: recognised, and weighed by what their mean's variance really
is.
"""

import numpy as np
import pytest

from agents.statistics.variance_inflation import inflation_of

MOST = 200.0  # records that weigh as one


def gauge(phi: float, n: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    noise = np.random.default_rng(seed).normal(size=n) * np.sqrt(1.0 - phi * phi)
    values = np.empty(n)
    values[0] = noise[0] / np.sqrt(1.0 - phi * phi)
    for i in range(1, n):
        values[i] = phi * values[i - 1] + noise[i]
    return values


@pytest.mark.parametrize("phi", [0.5, 0.8, 0.95])
def test_the_inflation_covers_the_true_one_nearly_always_and_does_not_overdo_it(phi: float) -> None:
    given = np.array([inflation_of(gauge(phi, 500, seed)) for seed in range(200)])
    true = (1.0 + phi) / (1.0 - phi)
    assert (given >= true).mean() >= 0.9
    assert np.median(given) <= 2.5 * true


def test_independent_values_weigh_as_they_are() -> None:
    given = [
        inflation_of(np.random.default_rng(seed).lognormal(sigma=2.0, size=500))
        for seed in range(200)
    ]
    assert sum(one > 1.0 for one in given) <= 4


def test_values_that_alternate_are_not_taken_for_more_than_they_are() -> None:
    assert inflation_of(np.array([1.0, -1.0] * 250)) == 1.0


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 500])
def test_too_few_values_or_equal_ones_say_nothing(values: list[float]) -> None:
    assert inflation_of(np.array(values)) == 1.0


def test_a_straight_line_weighs_as_little_as_anything_can() -> None:
    assert inflation_of(np.arange(500.0)) == MOST


def in_turn(
    phi: float, senders: int, n: int, seed: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    each = [gauge(phi, n // senders, 1_000 * seed + sender) for sender in range(senders)]
    return np.array(each).T.reshape(-1)


@pytest.mark.parametrize("senders", [2, 5, 10, 20])
def test_senders_that_take_turns_are_weighed_by_how_each_follows_itself(senders: int) -> None:
    given = np.array([inflation_of(in_turn(0.8, senders, 500, seed)) for seed in range(60)])
    assert (given >= 0.75 * 9.0).mean() >= 0.85
    assert np.median(given) <= 60.0


def test_senders_that_differ_for_good_and_remember_nothing_are_independent() -> None:
    rng = np.random.default_rng(7)
    levels = np.tile(rng.normal(size=10) * 5.0, 50)
    given = [inflation_of(levels + rng.normal(size=500)) for _ in range(100)]
    assert sum(one > 1.0 for one in given) <= 4
