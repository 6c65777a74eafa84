"""Cumulative snapshots: judged as complete sets, whatever order they come in."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from agents.core.effects import Effects
from agents.flow.pipeline import fold, refresh
from schemas.catalog import RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import (
    ArmRow,
    Autonomy,
    Decision,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Policy,
    ResultKind,
    Role,
    SnapshotRow,
    Verdict,
)
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, apply_policy, piece, result, sent, spec, tables

UP = Direction.HIGHER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN)


def state_with(*specs: ExperimentSpec) -> PartitionState:
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    if specs:
        fold(piece(SPECS, sent(specs)), state, CODEC)
    return state


def snap(variant: str, count: int, total: float, day: int = 0, **fields: Any) -> ExperimentResult:
    identity = (variant, count, total, day, *sorted(fields.items()))
    made = result(
        variant=variant,
        count=count,
        sum=total,
        occurred_at=NOON - 10**9 + day,
        kind=ResultKind.SNAPSHOT,
    )
    return replace(made, event_id=event_uuid("snap", *map(str, identity)), **fields)


def take(state: PartitionState, *records: ExperimentResult, start: int = 0) -> Effects:
    return fold(piece(RESULTS, sent(records, start=start)), state, CODEC)


def rows(state: PartitionState) -> dict[str, tuple[int, float]]:
    refresh(state)
    found = [CODEC.decode("ArmRow", value) for _, value in state.experiments.arms.snapshot(CODEC)]
    arms = [row for row in found if isinstance(row, ArmRow)]
    return {f"{row.metric}|{row.variant}|{row.segment or ''}": (row.count, row.sum) for row in arms}


def standing(state: PartitionState, metric: str = "conversion") -> SnapshotRow:
    row = state.experiments.snapshots.get(f"bot|exp|{metric}")
    assert row is not None
    return row


def test_totals_stand_once_every_arm_has_sent_its_own() -> None:
    state = state_with(spec(metrics=(CONVERSION,)))
    take(state, snap("control", 500, 50.0))
    assert rows(state) == {"conversion|control|": (0, 0.0)}
    take(state, snap("b", 480, 60.0), start=1)
    assert rows(state) == {"conversion|control|": (500, 50.0), "conversion|b|": (480, 60.0)}
    take(state, snap("control", 900, 95.0, day=1), start=2)
    assert rows(state)["conversion|control|"] == (500, 50.0)  # the last complete set stands
    take(state, snap("b", 910, 99.0, day=1), start=3)
    assert rows(state) == {"conversion|control|": (900, 95.0), "conversion|b|": (910, 99.0)}


def test_a_snapshot_older_than_the_one_that_stands_is_ignored_and_counted() -> None:
    state = state_with(spec(metrics=(CONVERSION,)))
    take(state, snap("control", 500, 50.0, 5), snap("b", 480, 60.0, 5))
    effects = take(state, snap("control", 400, 40.0, 3), snap("b", 380, 40.0, 3), start=2)
    assert (effects.applied, len(effects.refused)) == (2, 0)
    assert standing(state).ignored == 2
    assert rows(state)["conversion|b|"] == (480, 60.0)


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
def test_the_order_of_arrival_does_not_change_what_stands(order: tuple[int, ...]) -> None:
    all_four = [
        snap("control", 500, 50.0),
        snap("b", 480, 60.0),
        snap("control", 900, 95.0, 1),
        snap("b", 910, 99.0, 1),
    ]
    state = state_with(spec(metrics=(CONVERSION,)))
    take(state, *(all_four[n] for n in order))
    assert rows(state) == {"conversion|control|": (900, 95.0), "conversion|b|": (910, 99.0)}


def test_a_set_that_an_arm_never_completes_commands_nothing_and_is_given_up_in_the_end() -> None:
    state = state_with(spec(metrics=(CONVERSION,)))
    outputs = [
        take(state, snap("control", 1_000 + day, 900.0, day), start=day).outputs
        for day in range(40)
    ]
    assert not any(outputs)
    assert (len(standing(state).parts), standing(state).ignored) == (16, 24)


def test_segments_add_up_to_the_whole_once_all_arms_have_the_same() -> None:
    state = state_with(spec(metrics=(CONVERSION,)))
    take(state, snap("control", 300, 30.0, segment="de"), snap("b", 310, 40.0, segment="de"))
    take(state, snap("control", 200, 20.0, segment="fr"), start=2)
    assert rows(state)["conversion|control|"] == (300, 30.0)
    take(state, snap("b", 190, 20.0, segment="fr"), start=3)
    assert rows(state)["conversion|control|"] == (500, 50.0)
    assert rows(state)["conversion|b|"] == (500, 60.0)
    assert rows(state)["conversion|b|fr"] == (190, 20.0)


def test_where_exposures_are_sent_a_set_waits_for_them_and_a_broken_split_comes_first() -> None:
    state = state_with(spec(metrics=(CONVERSION,)))
    take(state, snap("control", 9, 9.0, metric="exposure"))
    first = take(state, snap("control", 5_000, 2_500.0), snap("b", 4_000, 1_000.0), start=1)
    assert not first.outputs
    found = take(state, snap("b", 9, 9.0, metric="exposure"), start=3).outputs
    assert [one.record.verdict for one in found if isinstance(one.record, Decision)] == [
        Verdict.HARM
    ]
    state = state_with(spec(metrics=(CONVERSION,)))
    sets = [snap(v, n, float(n), metric="exposure") for v, n in (("control", 5_000), ("b", 4_000))]
    found = take(state, *sets, snap("control", 5_000, 2_500.0), snap("b", 4_000, 1_000.0)).outputs
    assert [one.record.verdict for one in found if isinstance(one.record, Decision)] == [
        Verdict.SPLIT
    ]


def test_observations_and_snapshots_of_one_metric_do_not_mix() -> None:
    for records in (
        [snap("b", 5, 1.0), result(9, variant="b")],
        [result(9, variant="b"), snap("b", 5, 1.0)],
    ):
        state = state_with(spec(metrics=(CONVERSION,)))
        (refused,) = take(state, *records).refused
        assert (refused.index, refused.reason) == (1, "MIXED_KINDS")


def test_a_mean_by_snapshots_is_judged_by_its_squares_and_never_without_them() -> None:
    state = state_with(spec(metrics=(REVENUE,), share_steps=()))
    squares = {"control": 40_000.0, "b": 50_000.0}
    sets = [
        snap(v, 10_000, 10_000.0 * m, metric="revenue") for v, m in (("control", 1.0), ("b", 1.3))
    ]
    assert not take(state, *sets).outputs
    later = [
        replace(one, occurred_at=one.occurred_at + 1, event_id=one.event_id + "x") for one in sets
    ]
    later = [replace(one, sum_squares=squares[one.variant]) for one in later]
    found = [one.record for one in take(state, *later, start=2).outputs]
    assert [one.verdict for one in found if isinstance(one, Decision)] == [Verdict.GAIN]


def test_without_a_spec_a_set_is_control_and_every_variant_heard_of() -> None:
    state = state_with()
    take(state, snap("b", 480, 60.0))
    take(state, snap("c", 470, 60.0), start=1)
    take(state, snap("control", 500, 50.0), start=2)
    assert rows(state)["conversion|c|"] == (470, 60.0)
    take(state, snap("control", 900, 95.0, 1), snap("b", 910, 99.0, 1), start=3)
    assert rows(state)["conversion|b|"] == (480, 60.0)
