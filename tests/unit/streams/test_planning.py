"""Forecasts of how many units an experiment will need: of the judge itself, and scaled soundly."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from schemas.catalog import RESULTS, SPECS, TABLES_ARMS
from schemas.records import ArmRow, Direction, MetricKind, Policy, Share, ShareStep
from state.storage.table import row_key
from streams.cli.planning_commands import recorded_of, report_of
from streams.history.standing import ExperimentStanding
from streams.operations import planning
from streams.operations.fixed_size import fixed_size, smallest_difference
from streams.operations.planning import Planned, Simulated, checked, simulated, smallest_lift
from streams.operations.simulated_tests import NEVER, Records, judged
from streams.runtime.errors import MendstreamError
from tests.support.builders import CODEC, result, spec
from tests.support.life import Life
from tests.support.loop import rows

RATE = Planned(kind=MetricKind.RATE, base=0.2, lift=0.2)
DAY_MS = 86_400_000
MEAN = Planned(kind=MetricKind.MEAN, base=40.0, lift=0.05, spread=40.0)


def test_the_fixed_size_is_that_of_a_z_test_that_is_looked_at_once() -> None:
    """Simulated: four in five of such tests find the difference."""
    rng, units, share = np.random.default_rng(1), 0.0, 0.3
    units = fixed_size((0.16, 0.1824), 0.04, share, 0.05)
    treated, control = round(units * share), round(units * (1.0 - share))
    found = 0
    for _ in range(2_000):
        own, other = rng.binomial(treated, 0.24) / treated, rng.binomial(control, 0.2) / control
        error = (own * (1 - own) / treated + other * (1 - other) / control) ** 0.5
        found += (own - other) / error > 1.6449
    assert 0.77 < found / 2_000 < 0.83
    assert smallest_difference((0.16, 0.1824), units, share, 0.05) == pytest.approx(0.04)
    assert fixed_size((0.1, 0.1), 0.0, 0.5, 0.05) == inf


def test_the_median_is_that_of_other_tests_through_the_judge() -> None:
    """Of tests whose values are drawn here; 60 tests tell a median within some 10 per cent."""
    found = simulated(RATE, 60, seed=1)
    assert found.instead is None
    rng = np.random.default_rng(77)
    treated = rng.random((20_000, 60)) < 0.5
    value = (rng.random(treated.shape) < np.where(treated, 0.24, 0.2)).astype(np.float64)
    shares = ShareStep(shares=(Share("control", 0.5), Share("treatment", 0.5)))
    goal = spec(
        treatments=("treatment",), share_steps=(shares,), min_count=100,
        metrics=planning._spec(RATE).metrics,
    )  # fmt: skip
    units = judged(goal, Records(("planned",), treated, value)).deploy
    assert (units < NEVER).mean() > 0.9
    assert found.half * RATE.fixed() == pytest.approx(float(np.median(units)), rel=0.25)
    assert found.half < found.most


@pytest.mark.parametrize(
    ("plan", "most"),
    [(RATE, 1_200.0), (MEAN, 4_000.0), (replace(RATE, base=0.02, lift=0.5), 1_500.0)],
)
def test_what_takes_too_many_units_is_forecast_by_what_takes_fewer(
    plan: Planned, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = simulated(plan, 60, seed=1)
    monkeypatch.setattr(planning, "_FIXED_MOST", most)
    scaled = simulated(plan, 60, seed=2)
    assert exact.instead is None
    assert scaled.instead is not None
    assert scaled.instead.fixed() < plan.fixed()
    assert scaled.half == pytest.approx(exact.half, rel=0.3)


def test_a_covariate_saves_units_and_a_small_treatment_costs_some() -> None:
    plain = simulated(MEAN, 20, seed=1)
    assert simulated(replace(MEAN, correlation=0.8), 20, seed=1).half < 0.7 * plain.half
    tenth = replace(MEAN, share=0.1)
    assert tenth.fixed() > 2.5 * MEAN.fixed()


def test_harm_is_planned_as_a_rollback() -> None:
    errors = replace(RATE, direction=Direction.LOWER_IS_BETTER)
    assert not errors.is_gain
    assert RATE.is_gain
    assert replace(errors, lift=-0.2).is_gain
    assert simulated(errors, 20, seed=1).half < simulated(RATE, 20, seed=1).half


def test_the_smallest_effect_needs_just_the_units_that_are_there() -> None:
    found = simulated(RATE, 20, seed=1)
    lift = smallest_lift(RATE, found, 20_000.0)
    assert found.most * replace(RATE, lift=lift).fixed() == pytest.approx(20_000.0, rel=0.01)
    assert smallest_lift(replace(RATE, lift=-0.2), found, 20_000.0) < 0.0
    assert smallest_lift(RATE, replace(found, most=inf), 20_000.0) == inf


def test_counts_vary_as_is_said() -> None:
    rng = np.random.default_rng(1)
    plan = Planned(kind=MetricKind.COUNT, base=2.0, lift=0.1, spread=3.0)
    counts = planning._counts(plan, rng, np.full((40_000, 1), 2.0))
    assert counts.mean() == pytest.approx(2.0, rel=0.05)
    assert counts.std() == pytest.approx(3.0, rel=0.05)
    poisson = planning._counts(replace(plan, spread=None), rng, np.full((40_000, 1), 2.0))
    assert poisson.var() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (replace(RATE, lift=0.0), "effect of nothing"),
        (replace(RATE, base=10.0), "no shares of units"),
        (replace(RATE, lift=6.0), "no shares of units"),
        (replace(MEAN, spread=None), "standard deviation"),
        (replace(RATE, share=1.0), "share of 1"),
        (replace(RATE, kind=MetricKind.COUNT, lift=-2.0), "Counts below 0"),
    ],
)
def test_what_cannot_be_is_refused(plan: Planned, said: str) -> None:
    with pytest.raises(MendstreamError) as raised:
        checked(plan)
    assert said in str(raised.value)


def standing() -> ExperimentStanding:
    """Of an experiment that ran for two days: 10 % of control's units are converted, and a third of
    the units are in the treatment.
    """
    life = Life(Policy(event_id="p", policy_id="all"))
    life.send(SPECS, [spec()])
    records = [
        result(n, variant=("control", "control", "b")[n % 3], sum=float(n % 30 in (0, 1)))
        for n in range(600)
    ]
    life.send(RESULTS, records[:300])
    life.wait(2 * DAY_MS)
    life.send(RESULTS, records[300:])
    experiment = life.tables.experiments.experiments.get(row_key("bot", "exp"))
    assert experiment is not None
    arms = [CODEC.decode("ArmRow", value) for value in rows(life.tables)[TABLES_ARMS].values()]
    return ExperimentStanding(experiment, [one for one in arms if isinstance(one, ArmRow)], [])


def test_rate_share_and_traffic_are_those_that_are_recorded() -> None:
    unknown = Planned(kind=MetricKind.MEAN, base=0.0, lift=0.1)
    plan, a_day = recorded_of(standing(), None, unknown)
    assert plan.kind == MetricKind.RATE
    assert plan.base == pytest.approx(0.1)
    assert plan.share == pytest.approx(1 / 3)
    assert a_day == pytest.approx(300.0, rel=0.01)
    with pytest.raises(MendstreamError, match="has no metric 'revenue'"):
        recorded_of(standing(), "revenue", unknown)


def test_the_report_has_units_days_and_the_smallest_effect() -> None:
    found = Simulated(2.0, 3.0, 100, None)
    told = report_of(RATE, found, 1_000.0, 10.0)
    fixed = RATE.fixed()
    assert told["units"] == {
        "half": 2.0 * fixed, "four_in_five": 3.0 * fixed, "fixed_horizon": fixed,
    }  # fmt: skip
    assert told["days"]["half"] == 2.0 * fixed / 1_000.0
    assert told["smallest_effect_percent"]["effect"] > 0.0
    never = report_of(RATE, replace(found, most=inf), None, 10.0)
    assert never["units"]["four_in_five"] is None
    assert never["smallest_effect_percent"] is None
