"""Arms without any spread and bases of 0: what is proved there is decided, what is alike is never,
and no wait is endless.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from tests.support.builders import (
    CODEC,
    NOON,
    Sent,
    apply_policy,
    many,
    piece,
    result,
    sent,
    spec,
    tables,
)

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE)
EVEN = (ShareStep(shares=(Share("control", 0.5), Share("b", 0.5))),)
RAMP = (*EVEN, ShareStep(from_=NOON + 1, shares=(Share("control", 0.5), Share("b", 0.5))))


def decisions(records: list[Sent], *specs: ExperimentSpec) -> list[Decision]:
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    if specs:
        fold(piece(SPECS, sent(specs)), state, CODEC)
    effects = fold(piece(RESULTS, records), state, CODEC)
    assert effects.applied == len(records), effects.refused[:1]
    return [one.record for one in effects.outputs if isinstance(one.record, Decision)]


def units(metric: str, control: Any, b: Any, start: int = 0, **fields: Any) -> list[Sent]:
    """One unit of each arm in turn; control and b: their values."""
    n = len(control)
    values, arms = np.empty(2 * n), ["control", "b"] * n
    values[0::2], values[1::2] = control, b
    return many(result(metric=metric, **fields), 2 * n, start, variant=arms, sum=values)


def constant(metric: str, control: float, b: float, n: int, start: int = 0) -> list[Sent]:
    return units(metric, np.full(n, control), np.full(n, b), start)


@pytest.mark.parametrize(
    "specs", [(), (spec(metrics=(ERROR,), share_steps=()),), (spec(metrics=(ERROR,)),)]
)
def test_a_total_outage_is_rolled_back_about_as_soon_whoever_states_the_shares(
    specs: tuple[ExperimentSpec],
) -> None:
    """Control 0 of 2 989, treatment 3 011 of 3 011 and nothing was ever said of it."""
    treated = np.random.default_rng(1).permutation(np.repeat([False, True], [2_989, 3_011]))
    arms = np.where(treated, "b", "control").tolist()
    records = many(result(metric="error"), 6_000, variant=arms, sum=treated.astype(float))
    (found,) = decisions(records, *specs)
    assert (found.verdict, found.order) == (Verdict.HARM, Order.ROLLBACK)
    assert found.evidence[0].count <= 230
    assert 0.0 < found.evidence[0].low < 1.0 == found.evidence[0].estimate == found.evidence[0].high


@pytest.mark.parametrize(
    "kind", [MetricKind.RATE, MetricKind.COUNT, MetricKind.LATENCY, MetricKind.MEAN]
)
@pytest.mark.parametrize("share_steps", [(), EVEN, RAMP])
def test_a_guardrail_of_0_and_0_is_sound_after_some_units_and_holds_no_gain_back(
    kind: MetricKind, share_steps: tuple[ShareStep, ...]
) -> None:
    rng, n, limit = np.random.default_rng(2), 4_000, 100.0 if kind == MetricKind.LATENCY else None
    quiet = MetricSpec("quiet", Role.GUARDRAIL, DOWN, kind, limit=limit)
    rates = units("conversion", rng.random(n) < 0.1, rng.random(n) < 0.2)
    records = [
        one
        for pair in zip(rates, constant("quiet", 0.0, 0.0, n, 2 * n), strict=True)
        for one in pair
    ]
    records = [replace(one, at=at) for at, one in enumerate(records)]
    found = decisions(records, spec(metrics=(CONVERSION, quiet), share_steps=share_steps))
    assert [one.order for one in found] == [Order.NONE, Order.DEPLOY]
    assert "quiet" in found[0].reason
    assert found[1].evidence[0].last_offset < 2 * 4_000


def test_a_rate_of_1_and_1_is_sound_too() -> None:
    accuracy = MetricSpec("accuracy", Role.GUARDRAIL, UP, MetricKind.RATE)
    for share_steps in ((), EVEN, RAMP):
        goal = constant("conversion", 0.0, 1.0, 200, 2_000)
        found = decisions(
            [*constant("accuracy", 1.0, 1.0, 1_000), *goal],
            spec(metrics=(CONVERSION, accuracy), share_steps=share_steps),
        )
        assert [one.order for one in found] == [Order.DEPLOY], found[0].reason


def test_a_guardrail_of_0_and_few_is_held_to_the_absolute_margin() -> None:
    goal = constant("conversion", 0.0, 1.0, 200, 10_000)
    few = np.zeros(2_000)
    few[[50, 900]] = 1.0
    records = [*units("error", np.zeros(2_000), few), *goal]
    for margin, orders in ((None, [Order.DEPLOY]), (0.02, [Order.DEPLOY]), (0.002, [Order.NONE])):
        tried = replace(ERROR, absolute_margin=margin)
        found = decisions(records, spec(metrics=(CONVERSION, tried)))
        assert [one.order for one in found] == orders, margin
    assert "error may be worse by 0." in found[0].reason
    assert " points where 0.2 points is allowed, some " in found[0].reason
    assert " more units as it looks), proved" in found[0].reason


def waiting(guardrail: MetricSpec, records: list[Sent]) -> str:
    goal = constant("conversion", 0.0, 1.0, 200, 50_000)
    (found,) = decisions([*records, *goal], spec(metrics=(CONVERSION, guardrail)))
    assert (found.verdict, found.order) == (Verdict.GAIN, Order.NONE)
    return found.reason


def test_what_a_gain_waits_for_is_said_with_what_would_end_it() -> None:
    profit = MetricSpec("profit", Role.GUARDRAIL, UP, MetricKind.MEAN, cap=10.0)
    apart = np.tile([1.0, -1.0], 800)
    assert "profit has no result of control and b yet" in waiting(profit, [])
    few = waiting(profit, units("profit", apart[:40] + 5.0, apart[:40] + 5.0))
    assert "profit still learns from control's first units" in few
    more = waiting(profit, units("profit", apart[:600] + 5.0, apart[:600] + 5.0))
    assert "profit lacks 400 units in an arm" in more
    no_base = waiting(profit, units("profit", apart, np.roll(apart, 1)))
    assert (
        "where none is allowed: a new experiment that states its absolute_margin can end this"
        in no_base
    )
    errors = np.arange(1_000) % 100 < 5
    worse = np.arange(1_000) % 100 < 6
    told = waiting(ERROR, units("error", errors, worse))
    assert "error may be worse by " in told
    assert "unless it comes to look better, only proved harm or a person ends this" in told
    told = waiting(ERROR, units("error", errors, errors))
    assert " points where 0.5 points is allowed, some " in told
    squares = many(
        result(metric="profit"),
        100,
        count=[50] * 100,
        sum=[100.0] * 100,
        variant=["control", "b"] * 50,
    )
    assert "profit came without its sum_squares" in waiting(profit, squares)


def test_a_cap_learnt_from_equal_values_hides_no_larger_ones() -> None:
    cost = MetricSpec("cost", Role.GUARDRAIL, DOWN, MetricKind.MEAN)
    (found,) = decisions(constant("cost", 1.0, 5.0, 2_000), spec(metrics=(cost,)))
    assert found.order == Order.ROLLBACK


def test_rounding_is_no_difference() -> None:
    """A tenth added up a thousand times by ones, and by tens, is not the same number."""
    cost = MetricSpec("cost", Role.GUARDRAIL, DOWN, MetricKind.MEAN, cap=5.0)
    n, value = 3_000, 0.1
    ones = many(result(metric="cost", variant="control"), n, sum=[value] * n)
    tens = many(
        result(metric="cost", variant="b", count=10), n // 10, n, sum=[value * 10] * (n // 10),
        sum_squares=[value * value * 10 * (1.0 + 1e-12)] * (n // 10),
    )  # fmt: skip
    assert decisions([*ones, *tens], spec(metrics=(cost,))) == []


@st.composite
def worlds(draw: st.DrawFn) -> tuple[MetricSpec, tuple[ShareStep, ...], float, float]:
    """A metric, the shares stated of it, and the one value that each arm always has."""
    kind = draw(
        st.sampled_from((MetricKind.RATE, MetricKind.COUNT, MetricKind.LATENCY, MetricKind.MEAN))
    )
    values = {
        MetricKind.RATE: (0.0, 1.0),
        MetricKind.COUNT: (0.0, 1.0, 3.0, 40.0),
        MetricKind.LATENCY: (0.0, 50.0, 100.0, 101.0, 1e9),
        MetricKind.MEAN: (0.0, -7.0, 1e-9, 0.1, 3.0, 3.3, 1e9),
    }[kind]
    metric = MetricSpec(
        "tried",
        draw(st.sampled_from((Role.GOAL, Role.GUARDRAIL))),
        draw(st.sampled_from((UP, DOWN))),
        kind,
        limit=100.0 if kind == MetricKind.LATENCY else None,
        cap=draw(st.sampled_from((None, 1e12))) if kind == MetricKind.MEAN else None,
    )
    drawn = st.sampled_from(values)
    return metric, draw(st.sampled_from(((), EVEN, RAMP))), draw(drawn), draw(drawn)


def differ(metric: MetricSpec, control: float, b: float) -> bool:
    if metric.kind == MetricKind.LATENCY:
        return (control > 100.0) != (b > 100.0)
    return control != b


@settings(max_examples=60, deadline=None)
@given(worlds(), st.booleans())
def test_constant_arms_that_differ_are_decided_and_such_as_are_alike_never(
    world: tuple[MetricSpec, tuple[ShareStep, ...], float, float], snapshots: bool
) -> None:
    metric, share_steps, control, b = world
    exact = metric.kind in (MetricKind.RATE, MetricKind.LATENCY) or (
        metric.kind == MetricKind.COUNT and share_steps
    )
    n = (
        150 if exact else 1_600
    )  # units an arm: the least count, or burn-in and what a cap is learnt from
    records = constant("tried", control, b, n)
    if snapshots and metric.kind != MetricKind.LATENCY and share_steps != RAMP:
        records = many(
            result(metric="tried", kind=ResultKind.SNAPSHOT, count=n), 2, variant=["control", "b"],
            sum=[control * n, b * n], sum_squares=[control * control * n, b * b * n],
        )  # fmt: skip
    found = decisions(records, spec(metrics=(metric,), share_steps=share_steps))
    if not differ(metric, control, b):
        assert found == []
        return
    better = (b > control) == (metric.direction == UP)
    event(f"{metric.kind} {'gain' if better else 'harm'}")
    wanted = {(True, Role.GOAL): [Verdict.GAIN], (True, Role.GUARDRAIL): []}.get(
        (better, metric.role), [Verdict.HARM]
    )
    assert [one.verdict for one in found] == wanted
    for one in found:
        assert one.order in (Order.ROLLBACK, Order.DEPLOY)
        assert (one.evidence[0].low > 0.0) if b > control else (one.evidence[0].high < 0.0)
