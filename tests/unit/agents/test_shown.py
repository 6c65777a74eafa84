"""What is shown is what was decided: one computation for verdict, sentence, evidence and row,
whatever the method.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.flow.pipeline import fold, refresh
from schemas.catalog import RESULTS, SPECS, TABLES_ARMS
from schemas.records import (
    ArmRow,
    Autonomy,
    Decision,
    Direction,
    EvidenceKind,
    MetricKind,
    MetricSpec,
    Policy,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from state.partition.partition_state import PartitionState
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
EVEN = (ShareStep(shares=(Share("control", 0.5), Share("b", 0.5))),)
RAMP = tuple(
    ShareStep(
        from_=NOON + 1_000 * n if n else None,
        shares=(Share("control", 1.0 - share), Share("b", share)),
    )
    for n, share in enumerate((0.1, 0.3, 0.5))
)
METHODS = ("shares", "ramp", "rollout", "no shares", "snapshots")


def world(
    metric: MetricSpec, method: str, levels: tuple[float, float], n: int, seed: int
) -> tuple[list[Sent], tuple[ShareStep, ...]]:
    """n units, in three stretches over which the base moves up; levels: of control and of b."""
    rng, stretch = np.random.default_rng(seed), np.arange(n) * 3 // n
    ramped = method in ("ramp", "rollout")
    treated = rng.random(n) < (np.array([0.1, 0.3, 0.5])[stretch] if ramped else 0.5)
    level = np.where(treated, levels[1], levels[0]) * (1.0 + 0.2 * stretch)
    hit = (rng.random(n) < np.minimum(level, 1.0)).astype(float)
    values = {
        MetricKind.RATE: hit,
        MetricKind.COUNT: rng.poisson(3.0 * level).astype(float),
        MetricKind.LATENCY: np.where(hit > 0.0, 400.0, 50.0),
        MetricKind.MEAN: rng.gamma(2.0, level),
    }[metric.kind]
    shares = {"ramp": RAMP, "rollout": (), "no shares": ()}.get(method, EVEN)
    if method == "snapshots":
        parts = []
        for end in range(n // 20, n + 1, n // 20):
            for at, name in enumerate(("control", "b")):
                mine = values[:end][treated[:end] == bool(at)]
                parts.append(
                    (name, len(mine), float(mine.sum()), float((mine**2).sum()), NOON + end)
                )
        kind = result(metric=metric.name, kind=ResultKind.SNAPSHOT)
        names = ("variant", "count", "sum", "sum_squares", "occurred_at")
        columns: dict[str, Any] = dict(zip(names, map(list, zip(*parts, strict=True)), strict=True))
        return many(kind, len(parts), **columns), shares
    arms = np.where(treated, "b", "control").tolist()
    assigned = (NOON + 1_000 * stretch).tolist()
    return many(
        result(metric=metric.name), n, variant=arms, sum=values, assigned_at=assigned
    ), shares


def played(
    metric: MetricSpec, method: str, records: list[Sent], shares: tuple[ShareStep, ...]
) -> tuple[list[Decision], PartitionState]:
    """What is decided of these records, and the tables after them."""
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    terms = spec(metrics=(metric,), share_steps=shares, follows_rollout=method == "rollout")
    fold(piece(SPECS, sent([terms])), state, CODEC)
    if method == "rollout":  # as a deployer's reports leave it
        (row,) = state.experiments.experiments.rows()
        state.experiments.experiments.put(
            replace(row, rollout_steps=tuple(replace(one, from_=one.from_ or NOON) for one in RAMP))
        )
    outputs = fold(piece(RESULTS, records), state, CODEC).outputs
    refresh(state)
    return [one.record for one in outputs if isinstance(one.record, Decision)], state


def row_of(state: PartitionState, variant: str = "b") -> ArmRow:
    """The whole of an arm."""
    rows = [CODEC.decode("ArmRow", value) for _, value in state.all()[TABLES_ARMS].snapshot(CODEC)]
    (found,) = [
        row
        for row in rows
        if isinstance(row, ArmRow) and (row.variant, row.segment, row.step) == (variant, None, None)
    ]
    return found


def assert_shown_as_decided(found: Decision, row: ArmRow, metric: MetricSpec) -> None:
    """row: of the arm after the record that was decided on."""
    proof = found.evidence[0]
    harm = found.verdict == Verdict.HARM
    more = (metric.direction == UP) != harm
    assert (proof.low > 0.0) if more else (proof.high < 0.0), found.reason
    assert proof.low <= proof.estimate <= proof.high
    assert proof.log_e >= np.log(20.0)
    assert (row.effect, row.low, row.high) == (proof.estimate, proof.low, proof.high)
    assert proof.log_e == (row.log_e_harm if harm else row.log_e_gain)
    assert proof.evidence_kind == row.evidence_kind != EvidenceKind.UNKNOWN
    scale = 100.0 if metric.kind in (MetricKind.RATE, MetricKind.LATENCY) else 1.0
    assert proof.likely == row.likely
    ends = f"interval {proof.low * scale:.3g} to {proof.high * scale:.3g}, "
    assert f" {abs(proof.estimate) * scale:.3g}" in found.reason
    assert ends in found.reason


CASES = st.tuples(
    st.sampled_from((MetricKind.RATE, MetricKind.COUNT, MetricKind.LATENCY, MetricKind.MEAN)),
    st.sampled_from(METHODS),
    st.sampled_from(
        (
            (0.0, 0.3),
            (0.02, 0.1),
            (0.1, 0.02),
            (0.3, 0.2),
            (0.5, 0.7),
            (0.7, 0.5),
            (0.6, 0.0),
            (0.2, 0.2),
        )
    ),
    st.sampled_from((UP, DOWN)),
    st.integers(0, 2**32 - 1),
)


@settings(max_examples=80, deadline=None)
@given(CASES)
def test_a_verdicts_interval_leaves_0_out_and_row_evidence_and_sentence_say_the_same(
    case: tuple[MetricKind, str, tuple[float, float], Direction, int],
) -> None:
    kind, method, levels, direction, seed = case
    if method == "snapshots" and kind == MetricKind.LATENCY:
        return
    limit, cap = (
        (100.0 if kind == MetricKind.LATENCY else None),
        (50.0 if kind == MetricKind.MEAN else None),
    )
    metric = MetricSpec("tried", Role.GOAL, direction, kind, limit=limit, cap=cap)
    records, shares = world(metric, method, levels, 4_000, seed)
    decisions, _ = played(metric, method, records, shares)
    for found in decisions:
        if found.verdict not in (Verdict.HARM, Verdict.GAIN):
            continue
        event(f"{kind} {method} {found.verdict}")
        if found.order == "DEPLOY" and method in ("shares", "ramp", "snapshots"):
            # From the decision on the row compares without the shares that the rollout moves.
            assert found.evidence[0].low > 0.0 or found.evidence[0].high < 0.0, found.reason
            continue
        upto = records[: found.evidence[0].last_offset + 1]
        assert_shown_as_decided(found, row_of(played(metric, method, upto, shares)[1]), metric)


@pytest.mark.parametrize("method", ["ramp", "rollout"])
def test_harm_in_a_ramp_has_an_interval_without_0(method: str) -> None:
    """In one step it said -20.5 to -1.66 and rolled back; in several it said -33.4 to 6.09 and
    rolled back as well.
    """
    metric = MetricSpec("tried", Role.GOAL, UP, MetricKind.RATE)
    records, shares = world(metric, method, (0.1, 0.02), 600, seed=0)
    (found,) = played(metric, method, records, shares)[0]
    assert (found.verdict, found.evidence[0].high < 0.0) == (Verdict.HARM, True), found.reason


@pytest.mark.parametrize(
    ("kind", "method", "evidence_kind", "called"),
    [
        (MetricKind.RATE, "shares", EvidenceKind.E_VALUE, "e"),
        (MetricKind.COUNT, "ramp", EvidenceKind.E_VALUE, "e"),
        (MetricKind.RATE, "no shares", EvidenceKind.E_VALUE, "e"),
        (MetricKind.MEAN, "shares", EvidenceKind.P_VALUE, "1/p"),
    ],
)
def test_evidence_says_whether_it_may_be_multiplied(
    kind: MetricKind, method: str, evidence_kind: EvidenceKind, called: str
) -> None:
    cap = 50.0 if kind == MetricKind.MEAN else None
    metric = MetricSpec("tried", Role.GOAL, UP, kind, cap=cap)
    records, shares = world(metric, method, (0.5, 0.1), 6_000, seed=0)
    (found,), state = played(metric, method, records, shares)
    assert [proof.evidence_kind for proof in found.evidence] == [evidence_kind]
    assert f" {called} = " in found.reason or f" log {called} = " in found.reason
    assert row_of(state).evidence_kind == evidence_kind
    assert row_of(state, "control").evidence_kind == EvidenceKind.UNKNOWN


def test_a_gain_that_has_faded_when_its_guardrail_becomes_sound_is_not_deployed() -> None:
    goal = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
    error = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE)
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    fold(piece(SPECS, sent([spec(metrics=(goal, error), share_steps=())])), state, CODEC)
    fading = [("conversion", 100, (13.0, 9.0))] * 20
    parts = [
        ("conversion", 2_000, (200.0, 280.0)),
        *fading,
        ("error", 200_000, (20_000.0, 20_000.0)),
    ]
    records = [
        result(2 * n + at, metric=name, variant=arm, count=count, sum=sums[at])
        for n, (name, count, sums) in enumerate(parts)
        for at, arm in enumerate(("control", "b"))
    ]
    found = [one.record for one in fold(piece(RESULTS, sent(records)), state, CODEC).outputs]
    decisions = [one for one in found if isinstance(one, Decision)]
    assert [(one.verdict, one.order) for one in decisions] == [(Verdict.GAIN, "NONE")]
