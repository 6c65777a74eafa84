"""Running intervals: cut at fixed sample sizes, empty only where the effect itself drifts."""

import numpy as np
import pytest

from agents.experiments.evidence.pair_interval import mark, next_mark, next_marks
from agents.flow.pipeline import fold, refresh
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    MetricKind,
    MetricSpec,
    Order,
    Outcome,
    Policy,
    Role,
    State,
    Verdict,
)
from state.arms_table import STATES
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, apply_policy, many, piece, result, sent, spec, tables

CONVERSION = MetricSpec("conversion", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)


def test_the_next_mark_is_never_later_than_the_step_it_announces() -> None:
    n = np.arange(1, 200_000)
    announced, marks = next_marks(n[:-1]), np.array([mark(units) for units in n.tolist()])
    steps = np.flatnonzero(np.diff(marks))
    assert (announced[steps] <= n[1:][steps]).all()
    assert next_mark(0) == 1


def folded(
    rates: list[tuple[float, float]], seed: int, each: int = 20_000
) -> tuple[list[Decision], PartitionState]:
    """Stretches of units, each with the rates of control and b."""
    rng = np.random.default_rng(seed)
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.OBSERVE)), state, CODEC
    )
    fold(piece(SPECS, sent([spec(metrics=(CONVERSION,), alpha=0.05)])), state, CODEC)
    found: list[Decision] = []
    for number, (control, b) in enumerate(rates):
        treated = rng.random(each) < 0.5
        hits = rng.random(each) < np.where(treated, b, control)
        ids = [f"{number} {i}" for i in range(each)]
        records = many(
            result(metric="conversion"),
            each,
            number * each,
            event_id=ids,
            variant=np.where(treated, "b", "control").tolist(),
            sum=hits.astype(float),
        )
        outputs = fold(piece(RESULTS, records), state, CODEC).outputs
        found += [one.record for one in outputs if isinstance(one.record, Decision)]
    return found, state


def test_an_effect_that_fades_is_said_to_drift_once_and_stands_so_in_its_row() -> None:
    found, state = folded([(0.30, 0.36), *[(0.30, 0.30)] * 4], seed=1)
    assert [(one.verdict, one.order, one.outcome) for one in found] == [
        (Verdict.UNSTABLE, Order.NONE, Outcome.HELD)
    ]
    assert "drifts" in found[0].reason
    refresh(state)
    row = next(
        n for n in range(len(state.experiments.arms)) if state.experiments.arms.keys[n][3] == "b"
    )
    assert STATES[state.experiments.arms.state[row]] == State.UNSTABLE
    assert state.experiments.arms.unstable_offset[row] == found[0].evidence[0].last_offset


@pytest.mark.parametrize("rates", [(0.3, 0.3), (0.02, 0.02), (0.3, 0.305)])
def test_a_steady_effect_is_hardly_ever_said_to_drift(rates: tuple[float, float]) -> None:
    drifting = sum(
        one.verdict == Verdict.UNSTABLE for seed in range(25) for one in folded([rates], seed)[0]
    )
    assert drifting <= 1


def test_the_interval_shown_is_what_all_intervals_so_far_leave() -> None:
    _, state = folded([(0.3, 0.3)], seed=2)
    refresh(state)
    arms = state.experiments.arms
    row = next(n for n in range(len(arms)) if arms.keys[n][3] == "b")
    assert arms.running_low[row] <= arms.low[row] <= arms.effect[row] <= arms.high[row]
    assert arms.high[row] <= arms.running_high[row]
    assert STATES[arms.state[row]] in (State.OK, State.GAIN)
