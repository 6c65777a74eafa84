"""What a decision says: the sentence that a person reads at night, and the evidence beside it."""

from typing import Any

import numpy as np
import pytest

from agents.core.phrasing import nth
from agents.flow.pipeline import fold, refresh
from schemas.catalog import COMMANDS, RESULTS, SPECS
from schemas.records import (
    ArmRow,
    Decision,
    Direction,
    MetricKind,
    MetricSpec,
    Order,
    Outcome,
    Policy,
    Role,
    RollbackCommand,
    State,
    Verdict,
)
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, apply_policy, many, piece, result, sent, spec, tables

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE, margin=0.1)


def played(
    rates: dict[str, dict[str, float]],
    shares: dict[str, dict[str, float]],
    n: int,
    seed: int = 0,
    **columns: Any,
) -> tuple[list[Decision], PartitionState, list[RollbackCommand]]:
    """n units: their arms by turns, their segment by the arm's shares, their conversion by the
    segment's rates.
    """
    rng, state = np.random.default_rng(seed), tables()
    apply_policy(CODEC.encode(Policy(event_id="the policy", policy_id="all")), state, CODEC)
    fold(
        piece(
            SPECS, sent([spec(metrics=(CONVERSION,), experiment_id="exp-12", subject="checkout")])
        ),
        state,
        CODEC,
    )
    arms = np.array(["control", "b"])[np.arange(n) % 2]
    segments = [rng.choice(list(shares[arm]), p=list(shares[arm].values())) for arm in arms]
    hits = [
        float(rng.random() < rates[arm][segment])
        for arm, segment in zip(arms, segments, strict=True)
    ]
    records = many(
        result(metric="conversion", experiment_id="exp-12", subject="checkout"), n,
        variant=arms.tolist(), segment=segments, sum=hits, **columns,
    )  # fmt: skip
    found = [one.record for one in fold(piece(RESULTS, records), state, CODEC).outputs]
    refresh(state)
    decisions = [one for one in found if isinstance(one, Decision)]
    return decisions, state, [one for one in found if isinstance(one, RollbackCommand)]


EVEN = {"de": 0.5, "fr": 0.5}
LOSS = {"control": {"de": 0.2, "fr": 0.2}, "b": {"de": 0.05, "fr": 0.2}}


def test_a_rollback_says_what_was_lost_how_surely_on_how_many_units_and_where() -> None:
    (decision,), state, (command,) = played(
        LOSS, {"control": EVEN, "b": EVEN}, 6_000, seed=1, unit_id=[f"u{n}" for n in range(6_000)]
    )
    proof = decision.evidence[0]
    assert decision.reason.startswith("checkout/exp-12: treatment b loses ")
    for said in (
        " points of conversion (likely ",
        ", interval -",
        " units, e = ",
        "most of it within segment de",
        " unit",
    ):
        assert said in decision.reason
    assert decision.reason.endswith(f": roll back at the {nth(proof.count)} unit")
    assert (
        proof.low <= proof.estimate < proof.high < 0.0
    )  # the interval leaves out what the test rejects
    assert [one.segment for one in decision.evidence] == [
        None,
        *sorted(
            ["de", "fr"],
            key=lambda name: -next(one.count for one in decision.evidence if one.segment == name),
        ),
    ]
    of_segments = {one.segment: one.estimate for one in decision.evidence}
    assert of_segments["de"] < -0.05 < of_segments["fr"]
    assert sum(one.count for one in decision.evidence[1:]) == proof.count
    assert (decision.policy_id, decision.policy_version) == ("all", "the policy")
    assert (command.reason, command.evidence) == (decision.reason, decision.evidence)
    assert state.commands.commands.get(command.command_id) is not None


def test_a_difference_of_the_mix_of_segments_is_said_to_be_one() -> None:
    rates = {"de": 0.3, "fr": 0.02}
    shares = {"control": {"de": 0.7, "fr": 0.3}, "b": {"de": 0.3, "fr": 0.7}}
    (decision,), _, _ = played({"control": rates, "b": rates}, shares, 6_000)
    assert "it is mostly the mix of segments: the arms differ in their share of" in decision.reason


def test_records_without_a_unit_are_said_to_be_taken_for_independent() -> None:
    (decision,), _, _ = played(LOSS, {"control": EVEN, "b": EVEN}, 6_000)
    assert " records taken as independent, e = " in decision.reason
    assert decision.reason.endswith(" record")


def test_segments_carry_evidence_in_their_rows_and_never_command() -> None:
    # In one segment b is far worse and in the other as much better: the whole is even.
    rates = {"control": {"de": 0.2, "fr": 0.2}, "b": {"de": 0.1, "fr": 0.3}}
    decisions, state, _ = played(rates, {"control": EVEN, "b": EVEN}, 8_000)
    assert [one.verdict for one in decisions if one.order != Order.NONE] == []
    found = [CODEC.decode("ArmRow", value) for _, value in state.experiments.arms.snapshot(CODEC)]
    rows = {row.segment: row for row in found if isinstance(row, ArmRow) and row.variant == "b"}
    assert rows["de"].log_e_harm > 5.0 > rows[None].log_e_harm
    assert rows["fr"].log_e_gain > 5.0 > rows[None].log_e_gain
    assert rows["de"].effect == pytest.approx(-0.1, abs=0.03)
    assert (rows["de"].harm_offset, rows["fr"].gain_offset) == (-1, -1)


def both(metric: str, control: tuple[int, float], b: tuple[int, float], start: int) -> list[Any]:
    arms = (("control", control), ("b", b))
    return [
        result(start + 2 * i + j, variant=name, metric=metric, count=count, sum=total)
        for i in range(40)
        for j, (name, (count, total)) in enumerate(arms)
    ]


def test_a_gain_that_waits_for_a_guardrail_is_told_once_and_deployed_when_it_is_sound() -> None:
    state = tables()
    fold(piece(SPECS, sent([spec(metrics=(CONVERSION, ERROR))])), state, CODEC)
    gain = both("conversion", (50, 5.0), (50, 25.0), 0)
    told = [one.record for one in fold(piece(RESULTS, sent(gain)), state, CODEC).outputs]
    (waiting,) = [one for one in told if isinstance(one, Decision)]
    assert (waiting.verdict, waiting.order, waiting.outcome) == (
        Verdict.GAIN,
        Order.NONE,
        Outcome.HELD,
    )
    assert "held until every guardrail is sound" in waiting.reason
    sound = [
        result(1_000 + n, variant=v, metric="error", count=200_000, sum=20_000.0)
        for n, v in enumerate(("control", "b"))
    ]
    outputs = fold(piece(RESULTS, sent(sound, start=500)), state, CODEC).outputs
    (deploy,) = [one.record for one in outputs if isinstance(one.record, Decision)]
    assert (deploy.verdict, deploy.order, deploy.metric) == (
        Verdict.GAIN,
        Order.DEPLOY,
        "conversion",
    )
    assert deploy.decision_id != waiting.decision_id


def test_a_second_arm_called_control_is_no_treatment_where_the_spec_names_another() -> None:
    state = tables()
    named = spec(control="champion", share_steps=(), metrics=(CONVERSION,))
    fold(piece(SPECS, sent([named])), state, CODEC)
    arms = [
        result(2 * i + j, variant=v, count=50, sum=s)
        for i in range(60)
        for j, (v, s) in enumerate((("champion", 25.0), ("control", 1.0)))
    ]
    assert not [
        one
        for one in fold(piece(RESULTS, sent(arms)), state, CODEC).outputs
        if one.topic in COMMANDS.values()
    ]
    refresh(state)
    states = {
        key[3]: state.experiments.arms.method[row]
        for row, key in enumerate(state.experiments.arms.keys)
    }
    assert states == {"champion": 0, "control": 0}


def test_an_arm_without_its_control_is_missing_and_says_what_it_waits_for_once_it_has_one() -> None:
    state = tables()
    fold(piece(SPECS, sent([spec(metrics=(CONVERSION,))])), state, CODEC)
    fold(piece(RESULTS, sent([result(n, variant="b") for n in range(120)])), state, CODEC)
    refresh(state)
    rows = dict(state.experiments.arms.snapshot(CODEC))
    row = CODEC.decode("ArmRow", rows["bot|exp|conversion|b||"])
    assert isinstance(row, ArmRow)
    assert row.state == State.MISSING
    fold(piece(RESULTS, sent([result(900 + n) for n in range(30)], start=200)), state, CODEC)
    refresh(state)
    row = CODEC.decode(
        "ArmRow", dict(state.experiments.arms.snapshot(CODEC))["bot|exp|conversion|b||"]
    )
    assert isinstance(row, ArmRow)
    assert (row.state, row.expected_more) == (State.WAIT, 70.0)
