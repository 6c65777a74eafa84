"""For what a commit is made at once."""

import pytest

from agents.core.effects import Effects, Output
from schemas.catalog import (
    ADMISSIONS,
    ALERTS,
    BROADCASTS,
    COMMANDS,
    DECISIONS,
    INPUTS,
    PROPOSALS,
    TOPICS,
)
from schemas.records import Decision, Order, Outcome, Tick, Verdict
from tests.support.builders import NOON
from tests.support.loop import Loop


def output(topic: str) -> Output:
    return Output(topic, "bot", "id", Tick(0, NOON), NOON)


def decision(outcome: Outcome) -> Output:
    made = Decision(
        decision_id="d",
        subject="bot",
        verdict=Verdict.HARM,
        order=Order.ROLLBACK,
        outcome=outcome,
        metric="m",
        rule="",
        reason="",
        evidence=(),
        policy_id="p",
        policy_version="",
        decided_at=NOON,
        agents="",
    )
    return Output(DECISIONS, "bot", "d", made, NOON)


@pytest.mark.parametrize("topic", [*COMMANDS.values(), ALERTS])
def test_commands_and_alerts_are_waited_for(topic: str) -> None:
    assert Effects(outputs=(output(topic),)).urgent


def test_what_is_read_back_as_an_input_is_not_but_for_the_budget() -> None:
    ours = [
        topic
        for topic in (*INPUTS, *BROADCASTS)
        if TOPICS[topic].writer == "processor" and topic != "ticks.v1"
    ]
    urgent = [topic for topic in ours if Effects(outputs=(output(topic),)).urgent]
    assert (urgent, len(ours)) == ([PROPOSALS, ADMISSIONS], 7)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome != Outcome.UNKNOWN])
def test_a_decision_is_waited_for_where_it_is_issued_or_asks_a_person(outcome: Outcome) -> None:
    waited = outcome in (Outcome.ISSUED, Outcome.AWAITING_APPROVAL, Outcome.AWAITING_ADMISSION)
    assert Effects(outputs=(decision(outcome),)).urgent == waited


def test_nothing_is_waited_for_where_time_only_passes() -> None:
    loop = Loop()
    assert not Effects(outputs=tuple(loop.wait(1_000))).urgent
