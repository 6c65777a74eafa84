"""Missing data never commands, and what is inconclusive never promotes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.effects import Output
from agents.flow.pipeline import fold, refresh
from schemas.catalog import COMMANDS, RESULTS, SPECS, TABLES_ARMS
from schemas.records import (
    ArmRow,
    Autonomy,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
    Share,
    ShareStep,
)
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, apply_policy, piece, result, sent, spec, tables

AUTO = Policy(event_id="auto", policy_id="all", deploy=Autonomy.AUTO, min_count=20, alpha=0.4)
UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE, margin=0.5)


def play(
    records: list[ExperimentResult], *specs: ExperimentSpec
) -> tuple[list[Output], PartitionState]:
    state = tables()
    apply_policy(CODEC.encode(AUTO), state, CODEC)
    if specs:
        fold(piece(SPECS, sent(specs)), state, CODEC)
    effects = fold(piece(RESULTS, sent(records)), state, CODEC)
    assert effects.applied == len(records), effects.refused[:1]
    refresh(state)
    return list(effects.outputs), state


def commands(records: list[ExperimentResult], *specs: ExperimentSpec) -> list[str]:
    return [one.topic for one in play(records, *specs)[0] if one.topic in COMMANDS.values()]


def both(
    n: int, metric: str, control: dict[str, Any], b: dict[str, Any], start: int = 0
) -> list[ExperimentResult]:
    """n records of each arm, in turn."""
    arms = [("control", control), ("b", b)]
    return [
        result(start + 2 * i + j, variant=variant, metric=metric, **fields)
        for i in range(n)
        for j, (variant, fields) in enumerate(arms)
    ]


def terms(*metrics: MetricSpec, shares: bool = True) -> ExperimentSpec:
    base = spec(metrics=metrics, min_count=20, alpha=0.4)
    return base if shares else replace(base, share_steps=())


GOOD, BAD = {"count": 50, "sum": 45.0}, {"count": 50, "sum": 5.0}


def test_the_difference_that_these_tests_take_away_does_command() -> None:
    assert commands(both(40, "conversion", GOOD, BAD), terms(CONVERSION)) == [COMMANDS["ROLLBACK"]]
    assert commands(both(40, "conversion", BAD, GOOD), terms(CONVERSION)) == [COMMANDS["DEPLOY"]]
    assert commands(both(40, "conversion", GOOD, BAD)) == [COMMANDS["ROLLBACK"]]
    assert commands(both(40, "conversion", BAD, GOOD)) == [COMMANDS["DEPLOY"]]


@pytest.mark.parametrize("silent", ["control", "b"])
@pytest.mark.parametrize("specified", [True, False])
@pytest.mark.parametrize("metric", ["conversion", "error", "revenue", "exposure"])
def test_a_silent_arm_commands_nothing(silent: str, specified: bool, metric: str) -> None:
    records = both(
        60,
        metric,
        {"count": 100, "sum": 1.0, "sum_squares": 9.0},
        {"count": 100, "sum": 90.0, "sum_squares": 99.0},
    )
    heard = [record for record in records if record.variant != silent]
    assert play(heard, *([terms(CONVERSION, ERROR, REVENUE)] if specified else []))[0] == []


def test_means_without_their_squares_command_nothing() -> None:
    lost = both(40, "revenue", {"count": 50, "sum": 100.0}, {"count": 50, "sum": 900.0})
    kept = both(
        40,
        "revenue",
        {"count": 50, "sum": 100.0, "sum_squares": 300.0},
        {"count": 50, "sum": 900.0, "sum_squares": 17_000.0},
    )
    for some in (terms(REVENUE), terms(REVENUE, shares=False)):
        assert commands(lost, some) == []
        # One record is enough to lose the variance, if it is tested: those of the burn-in (500
        # units of control) are not.
        assert commands([*kept[:40], lost[40], *kept[41:]], some) == []
        assert commands([*kept[:41], lost[41], *kept[42:]], some) == []
        assert commands([*lost[:10], *kept[10:]], some) == [COMMANDS["DEPLOY"]]
        assert commands(kept, some) == [COMMANDS["DEPLOY"]]


def test_counts_compared_as_means_need_their_squares_too() -> None:
    defects = MetricSpec("defects", Role.GUARDRAIL, DOWN, MetricKind.COUNT)
    few, many = {"count": 50, "sum": 10.0}, {"count": 50, "sum": 90.0}
    assert commands(both(40, "defects", few, many), terms(defects, shares=False)) == []
    with_squares = both(40, "defects", {**few, "sum_squares": 12.0}, {**many, "sum_squares": 260.0})
    assert commands(with_squares, terms(defects, shares=False)) == [COMMANDS["ROLLBACK"]]


def test_counts_that_lost_some_squares_are_not_compared_by_what_is_left_of_them() -> None:
    defects = MetricSpec("defects", Role.GUARDRAIL, DOWN, MetricKind.COUNT, margin=9.0)
    few = {"count": 50, "sum": 10.0, "sum_squares": 100.0}
    full, lost = (
        both(40, "defects", few, few),
        both(40, "defects", few, {**few, "sum_squares": None}),
    )
    gain = both(40, "conversion", BAD, GOOD, start=10_000)
    by_means = terms(CONVERSION, defects, shares=False)
    assert commands([*full, *gain], by_means) == [COMMANDS["DEPLOY"]]
    assert commands([*full[:-1], lost[-1], *gain], by_means) == []
    assert commands([*lost, *gain], by_means) == []
    assert commands([*lost, *gain], terms(CONVERSION, defects)) == [
        COMMANDS["DEPLOY"]
    ]  # of a stated split none are asked


def test_a_goal_is_not_deployed_past_a_guardrail_that_lost_its_squares() -> None:
    cost = MetricSpec("cost", Role.GUARDRAIL, DOWN, MetricKind.MEAN, margin=5.0)
    gain = both(40, "conversion", BAD, GOOD, start=10_000)
    squares = {"count": 50, "sum": 100.0, "sum_squares": 210.0}
    assert commands([*both(40, "cost", squares, squares), *gain], terms(CONVERSION, cost)) == [
        COMMANDS["DEPLOY"]
    ]
    lost = {"count": 50, "sum": 100.0}
    assert (
        commands(
            [*both(40, "cost", squares, squares, 500), *both(1, "cost", squares, lost), *gain],
            terms(CONVERSION, cost),
        )
        == []
    )


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_mean_without_variance_is_no_missing_one(value: float) -> None:
    """Fifteen hundred times the same value in each arm: what differs there is proved, and what does
    not is not.
    """
    for control, b, ordered in (
        (value, 7.0, ["DEPLOY"]),
        (7.0, value, ["ROLLBACK"]),
        (value, value, []),
    ):
        sent_by_both = both(1500, "revenue", {"sum": control}, {"sum": b})
        assert commands(sent_by_both, terms(REVENUE)) == [COMMANDS[order] for order in ordered]


def test_a_guardrail_that_only_control_sends_promotes_nothing() -> None:
    control_only = [
        one
        for one in both(40, "error", {"count": 50, "sum": 5.0}, GOOD, 20_000)
        if one.variant == "control"
    ]
    gain = both(40, "conversion", BAD, GOOD)
    assert commands([*control_only, *gain]) == []
    assert commands([*control_only, *gain], terms(CONVERSION, ERROR)) == []


def test_a_guardrail_that_nobody_sends_promotes_nothing_if_the_spec_names_it() -> None:
    gain = both(40, "conversion", BAD, GOOD)
    assert commands(gain, terms(CONVERSION, ERROR)) == []
    assert commands(gain, terms(CONVERSION)) == [COMMANDS["DEPLOY"]]


def test_a_guardrail_on_too_few_records_of_control_promotes_nothing() -> None:
    few = both(40, "error", {"count": 1, "sum": 1.0}, {"count": 50, "sum": 20.0}, 20_000)
    few = [one for one in few if one.variant == "b"] + few[:10:2]
    assert (
        commands(
            [*few, *both(40, "conversion", BAD, GOOD)],
            terms(CONVERSION, replace(ERROR, margin=9.0)),
        )
        == []
    )


def test_a_guardrail_that_started_at_zero_promotes_nothing_until_its_units_bound_it() -> None:
    """None of 100 may be one in fifty; none of 2 000 is less than one in a hundred."""
    none = {"count": 50, "sum": 0.0}
    gain = both(40, "conversion", BAD, GOOD, start=10_000)
    assert commands([*both(2, "error", none, none), *gain], terms(CONVERSION, ERROR)) == []
    assert commands([*both(40, "error", none, none), *gain], terms(CONVERSION, ERROR)) == [
        COMMANDS["DEPLOY"]
    ]
    nothing_allowed = replace(ERROR, absolute_margin=0.0)
    assert (
        commands([*both(40, "error", none, none), *gain], terms(CONVERSION, nothing_allowed)) == []
    )


def test_errors_that_started_at_zero_still_roll_back() -> None:
    records = both(40, "error", {"count": 50, "sum": 0.0}, {"count": 50, "sum": 3.0})
    assert commands(records, terms(ERROR)) == [COMMANDS["ROLLBACK"]]
    assert commands(both(60, "error", {"count": 50, "sum": 0.0}, {"count": 50, "sum": 3.0})) == [
        COMMANDS["ROLLBACK"]
    ]


def test_an_unknown_metric_commands_nothing() -> None:
    apart = both(1500, "mood", {"sum": 1.0}, {"sum": 99.0})
    apart = [replace(one, sum=one.sum + 0.01 * (i % 7)) for i, one in enumerate(apart)]
    assert commands(apart) == []
    assert commands(apart, terms(CONVERSION)) == []


def test_numbers_too_large_to_add_up_command_nothing() -> None:
    for large in (1e152, 1e153, 1e154):
        records = both(1500, "revenue", {"sum": 1.0}, {"sum": large})
        records = [
            replace(one, sum=one.sum * (1.0 + 0.1 * (i % 3))) for i, one in enumerate(records)
        ]
        assert commands(records, terms(replace(REVENUE, cap=1e300))) == []


def test_a_treatment_without_a_share_in_a_ramp_commands_nothing() -> None:
    steps = (
        ShareStep(shares=(Share("control", 1.0),)),
        ShareStep(from_=NOON + 1, shares=(Share("control", 0.5), Share("b", 0.5))),
    )
    ramp = replace(terms(CONVERSION), share_steps=steps)
    early = both(40, "conversion", GOOD, BAD)
    assert (
        commands(early, ramp) == []
    )  # who is in a step before it has a share there came by another way
    later = [replace(one, assigned_at=NOON + 1) for one in early]
    assert commands(later, ramp) == [COMMANDS["ROLLBACK"]]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("control", "b", "c")),
            st.sampled_from(("conversion", "error", "revenue", "exposure")),
            st.integers(1, 10**9),
            st.floats(0.0, 1.0),
            st.none() | st.floats(0.0, 1e300),
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_whatever_is_sent_no_row_and_no_decision_has_a_number_that_is_none(
    drawn: list[tuple[str, str, int, float, float | None]], specified: bool
) -> None:
    state = tables()
    apply_policy(CODEC.encode(AUTO), state, CODEC)
    if specified:
        fold(piece(SPECS, sent([terms(CONVERSION, ERROR, REVENUE)])), state, CODEC)
    records = [
        result(
            i,
            variant=variant,
            metric=metric,
            count=count,
            sum=float(int(rate * count)),
            sum_squares=squares,
        )
        for i, (variant, metric, count, rate, squares) in enumerate(drawn)
    ]
    outputs = list(fold(piece(RESULTS, sent(records)), state, CODEC).outputs) if records else []
    refresh(state)
    numbers = [
        (proof.estimate, proof.low, proof.high, proof.log_e)
        for one in outputs
        for proof in getattr(one.record, "evidence", ())
    ]
    for _, value in state.all()[TABLES_ARMS].snapshot(CODEC):
        row = CODEC.decode("ArmRow", value)
        assert isinstance(row, ArmRow)
        numbers.append((row.sum, row.log_e_harm, row.log_e_gain, 0.0))
    assert not np.isnan(np.array(numbers)).any()
