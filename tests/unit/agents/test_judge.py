"""Experiments through the whole fold: how often it errs, how soon it finds, and what it says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.core.effects import Output
from agents.flow.pipeline import fold, refresh
from schemas.catalog import COMMANDS, DECISIONS, RESULTS, SPECS, TABLES_ARMS
from schemas.ids import event_uuid
from schemas.records import (
    ArmRow,
    Autonomy,
    Decided,
    Decision,
    Direction,
    ExperimentResult,
    Frozen,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    Share,
    ShareStep,
    State,
    Verdict,
)
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from tests.support.builders import CODEC, apply_policy, many, piece, result, sent, spec, tables

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE)
AUTO = Policy(event_id="auto", policy_id="all", deploy=Autonomy.AUTO)
Bits = NDArray[np.bool_]


def state_with(*metrics: MetricSpec, experiments: int = 1, **fields: Any) -> PartitionState:
    state = tables()
    apply_policy(CODEC.encode(AUTO), state, CODEC)
    specs = [
        spec(event_id=event_uuid("spec", n), experiment_id=f"exp{n}", metrics=metrics, **fields)
        for n in range(experiments)
    ]
    fold(piece(SPECS, sent(specs)), state, CODEC)
    return state


def outputs_of(
    state: PartitionState, metric: str, treated: Bits, values: NDArray[Any], slices: int = 10
) -> list[Output]:
    """Folds records of the shape (events, experiments), one event of each experiment after the
    other.
    """
    events, experiments = treated.shape
    records = many(
        result(metric=metric),
        events * experiments,
        experiment_id=[f"exp{n}" for n in range(experiments)] * events,
        variant=np.where(treated, "b", "control").ravel().tolist(),
        sum=values.astype(float).ravel(),
    )
    cuts = np.array_split(np.arange(len(records)), slices)
    outputs = [
        out
        for cut in cuts
        for out in fold(piece(RESULTS, records[cut[0] : cut[-1] + 1]), state, CODEC).outputs
    ]
    return [out for out in outputs if out.topic in (DECISIONS, *COMMANDS.values())]


def events_until(outputs: list[Output], order: str, experiments: int) -> dict[str, int]:
    """How many events each experiment had by its order; how much of it may be issued at once is not
    asked.
    """
    return {
        str(one.record.experiment_id): one.record.evidence[0].last_offset // experiments + 1
        for one in outputs
        if isinstance(one.record, Decision) and one.record.order == order
    }


def test_a_binary_aa_test_looked_at_after_every_event_is_rarely_rolled_back() -> None:
    rng, runs, events = np.random.default_rng(1), 100, 4_000
    state = state_with(CONVERSION, experiments=runs)
    shape = (events, runs)
    outputs = outputs_of(state, "conversion", rng.random(shape) < 0.5, rng.random(shape) < 0.10)
    assert len(events_until(outputs, "ROLLBACK", runs)) <= runs * 0.05 + 4
    assert len(events_until(outputs, "DEPLOY", runs)) <= runs * 0.05


def test_errors_that_rise_from_1_to_5_percent_are_rolled_back_soon() -> None:
    rng, runs, events = np.random.default_rng(2), 40, 2_500
    state = state_with(ERROR, experiments=runs)
    treated = rng.random((events, runs)) < 0.5
    outputs = outputs_of(
        state, "error", treated, rng.random((events, runs)) < np.where(treated, 0.05, 0.01)
    )
    taken = events_until(outputs, "ROLLBACK", runs)
    assert len([n for n in taken.values() if n <= 1_500]) >= 0.9 * runs
    assert events_until(outputs, "DEPLOY", runs) == {}


def test_a_split_off_its_plan_is_not_taken_for_an_effect() -> None:
    """Nothing but the assignment is wrong: 55 to 45, and no exposures are sent that would show
    it.
    """
    rng, runs, events = np.random.default_rng(3), 40, 3_000
    for rate in (0.1, 0.5):
        state = state_with(CONVERSION, experiments=runs)
        shape = (events, runs)
        outputs = outputs_of(
            state, "conversion", rng.random(shape) < 0.55, rng.random(shape) < rate
        )
        assert len(events_until(outputs, "ROLLBACK", runs)) <= 3
        assert len(events_until(outputs, "DEPLOY", runs)) <= 3


def test_a_mean_is_rarely_rolled_back_in_an_aa_test_and_found_when_it_falls() -> None:
    rng, runs, events = np.random.default_rng(4), 40, 5_000
    revenue = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN)
    for factor, fewest, most in ((1.0, 0, 4), (0.8, 36, 40)):
        state = state_with(revenue, experiments=runs)
        treated = rng.random((events, runs)) < 0.5
        values = rng.exponential(10.0, (events, runs)) * np.where(treated, factor, 1.0)
        found = events_until(outputs_of(state, "revenue", treated, values), "ROLLBACK", runs)
        assert fewest <= len(found) <= most


def test_a_broken_split_is_held_at_once_and_a_sound_one_hardly_ever() -> None:
    rng, runs, events = np.random.default_rng(5), 60, 3_000
    for share, fewest, most in ((0.5, 0, 3), (0.6, 60, 60)):
        state = state_with(CONVERSION, experiments=runs)
        outputs = outputs_of(
            state, "exposure", rng.random((events, runs)) < share, np.ones((events, runs))
        )
        held = [
            one
            for one in outputs
            if isinstance(one.record, Decision) and one.record.verdict == Verdict.SPLIT
        ]
        assert fewest <= len(held) == len(outputs) <= most


def arms(
    *counts: tuple[str, str, int, float], repeat: int = 40, start: int = 0
) -> list[ExperimentResult]:
    """Records of (variant, metric, count, sum), again and again."""
    return [
        result(start + i * len(counts) + j, variant=variant, metric=metric, count=count, sum=total)
        for i in range(repeat)
        for j, (variant, metric, count, total) in enumerate(counts)
    ]


def renamed(records: list[ExperimentResult]) -> list[ExperimentResult]:
    return [replace(one, experiment_id="exp0") for one in records]


def decisions(
    state: PartitionState, records: list[ExperimentResult], start: int = 0
) -> list[Decision]:
    effects = fold(piece(RESULTS, sent(records, start)), state, CODEC)
    return [one.record for one in effects.outputs if isinstance(one.record, Decision)]


def three_arms() -> PartitionState:
    shares = (ShareStep(shares=(Share("control", 0.5), Share("b", 0.25), Share("c", 0.25))),)
    return state_with(CONVERSION, treatments=("b", "c"), share_steps=shares)


def test_each_treatment_is_judged_by_itself() -> None:
    state = three_arms()
    records = arms(
        ("control", "conversion", 100, 50.0),
        ("b", "conversion", 50, 5.0),
        ("c", "conversion", 50, 45.0),
    )
    assert {(one.variant, one.order) for one in decisions(state, renamed(records))} == {
        ("b", Order.ROLLBACK),
        ("c", Order.DEPLOY),
    }
    row = state.experiments.experiments.get(row_key("bot", "exp0"))
    assert row is not None
    assert {(one.variant, one.order) for one in row.decided} == {
        ("b", Order.ROLLBACK),
        ("c", Order.DEPLOY),
    }


def test_a_treatment_rolled_back_does_not_break_the_split_of_the_others() -> None:
    state = three_arms()
    harm = renamed(
        arms(
            ("control", "conversion", 100, 50.0),
            ("b", "conversion", 50, 5.0),
            ("c", "conversion", 50, 25.0),
        )
    )
    assert [one.variant for one in decisions(state, harm)] == ["b"]
    gone = renamed(
        arms(
            ("control", "exposure", 60, 60.0),
            ("b", "exposure", 1, 1.0),
            ("c", "exposure", 30, 30.0),
            start=900,
        )
    )
    assert decisions(state, gone, 900) == []


def test_what_is_proved_after_the_decision_is_not_kept() -> None:
    state = state_with(CONVERSION, ERROR)
    worse = (("control", "conversion", 50, 25.0), ("b", "conversion", 50, 5.0))
    errors = (("control", "error", 50, 5.0), ("b", "error", 50, 45.0))
    (only,) = decisions(state, renamed([*arms(*worse), *arms(*errors, start=500)]))
    assert only.metric == "conversion"
    latched = {
        state.experiments.arms.keys[row][2:4]: int(state.experiments.arms.harm_offset[row])
        for row in range(len(state.experiments.arms))
    }
    assert latched[("conversion", "b")] <= only.evidence[0].last_offset
    assert latched[("error", "b")] == -1


def test_counts_of_several_a_unit_can_be_rolled_back() -> None:
    """Three defects a unit: a rate above one has no binomial variance, and was never seen to
    agree.
    """
    defects = MetricSpec("defects", Role.GUARDRAIL, DOWN, MetricKind.COUNT)
    state = state_with(defects)
    found = decisions(
        state, renamed(arms(("control", "defects", 20, 40.0), ("b", "defects", 20, 80.0)))
    )
    assert [one.order for one in found] == [Order.ROLLBACK]


def test_latency_is_judged_by_how_often_it_exceeds_its_limit() -> None:
    slow = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY, limit=100.0)
    state = state_with(slow)
    rng = np.random.default_rng(6)
    treated = rng.random((3_000, 1)) < 0.5
    times = np.where(rng.random((3_000, 1)) < np.where(treated, 0.10, 0.01), 400.0, 50.0)
    outputs = outputs_of(state, "latency", treated, times)
    assert [one.topic for one in outputs[1:]] == [COMMANDS["ROLLBACK"]]


def test_a_rate_near_one_is_counted_by_its_rarer_outcome() -> None:
    """99 to 97 %: by successes it would take very long, by failures it is a tripling."""
    rng, accuracy = np.random.default_rng(7), MetricSpec("accuracy", Role.GOAL, UP, MetricKind.RATE)
    state = state_with(accuracy, experiments=10)
    treated = rng.random((6_000, 10)) < 0.5
    outputs = outputs_of(
        state, "accuracy", treated, rng.random((6_000, 10)) < np.where(treated, 0.97, 0.99)
    )
    assert len(events_until(outputs, "ROLLBACK", 10)) >= 9


def test_a_cap_cuts_what_one_unit_can_add() -> None:
    capped = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=20.0)
    state = state_with(capped)
    one, whale, several = (
        result(n, experiment_id="exp0", metric="revenue", sum=v)
        for n, v in enumerate((5.0, 9e9, 60.0))
    )
    decisions(state, [one, whale, replace(several, count=3, sum_squares=1_400.0)])
    refresh(state)
    ((_, value),) = state.all()[TABLES_ARMS].snapshot(CODEC)
    row = CODEC.decode("ArmRow", value)
    assert isinstance(row, ArmRow)
    assert (row.count, row.sum, row.sum_squares) == (5, 5.0 + 20.0 + 60.0, 25.0 + 400.0 + 1_400.0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"metric": "latency", "kind": "SNAPSHOT", "sum": 3.0}, "LATENCY_SNAPSHOT"),
        ({"sum": 0.5}, "NOT_A_COUNT"),
        ({"sum": -1.0}, "NOT_A_COUNT"),
        ({"sum": 2.0}, "RATE_ABOVE_ONE"),
        ({"metric": "latency", "count": 2, "sum": 3.0}, "LATENCY_COUNT"),
        ({"metric": "revenue", "sum": 1e200}, "TOO_LARGE_A_VALUE"),
        ({"metric": "revenue", "sum": 10.0, "count": 2, "sum_squares": 49.0}, "IMPOSSIBLE_SQUARES"),
    ],
)
def test_a_result_that_makes_no_sense_is_refused_by_name_and_opens_no_row(
    fields: dict[str, Any], reason: str
) -> None:
    slow = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY, limit=100.0)
    state = state_with(CONVERSION, slow, MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN))
    effects = fold(piece(RESULTS, sent([result(experiment_id="exp0", **fields)])), state, CODEC)
    assert [(one.index, one.reason) for one in effects.refused] == [(0, reason)]
    assert len(state.experiments.arms) == 0


def test_rows_show_what_the_evidence_says() -> None:
    state = state_with(CONVERSION)
    decisions(
        state, renamed(arms(("control", "conversion", 50, 25.0), ("b", "conversion", 50, 5.0)))
    )
    refresh(state)
    rows = [CODEC.decode("ArmRow", value) for _, value in state.all()[TABLES_ARMS].snapshot(CODEC)]
    shown = {row.variant: row for row in rows if isinstance(row, ArmRow)}
    assert (shown["control"].state, shown["b"].state) == (State.OK, State.HARM)
    assert shown["b"].effect == pytest.approx(0.1 - 0.5)
    assert shown["b"].low is not None
    assert shown["b"].high is not None
    assert shown["b"].low < -0.4 < shown["b"].high < 0.0
    assert shown["b"].log_e_harm > 100.0
    assert shown["b"].log_e_gain < 0.0


def test_a_verdict_is_remembered_with_its_offset() -> None:
    state = state_with(CONVERSION)
    (found,) = decisions(
        state, renamed(arms(("control", "conversion", 50, 25.0), ("b", "conversion", 50, 5.0)))
    )
    row = state.experiments.experiments.get(row_key("bot", "exp0"))
    assert row is not None
    proof = found.evidence[0]
    assert row.decided == (
        Decided(
            "b",
            Order.ROLLBACK,
            proof.last_offset,
            found.command_id,
            metric="conversion",
            effect=proof.estimate,
            likely=proof.likely,
        ),
    )


def test_the_burn_in_of_a_mean_ends_with_the_record_that_fills_it_and_enters_no_test() -> None:
    state = state_with(MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN))
    paid = arms(("control", "revenue", 1, 1.0), ("b", "revenue", 1, 5.0), repeat=600)
    # In no order, for values that follow each other in some way weigh less.
    order = np.random.default_rng(1).permutation(len(paid) // 2)
    paid = [replace(one, sum=one.sum * (1 + 2 * order[i // 2] % 100)) for i, one in enumerate(paid)]
    decisions(state, renamed(paid))
    row = state.experiments.experiments.get(row_key("bot", "exp0"))
    assert row is not None
    # The 98th percentile of control's first 500 values, each odd number below 100 ten times; the
    # 500th is at offset 998.
    assert row.frozen == (Frozen(metric="revenue", cap=99.0, inflation=1.0, offset=998),)
    arms_at = {state.experiments.arms.keys[n][3]: n for n in range(len(state.experiments.arms))}
    tested = {name: [one.sum for one in paid[999:] if one.variant == name] for name in arms_at}
    for name, at in arms_at.items():
        assert (state.experiments.arms.count[at], state.experiments.arms.base_count[at]) == (
            600,
            600 - len(tested[name]),
        )
        assert state.experiments.arms.sum[at] == sum(min(value, 99.0) for value in tested[name])
    assert len(state.experiments.burn_ins) == 0


def test_the_outcome_counted_is_the_rarer_one_of_both_arms_together() -> None:
    for good, flipped in ((0.0, False), (1.0, True)):
        state = state_with(CONVERSION)
        decisions(
            state,
            renamed(
                arms(("control", "conversion", 1, good), ("b", "conversion", 1, good), repeat=30)
            ),
        )
        row = next(
            n
            for n in range(len(state.experiments.arms))
            if state.experiments.arms.keys[n][3] == "b"
        )
        assert (
            state.experiments.arms.base_offset[row],
            bool(state.experiments.arms.flipped[row]),
        ) == (39, flipped)
        assert (
            state.experiments.arms.base_count[row] == 0
        )  # chosen without asking for the arm, so nothing is left out


def test_a_metric_first_sent_after_a_deploy_in_its_slice_does_not_hinder_it_and_is_judged() -> None:
    gain = arms(("control", "conversion", 50, 5.0), ("b", "conversion", 50, 45.0))
    later = arms(("control", "error", 50, 5.0), ("b", "error", 50, 45.0), start=500)
    other_goal = arms(("control", "accuracy", 50, 25.0), ("b", "accuracy", 50, 25.0), start=500)
    deploy, rollback = (Order.DEPLOY, "conversion"), (Order.ROLLBACK, "error")
    for records, orders in (
        ([*gain, *later], [deploy, rollback]),
        ([*gain, *other_goal], [deploy]),
        (gain, [deploy]),
    ):
        found = decisions(state_with(CONVERSION), records)  # of an experiment that has no spec
        assert [(one.order, one.metric) for one in found] == orders
