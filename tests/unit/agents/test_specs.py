"""What is judged does not change under the data: the terms stand from the first result on."""

from dataclasses import replace
from typing import Any

import pytest

from agents.flow.pipeline import fold
from schemas.catalog import DECISIONS, RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentRow,
    ExperimentSpec,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Order,
    Outcome,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from tests.support.builders import CODEC, piece, result, sent, spec, tables

KEY = row_key("bot", "exp")
OTHER_TERMS: list[dict[str, Any]] = [
    {"alpha": 0.01},
    {"min_count": 7},
    {"control": "old", "share_steps": (ShareStep(shares=(Share("old", 0.5), Share("b", 0.5))),)},
    {"treatments": ("b", "c")},
    {"share_steps": ()},
    {"share_steps": (ShareStep(shares=(Share("control", 0.9), Share("b", 0.1))),)},
    {"metrics": ()},
    {
        "metrics": (
            MetricSpec("conversion", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),
        )
    },
    {"autonomy": Autonomy.AUTO},
    {"candidate_version": "v2"},
    {"baseline_version": "v1"},
]


def send(state: PartitionState, *specs: ExperimentSpec, start: int = 0) -> list[Decision]:
    named = [replace(one, event_id=f"spec {start} {i}") for i, one in enumerate(specs)]
    effects = fold(piece(SPECS, sent(named, start)), state, CODEC)
    assert effects.applied == len(specs)
    assert all(one.topic == DECISIONS for one in effects.outputs)
    return [one.record for one in effects.outputs if isinstance(one.record, Decision)]


def row(state: PartitionState) -> ExperimentRow:
    found = state.experiments.experiments.get(KEY)
    assert found is not None
    return found


def started(*specs: ExperimentSpec) -> PartitionState:
    state = tables()
    if specs:
        send(state, *specs)
    fold(piece(RESULTS, sent([result()])), state, CODEC)
    return state


@pytest.mark.parametrize("terms", OTHER_TERMS)
def test_before_the_first_result_the_last_spec_counts(terms: dict[str, Any]) -> None:
    state, other = started(spec(), spec(**terms)), started(spec(**terms))
    # Two specs take a moment longer than one.
    assert row(state) == replace(row(other), begun_at=row(state).begun_at, due_at=row(state).due_at)


@pytest.mark.parametrize("terms", OTHER_TERMS)
def test_after_the_first_result_other_terms_are_ignored_and_that_is_said(
    terms: dict[str, Any],
) -> None:
    state = started(spec())
    before = row(state)
    decisions = send(state, spec(**terms), start=10)
    assert row(state) == before
    (said,) = decisions
    assert (said.verdict, said.order, said.outcome) == (
        Verdict.IGNORED_SPEC,
        Order.NONE,
        Outcome.HELD,
    )
    assert "start a new experiment_id" in said.reason


def test_the_same_terms_again_are_taken_in_silence() -> None:
    state = started(spec())
    fold(
        piece(RESULTS, sent([result(1, metric="error")], 1)), state, CODEC
    )  # a metric that the spec does not name
    assert send(state, spec(), start=10) == []


def test_a_spec_after_results_without_one_is_ignored() -> None:
    state = started()
    assert [one.verdict for one in send(state, spec())] == [Verdict.IGNORED_SPEC]
    assert not row(state).specified


def test_a_stopped_experiment_stops_whatever_else_the_spec_says_and_judges_no_more() -> None:
    state = started(spec())
    assert send(state, spec(status=ExperimentStatus.STOPPED, alpha=0.4), start=10) == []
    assert (row(state).status, row(state).alpha) == (ExperimentStatus.STOPPED, 0.05)
    harm = [
        result(n, variant=variant, count=50, sum=total)
        for n, (variant, total) in enumerate([("control", 45.0), ("b", 2.0)] * 40, 5)
    ]
    effects = fold(piece(RESULTS, sent(harm, 5)), state, CODEC)
    assert (effects.outputs, effects.applied) == ((), len(harm))


def test_a_stopped_experiment_does_not_start_again() -> None:
    state = started(spec())
    send(state, spec(status=ExperimentStatus.STOPPED), start=10)
    assert [one.verdict for one in send(state, spec(), start=20)] == [Verdict.IGNORED_SPEC]
    assert row(state).status == ExperimentStatus.STOPPED


def test_a_refused_result_starts_nothing() -> None:
    state = tables()
    effects = fold(piece(RESULTS, sent([result(sum=7.0)])), state, CODEC)
    assert [one.reason for one in effects.refused] == ["RATE_ABOVE_ONE"]
    assert (
        len(state.experiments.arms),
        len(state.experiments.experiments),
        len(state.subjects.subjects),
    ) == (0, 0, 0)
    send(state, spec())
    assert row(state).specified


def test_a_metric_outside_the_spec_is_shown_and_never_judged() -> None:
    state = started(spec())
    harm = [
        result(n, variant=variant, metric="error", count=50, sum=total)
        for n, (variant, total) in enumerate([("control", 2.0), ("b", 45.0)] * 40, 5)
    ]
    harm = [replace(one, sum_squares=one.sum) for one in harm]
    assert fold(piece(RESULTS, sent(harm, 5)), state, CODEC).outputs == ()
    assert [one.role for one in row(state).metrics] == [Role.GOAL, Role.SIGNAL]
