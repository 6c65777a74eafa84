"""What a live metric's rate follows by itself is no drift, and what does not follow it is found."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.statistics.dispersion import SMALLEST, take_in
from bench.watching import SUBJECT, Stream, alarms, first_alarm, state_of
from schemas.records import Policy, Reference, Season
from schemas.refusals import Reason
from schemas.validation.policy_checks import check_policy
from state.metrics.usual import DISPERSION, USUAL_WIDTH
from state.storage.table import row_key
from streams.operations.simulated_tests import CODEC, NEVER
from tests.support.builders import apply_policy

PER_DAY = 20_000
NOON = 1_700_000_000_000.0  # ms
DEFAULT = Policy(event_id="p", policy_id="all")
Floats = NDArray[np.float64]


def days(count: float) -> Floats:
    """Moments of so many days of records, from a Monday at midnight on."""
    return np.arange(int(count * PER_DAY)) / PER_DAY


def alarm_at(policy: Policy, moments: Floats, rates: Floats, seed: int = 1) -> float:
    """The day of the first alarm of errors at these rates; infinite where there is none."""
    bad = np.random.default_rng(seed).random(len(rates)) < rates
    at = first_alarm(policy, Stream("error", moments, bad.astype(np.float64)))
    return float(moments[at - 1]) if at < NEVER else float("inf")


def daily(moments: Floats) -> Floats:
    return 0.02 * (1.0 - 0.5 * np.cos(2.0 * np.pi * moments))


def weekly(moments: Floats) -> Floats:
    return 0.02 * np.where(moments % 7.0 >= 5.0, 1.5, 1.0)


@pytest.mark.parametrize(
    ("season", "rates", "alarms"),
    [
        (Season.NONE, daily, True),
        (Season.DAY, daily, False),
        (Season.DAY, weekly, True),
        (Season.WEEK, daily, False),
    ],
)
def test_a_season_is_no_drift_where_the_policy_knows_it(
    season: Season, rates: Callable[[Floats], Floats], alarms: bool
) -> None:
    moments = days(21)
    found = alarm_at(replace(DEFAULT, season=season), moments, rates(moments))
    assert (found < float("inf")) == alarms


def test_what_is_usual_at_the_peak_is_a_drift_at_the_trough() -> None:
    moments = days(16)
    rates = daily(moments)
    night = (moments >= 14.0) & (moments % 1.0 < 0.2)
    rates[night] = 0.04  # not much more than is usual at noon
    assert 14.0 < alarm_at(DEFAULT, moments, rates) < 14.25


def test_a_rise_within_the_tolerance_of_the_policy_is_none() -> None:
    moments = days(16)
    rates = np.where(moments >= 10.0, 0.03, 0.02)
    assert 10.0 < alarm_at(DEFAULT, moments, rates) < 12.0
    assert alarm_at(replace(DEFAULT, tolerance=1.0), moments, rates) == float("inf")


@pytest.mark.parametrize("tolerance", [-0.1, 10.1, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tolerance: float) -> None:
    ((reason, sentence),) = check_policy(replace(DEFAULT, tolerance=tolerance))
    assert (reason, "tolerance" in sentence) == (Reason.OUT_OF_RANGE, True)


def test_an_unknown_season_is_refused() -> None:
    ((_, sentence),) = check_policy(replace(DEFAULT, season=Season.UNKNOWN))
    assert "season" in sentence


def test_a_reference_that_the_policy_states_is_compared_with_as_it_stands() -> None:
    moments = days(1)
    stated = replace(DEFAULT, references=(Reference(metric="error", count=50_000, sum=1_000.0),))
    rates = np.full(len(moments), 0.04)
    assert alarm_at(stated, moments, rates) < 0.5
    assert alarm_at(DEFAULT, moments, rates) == float("inf")


def batches(rng: np.random.Generator, extra: float) -> Iterator[tuple[int, int]]:
    """Batches of 64 units whose rates differ, by that much times the variance of chance."""
    for _ in range(400):
        rate = 0.1 + rng.standard_normal() * (extra * 0.09 / SMALLEST) ** 0.5
        yield SMALLEST, int(rng.binomial(SMALLEST, min(max(rate, 0.0), 1.0)))


@pytest.mark.parametrize(("extra", "least", "most"), [(0.0, 1.0, 1.6), (3.0, 2.8, 9.0)])
def test_the_dispersion_is_how_much_more_batches_vary(
    extra: float, least: float, most: float
) -> None:
    usual = np.zeros(USUAL_WIDTH)
    for units, bad in batches(np.random.default_rng(4), extra):
        take_in(usual, units, bad, float(units), NOON, np.inf)
    assert least <= usual[DISPERSION] <= most


def test_one_rise_of_the_level_is_no_dispersion() -> None:
    rng, usual = np.random.default_rng(5), np.zeros(USUAL_WIDTH)
    for at in range(6_000):
        bad = rng.random() < (0.05 if at < 3_000 else 0.5)
        take_in(usual, 1, int(bad), 1.0, NOON, np.inf)
    assert usual[DISPERSION] <= 6.0  # of some 60 that it would bring uncapped


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.0, 1.0)), max_size=200))
def test_the_dispersion_is_never_less_than_that_of_independent_units(
    records: list[tuple[int, float]],
) -> None:
    usual = np.zeros(USUAL_WIDTH)
    for units, share in records:
        take_in(usual, units, round(units * share), float(units), NOON, np.inf)
    assert np.isfinite(usual).all()
    assert usual[DISPERSION] == 0.0 or usual[DISPERSION] >= 1.0


def test_a_reference_begins_with_half_as_many_where_those_before_were_an_outage() -> None:
    moments = days(1)
    rates = np.where(np.arange(len(moments)) < 500, 0.5, 0.02)
    state = state_of(DEFAULT)
    bad = np.random.default_rng(6).random(len(moments)) < rates
    assert alarms(state, Stream("error", moments, bad.astype(np.float64)), 1) == []
    row = state.drift.metrics.get(row_key(SUBJECT, "error", None))
    assert row is not None
    assert (row.left_out, row.frozen, row.reference_count) == (2_500, True, 5_000)
    assert row.reference_bad < 150


def test_a_season_that_a_policy_takes_up_later_blinds_nobody() -> None:
    """What was not learned under NONE is not taken for a week that was."""
    state = state_of(replace(DEFAULT, season=Season.NONE))
    moments, rng = days(12), np.random.default_rng(8)
    calm = (rng.random(len(moments)) < 0.02).astype(np.float64)
    early, late = moments < 9.0, moments >= 9.0
    assert alarms(state, Stream("error", moments[early], calm[early]), 1) == []
    apply_policy(CODEC.encode(replace(DEFAULT, event_id="p2")), state, CODEC)
    rates = np.where(moments[late] >= 9.5, 0.2, 0.02)
    bad = (rng.random(len(rates)) < rates).astype(np.float64)
    stream = Stream("error", moments[late], bad, first=int(early.sum()))
    assert alarms(state, stream, 1) != []


def test_one_stray_record_of_long_ago_is_no_week() -> None:
    moments = np.concatenate([[0.0], 30.0 + days(1)])
    rates = np.where(moments < 30.5, 0.02, 0.2)
    at = alarm_at(DEFAULT, moments, rates)
    assert 30.5 < at < 30.6


def test_a_metric_of_few_records_is_compared_with_its_reference_not_with_its_first_week() -> None:
    """Forty records a day fill a reference in 125 days."""
    moments = np.arange(14_000) / 40.0
    rates = np.where(moments >= 200.0, 0.06, 0.02)
    assert 200.0 < alarm_at(DEFAULT, moments, rates) < 230.0
