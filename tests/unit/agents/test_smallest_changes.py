"""The smallest changes that give another verdict: each is tried in a history of its own, where it
gives one, and one unit or one digit less does not.
"""

from dataclasses import replace

import numpy as np
import pytest

from agents.experiments.verdicts.smallest_changes import Kind, SmallestChange, smallest_changes
from agents.flow.pipeline import refresh
from schemas.catalog import DECISIONS, RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from tests.support.builders import CODEC, result, spec
from tests.support.life import Life

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=10.0)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE)
ONE = spec(metrics=(CONVERSION,), share_steps=(), treatments=("b",))


def lived(terms: ExperimentSpec, *sums: tuple[str, str, float], count: int = 1_000) -> Life:
    """An experiment with records of so many units: metric, arm and what they add up to."""
    life = Life(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO))
    life.send(SPECS, [terms])
    for at, (metric, variant, total) in enumerate(sums):
        life.send(RESULTS, [result(at, metric=metric, variant=variant, count=count, sum=total)])
    return life


def of(life: Life, verdict: Verdict) -> Decision:
    return next(
        one
        for one in life.records(DECISIONS)
        if isinstance(one, Decision) and one.verdict == verdict
    )


def changes_of(life: Life, verdict: Verdict) -> dict[str, SmallestChange]:
    found = smallest_changes(of(life, verdict), life.tables.experiments)
    return {one.name: one for one in found}


HARMED = (("conversion", "control", 300.0), ("conversion", "b", 200.0))
GAINED = (("conversion", "control", 100.0), ("conversion", "b", 160.0))


@pytest.mark.parametrize(("sums", "verdict"), [(HARMED, Verdict.HARM), (GAINED, Verdict.GAIN)])
def test_a_smaller_alpha_gives_another_verdict_and_a_little_more_does_not(
    sums: tuple[tuple[str, str, float], ...], verdict: Verdict
) -> None:
    alpha = changes_of(lived(ONE, *sums), verdict)["alpha"]
    assert (alpha.kind, alpha.now) == (Kind.SETTING, 0.05)
    other = lived(replace(ONE, alpha=alpha.value), *sums)
    same = lived(replace(ONE, alpha=alpha.value * 1.02), *sums)
    assert [one for one in other.records(DECISIONS) if isinstance(one, Decision)] == []
    assert of(same, verdict).order != Order.NONE


@pytest.mark.parametrize(
    ("sums", "verdict", "name"),
    [(HARMED, Verdict.HARM, "good units"), (GAINED, Verdict.GAIN, "bad units")],
)
def test_so_many_more_units_leave_nothing_proved_and_one_less_does(
    sums: tuple[tuple[str, str, float], ...], verdict: Verdict, name: str
) -> None:
    life = lived(ONE, *sums)
    units = changes_of(life, verdict)[name]
    refresh(life.tables)
    arms = life.tables.experiments.arms
    (row,) = [row for row in range(len(arms)) if arms.keys[row][3] == "b"]
    evidence = "log_e_harm" if verdict == Verdict.HARM else "log_e_gain"
    level = {Verdict.HARM: np.log(20.0), Verdict.GAIN: np.log(20.0 / 0.3)}[verdict]
    hit = float(name == "good units")
    proved = []
    for more in (int(units.value), int(units.value) - 1):
        one = lived(ONE, *sums)
        # Another block, with as many units of control at its rate as the treatment has.
        rate = sums[0][2] / 1_000.0
        for at, (variant, total) in enumerate((("control", round(rate * more)), ("b", hit * more))):
            record = result(10 + at, variant=variant, count=more, sum=float(total))
            one.send(RESULTS, [record])
        refresh(one.tables)
        proved.append(bool(one.tables.experiments.arms[evidence][row] >= level))
    assert proved == [False, True]


def test_rows_stand_as_they_stood() -> None:
    life = lived(ONE, *HARMED)
    refresh(life.tables)
    before = dict(life.tables.experiments.arms.snapshot(CODEC))
    assert changes_of(life, Verdict.HARM)
    refresh(life.tables)
    assert dict(life.tables.experiments.arms.snapshot(CODEC)) == before


def test_a_deployment_names_the_least_count_and_the_days_that_would_have_held_it() -> None:
    found = changes_of(lived(ONE, *GAINED), Verdict.GAIN)
    assert found["min_count"].value == 1_001.0
    assert found["deploy_after_days"].value == 1.0
    held = lived(replace(ONE, min_count=1_001), *GAINED)
    assert [one for one in held.records(DECISIONS) if isinstance(one, Decision)] == []


def test_a_gain_that_waits_names_the_margin_that_would_do() -> None:
    terms = replace(ONE, metrics=(CONVERSION, ERROR))
    errors = (("error", "control", 100.0), ("error", "b", 104.0))
    life = lived(terms, *errors, *GAINED)
    assert of(life, Verdict.GAIN).order == Order.NONE
    margin = changes_of(life, Verdict.GAIN)["margin of error"]
    assert margin.now == 0.1

    def order(value: float) -> Order:
        metrics = (CONVERSION, replace(ERROR, margin=value))
        return of(lived(replace(terms, metrics=metrics), *errors, *GAINED), Verdict.GAIN).order

    assert [order(margin.value), order(margin.value * 0.97)] == [Order.DEPLOY, Order.NONE]


def test_a_guardrail_is_sound_with_so_many_more_good_units() -> None:
    terms = replace(ONE, metrics=(CONVERSION, ERROR))
    errors = (("error", "control", 100.0), ("error", "b", 104.0))
    life = lived(terms, *errors, *GAINED)
    units = changes_of(life, Verdict.GAIN)["good units"]
    assert (units.kind, units.then) == (Kind.UNITS, "error sound")
    more = int(units.value)
    for count, order in ((more, Order.DEPLOY), (more - 1, Order.NONE)):
        one = lived(terms, *errors, *GAINED)
        for at, (variant, total) in enumerate((("control", round(0.1 * count)), ("b", 0))):
            record = result(10 + at, metric="error", variant=variant, count=count, sum=float(total))
            one.send(RESULTS, [record])
        found = [each for each in one.records(DECISIONS) if isinstance(each, Decision)]
        assert found[-1].order == order


def test_a_broken_split_names_the_share_that_would_have_been_as_planned() -> None:
    terms = replace(ONE, share_steps=spec().share_steps)
    units = [("exposure", ("control", "b")[n % 9 < 5], 1.0) for n in range(4_000)]
    life = lived(terms, *units, count=1)
    decision = of(life, Verdict.SPLIT)
    sent = decision.evidence[0].last_offset + 1
    life = lived(terms, *units[:sent], count=1)
    (share,) = smallest_changes(of(life, Verdict.SPLIT), life.tables.experiments)
    assert (share.name, share.now) == ("share", 0.5)
    # At the record that proves it little more than the plan is broken: three digits less are, too.
    for planned, broken in ((share.value, False), (share.value - 0.001, True)):
        shares = (Share("control", 1.0 - planned), Share("b", planned))
        steps = (ShareStep(shares=shares),)
        other = lived(replace(terms, share_steps=steps), *units[:sent], count=1)
        found = [one for one in other.records(DECISIONS) if isinstance(one, Decision)]
        assert bool(found) == broken


def test_of_a_mean_units_like_controls_are_counted() -> None:
    life = Life(Policy(event_id="p", policy_id="all"))
    rng, terms = np.random.default_rng(5), replace(ONE, metrics=(REVENUE,))
    life.send(SPECS, [terms])
    values = np.where(np.arange(8_000) % 2, 4.9, 5.0) + rng.standard_normal(8_000)
    records = [
        result(at, metric="revenue", variant=("control", "b")[at % 2], sum=float(value))
        for at, value in enumerate(values)
    ]
    life.send(RESULTS, records)
    found = changes_of(life, Verdict.HARM)
    assert found["units at control's value"].value > 1.0
    assert found["alpha"].value < 0.05


def test_where_no_number_decides_nothing_is_said() -> None:
    life = lived(ONE, *HARMED)
    decision = replace(of(life, Verdict.HARM), verdict=Verdict.MISSING)
    assert smallest_changes(decision, life.tables.experiments) == []
    unknown = replace(of(life, Verdict.HARM), experiment_id="another")
    assert smallest_changes(unknown, life.tables.experiments) == []
