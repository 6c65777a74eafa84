"""What comes of a finding, by the autonomy in force."""

import pytest

from agents.flow.pipeline import fold
from schemas.catalog import COMMANDS, DECISIONS, RESULTS, SPECS
from schemas.records import Autonomy, Decision, Order, Outcome, Policy
from tests.support.builders import CODEC, apply_policy, piece, result, sent, spec, tables

HARM, GAIN = (45.0, 2.0), (2.0, 45.0)
OUTCOMES = {
    Autonomy.AUTO: Outcome.ISSUED,
    Autonomy.APPROVE: Outcome.AWAITING_APPROVAL,
    Autonomy.PROPOSE: Outcome.PROPOSED,
    Autonomy.OBSERVE: Outcome.OBSERVED,
}


def play(
    policy: Policy | None, autonomy: Autonomy | None, totals: tuple[float, float]
) -> tuple[Decision, list[str]]:
    state = tables()
    if policy is not None:
        apply_policy(CODEC.encode(policy), state, CODEC)
    fold(piece(SPECS, sent([spec(autonomy=autonomy)])), state, CODEC)
    arms = [("control", totals[0]), ("b", totals[1])] * 40
    records = [
        result(n, variant=variant, count=50, sum=total) for n, (variant, total) in enumerate(arms)
    ]
    outputs = fold(piece(RESULTS, sent(records)), state, CODEC).outputs
    decision = outputs[0].record
    assert isinstance(decision, Decision)
    assert [one.topic for one in outputs][:1] == [DECISIONS]
    return decision, [one.topic for one in outputs if one.topic in COMMANDS.values()]


@pytest.mark.parametrize("autonomy", OUTCOMES)
@pytest.mark.parametrize(("totals", "order"), [(HARM, Order.ROLLBACK), (GAIN, Order.DEPLOY)])
def test_a_specs_autonomy_outranks_the_policys(
    autonomy: Autonomy, totals: tuple[float, float], order: Order
) -> None:
    others = Policy(event_id="p", policy_id="p", rollback=Autonomy.OBSERVE, deploy=Autonomy.OBSERVE)
    decision, commands = play(others, autonomy, totals)
    assert (decision.order, decision.outcome) == (order, OUTCOMES[autonomy])
    assert commands == ([COMMANDS[order]] if autonomy == Autonomy.AUTO else [])


@pytest.mark.parametrize("autonomy", OUTCOMES)
def test_a_policys_autonomy_goes_by_the_order(autonomy: Autonomy) -> None:
    policy = Policy(event_id="p", policy_id="p", rollback=Autonomy.PROPOSE, deploy=autonomy)
    assert play(policy, None, GAIN)[0].outcome == OUTCOMES[autonomy]
    assert play(policy, None, HARM)[0].outcome == Outcome.PROPOSED


def test_by_default_a_rollback_is_automatic_and_a_deploy_waits_for_a_person() -> None:
    assert play(None, None, HARM)[0].outcome == Outcome.ISSUED
    assert play(None, None, GAIN)[0].outcome == Outcome.AWAITING_APPROVAL


def test_a_decision_names_its_evidence_in_numbers_and_in_words() -> None:
    decision, _ = play(None, None, HARM)
    (proof,) = decision.evidence
    assert (proof.topic, proof.first_offset, proof.metric, decision.variant) == (
        RESULTS,
        0,
        "conversion",
        "b",
    )
    assert proof.count == 50 * (proof.last_offset + 1)
    assert proof.estimate == pytest.approx(2.0 / 50 - 45.0 / 50)
    assert proof.low < proof.estimate < proof.high < 0.0
    assert proof.log_e > 0.0
    assert decision.reason.startswith(
        "bot/exp: treatment b loses 86 points of conversion (likely 82.5, interval "
    )
