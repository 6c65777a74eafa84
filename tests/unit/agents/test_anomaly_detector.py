"""The detector of anomalies on bare series: what it finds, and what must not change its answers."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.anomalies.detector import BEGAN, CHANGED, ENDED, observe
from agents.anomalies.features import ROUGHNESS
from agents.anomalies.tails import POINTS_MOST, log_chance
from agents.anomalies.unusual_wording import pattern_of
from schemas.records import AnomalyPattern
from state.metrics.series_layout import (
    CHANGED_POSITION,
    COUNT,
    FEATURE,
    FOUND,
    HIGH,
    LOW,
    PEAKS,
    SEEN,
    SPREAD,
    TAIL,
    WIDTH,
)

Floats = NDArray[np.float64]

STEP_MS = 300_000
MIDNIGHT = 1_700_006_400_000


class Through(NamedTuple):
    """What came of a series: its numbers, what came of each point, and the tails of what began."""

    numbers: Floats
    came: list[int]
    tails: list[int]

    def begun(self) -> list[int]:
        return [at for at, one in enumerate(self.came) if one & BEGAN]


def through(values: Floats, numbers: Floats | None = None, first: int = 0) -> Through:
    numbers = np.zeros(WIDTH) if numbers is None else numbers.copy()
    came, tails = list[int](), list[int]()
    for at, value in enumerate(values.tolist()):
        position = first + at
        came.append(observe(numbers, value, float(MIDNIGHT + STEP_MS * position), float(position)))
        if came[-1] & BEGAN:
            tails.append(int(numbers[FOUND]))
    return Through(numbers, came, tails)


def calm(n: int = 2_000, seed: int = 1) -> Floats:
    return 50.0 + np.random.default_rng(seed).standard_normal(n)


def wandering(seed: int, n: int = 700) -> Floats:
    """A series with something of everything in it."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n) + 3.0 * np.cos(2.0 * np.pi * np.arange(n) / 288)
    values[rng.integers(200, n, 3)] += rng.uniform(10.0, 40.0, 3)
    values[400:] += rng.uniform(-9.0, 9.0)
    return np.asarray(values)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (AnomalyPattern.SPIKE, lambda x: np.where(np.arange(len(x)) == 1_500, 80.0, x)),
        (AnomalyPattern.DIP, lambda x: np.where(np.arange(len(x)) == 1_500, 20.0, x)),
        (AnomalyPattern.FLAT, lambda x: np.where(np.arange(len(x)) >= 1_500, 50.0, x)),
        (AnomalyPattern.LEVEL, lambda x: x + 2.5 * (np.arange(len(x)) >= 1_500)),
        (
            AnomalyPattern.SPREAD,
            lambda x: np.where(
                np.arange(len(x)) >= 1_500, 50.0 + 1.9 * (-1.0) ** np.arange(len(x)), x
            ),
        ),
    ],
)
def test_it_names_the_pattern(name: AnomalyPattern, change: object) -> None:
    assert callable(change)
    found = through(change(calm()))

    begun = [at for at in found.begun() if at >= 1_500]
    assert begun
    assert begun[0] < 1_600
    assert name in {pattern_of(tail) for tail in found.tails}


def test_calm_values_are_told_of_seldom() -> None:
    begun = sum(len(through(calm(4_000, seed)).begun()) for seed in range(10))

    assert begun <= 4  # in 40 000 points


def test_a_day_that_is_not_like_others_is_told_of() -> None:
    n = 288 * 12
    rng = np.random.default_rng(3)
    busy = (np.arange(n) % 288 > 100) & (np.arange(n) % 288 < 200)
    values = 20.0 + 40.0 * busy + rng.standard_normal(n)
    values[288 * 9 : 288 * 10] = 20.0 + rng.standard_normal(288)

    begun = [at for at in through(values).begun() if at > 288 * 3]

    assert begun
    assert 288 * 9 + 100 <= begun[0] < 288 * 9 + 130


def test_what_was_seen_and_expected_is_in_the_unit_of_the_values() -> None:
    values = calm()
    values[1_500] = 80.0

    found = through(values[:1_501]).numbers

    assert found[SEEN] == 80.0
    assert 44.0 < found[LOW] < 50.0 < found[HIGH] < 56.0


def test_an_episode_ends_once_it_is_calm_and_is_told_once() -> None:
    values = calm()
    values[1_500:1_510] = 80.0

    came = through(values).came

    assert [at for at, one in enumerate(came) if one & BEGAN] == [1_500]
    (ended,) = [at for at, one in enumerate(came) if one & ENDED]
    assert 1_601 <= ended <= 1_510 + 2 * 64  # as long as the mean of 64 is of the episode


def test_what_comes_again_and_again_is_learned() -> None:
    values = calm(4_000)
    values[500::150] += 30.0

    begun = through(values).begun()

    assert begun[0] == 500
    assert len(begun) <= 3


def test_a_change_of_level_is_dated_to_its_begin() -> None:
    values = calm(300)
    values[180:] += 6.0

    found = through(values)

    assert next(at for at, one in enumerate(found.came) if one & CHANGED) < 190
    assert found.numbers[CHANGED_POSITION] == 180.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 699))
def test_a_prefix_gives_the_same_answers_and_goes_on_to_the_same_bytes(seed: int, cut: int) -> None:
    values = wandering(seed)
    whole = through(values)

    before = through(values[:cut])
    after = through(values[cut:], before.numbers, cut)

    assert before.came + after.came == whole.came
    assert after.numbers.tobytes() == whole.numbers.tobytes()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-40, 40))
def test_another_unit_changes_no_answer(seed: int, power: int) -> None:
    values = wandering(seed)

    # A power of two, so that nothing is rounded otherwise.
    assert through(values * 2.0**power).came == through(values).came


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.integers(-1_000, 1_000))
def test_another_zero_changes_no_answer(seed: int, shift: int) -> None:
    # Of so few digits that a sum of two is exact.
    values = np.round(wandering(seed) * 2.0**20) / 2.0**20

    assert through(values + float(shift)).came == through(values).came


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_a_value_without_a_square_is_left_out(value: float) -> None:
    numbers = through(calm(300)).numbers
    before = numbers.copy()

    assert observe(numbers, value, 1.0, 1.0) == 0
    assert numbers.tobytes() == before.tobytes()


@pytest.mark.parametrize("size", [1e140, 1e-140])
def test_values_of_any_size_leave_numbers(size: float) -> None:
    assert np.isfinite(through(wandering(1) * size).numbers).all()


def test_a_constant_is_usual_and_leaving_it_is_not() -> None:
    values = np.full(600, 7.0)
    values[500] = 7.1

    found = through(values)

    assert found.begun() == [500]


def test_the_chance_beyond_the_peaks_is_that_of_the_worked_example() -> None:
    numbers = np.zeros(WIDTH)
    numbers[FEATURE + COUNT] = 2_000.0
    numbers[FEATURE + SPREAD] = 1.0
    numbers[TAIL : TAIL + PEAKS] = (3.0, 2.8, 2.6, 2.5, 2.4, 2.3)

    assert POINTS_MOST > 2_000.0
    assert np.exp(log_chance(numbers, 0, 0, 6.0)) == pytest.approx(6.5e-5, rel=0.01)
    assert log_chance(numbers, 0, 0, 2.2) == 0.0


def test_flat_is_the_lower_side_of_roughness() -> None:
    assert pattern_of(2 * ROUGHNESS + 1) == AnomalyPattern.FLAT
