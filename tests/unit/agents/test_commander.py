"""A command is issued once, fenced, held while its like is open, and moved on by statuses."""

from dataclasses import replace
from typing import Any

import pytest

from agents.commander import TIME_TO_LIVE_MS, apply_status, order
from agents.fold import fold
from agents.slice import Finding
from schemas.catalog import STATUS
from schemas.ids import command_id, decision_id, event_uuid
from schemas.records import (
    Command,
    CommandStatus,
    Decision,
    DeployCommand,
    ImproveCommand,
    Order,
    Outcome,
    Phase,
    RetrainCommand,
    RollbackCommand,
    Status,
    Verdict,
)
from state.tables import Tables
from tests.builders import CODEC, NOON, piece, sent, tables

FINDING = Finding(
    at=0,
    agent="judge",
    ordinal="b|HARM",
    verdict=Verdict.HARM,
    order=Order.ROLLBACK,
    subject="bot",
    metric="error",
    rule="harm proved",
    reason="it broke",
    evidence=(),
    experiment_id="exp",
    variant="b",
    to_version="v1",
    segments=("de",),
    hypothesis="a guess",
)


def decision(offset: int = 1, **fields: Any) -> Decision:
    base = Decision(
        decision_id=decision_id("topic", 0, offset, "judge", "b|HARM"),
        subject="bot",
        verdict=Verdict.HARM,
        order=Order.ROLLBACK,
        outcome=Outcome.ISSUED,
        experiment_id="exp",
        variant="b",
        metric="error",
        rule="harm proved",
        reason="it broke",
        evidence=(),
        policy_id="default",
        policy_version="",
        decided_at=NOON,
        agents="1",
    )
    return replace(base, **fields)


def issue(state: Tables, offset: int = 1, **fields: Any) -> Command:
    _, command = order(decision(offset, **fields), FINDING, state)
    assert command is not None
    return command


def status(command: Command, reported: Status, **fields: Any) -> CommandStatus:
    base = CommandStatus(
        event_id=event_uuid(command.command_id, reported),
        command_id=command.command_id,
        subject=command.subject,
        status=reported,
        fencing_token=command.fencing_token,
        reported_at=NOON,
        reporter="deployer",
    )
    return replace(base, **fields)


def phase(state: Tables, command: Command) -> Phase:
    row = state.commands.get(command.command_id)
    assert row is not None
    return row.phase


def test_a_command_says_what_its_decision_and_finding_said() -> None:
    state = tables()
    decided, command = order(decision(), FINDING, state)
    assert decided == replace(decision(), command_id=command_id(decision().decision_id, "ROLLBACK"))
    assert command == RollbackCommand(
        command_id=str(decided.command_id),
        subject="bot",
        target="bot/production",
        experiment_id="exp",
        variant="b",
        to_version="v1",
        reason="it broke",
        evidence=(),
        decision_id=decided.decision_id,
        fencing_token=1,
        issued_at=NOON,
        expires_at=NOON + TIME_TO_LIVE_MS,
    )
    assert phase(state, command) == Phase.ISSUED


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (Order.ROLLBACK, RollbackCommand),
        (Order.DEPLOY, DeployCommand),
        (Order.RETRAIN, RetrainCommand),
        (Order.IMPROVE, ImproveCommand),
    ],
)
def test_each_order_has_its_command_and_it_can_be_sent(kind: Order, record: type[Command]) -> None:
    command = issue(tables(), order=kind)
    assert type(command) is record
    assert CODEC.decode(record.__name__, CODEC.encode(command)) == command


def test_a_second_order_of_one_kind_is_held_while_the_first_is_open() -> None:
    state = tables()
    first = issue(state)
    for progress in (Status.ACKNOWLEDGED, Status.IN_PROGRESS):
        held, command = order(decision(2), FINDING, state)
        assert (command, held.outcome, held.command_id) == (None, Outcome.HELD, first.command_id)
        assert first.command_id in held.reason
        assert apply_status(status(first, progress), state) is None
    assert apply_status(status(first, Status.COMPLETED), state) is None
    assert issue(state, 2).command_id != first.command_id


@pytest.mark.parametrize(
    "other",
    [{"order": Order.DEPLOY}, {"variant": "c"}, {"experiment_id": "x"}, {"model_version": "v9"}, {"subject": "shop"}],
)
def test_an_order_of_another_kind_or_of_something_else_is_not_held(other: dict[str, Any]) -> None:
    state = tables()
    issue(state)
    issue(state, 2, **other)


def test_tokens_grow_within_a_target_and_not_across_them() -> None:
    state = tables()
    tokens = [issue(state, n, variant=f"v{n}").fencing_token for n in range(3)]
    assert tokens == [1, 2, 3]
    assert issue(state, 9, subject="shop").fencing_token == 1
    assert issue(state, 4, order=Order.RETRAIN).fencing_token == 4


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.PROPOSED, Outcome.OBSERVED, Outcome.UNKNOWN])
def test_what_is_not_to_be_issued_leaves_no_trace(outcome: Outcome) -> None:
    state = tables()
    assert order(decision(outcome=outcome), FINDING, state) == (decision(outcome=outcome), None)
    assert len(state.commands) == len(state.subjects) == 0


def test_a_command_that_waits_for_approval_is_kept_and_not_sent_and_holds_the_next() -> None:
    state = tables()
    decided, command = order(decision(outcome=Outcome.AWAITING_APPROVAL), FINDING, state)
    assert command is None
    row = state.commands.get(str(decided.command_id))
    assert row is not None
    assert row.phase == Phase.PENDING_APPROVAL
    assert order(decision(2), FINDING, state)[0].outcome == Outcome.HELD
    like = replace(issue(tables()), command_id=row.command_id)
    assert "waits for approval" in str(apply_status(status(like, Status.COMPLETED), state))


def test_statuses_apply_by_progress_and_not_by_arrival() -> None:
    state = tables()
    command = issue(state)
    for reported, expected in (
        (Status.IN_PROGRESS, Phase.IN_PROGRESS),
        (Status.ACKNOWLEDGED, Phase.IN_PROGRESS),
        (Status.FAILED, Phase.FAILED),
        (Status.COMPLETED, Phase.FAILED),  # what is final stays
        (Status.IN_PROGRESS, Phase.FAILED),
    ):
        assert apply_status(status(command, reported), state) is None
        assert phase(state, command) == expected


def test_a_status_of_another_attempt_changes_nothing() -> None:
    state = tables()
    command = issue(state)
    assert apply_status(status(command, Status.COMPLETED, attempt=2), state) is None
    assert phase(state, command) == Phase.ISSUED


@pytest.mark.parametrize("wrong", [{"command_id": "nobody's"}, {"subject": "shop"}])
def test_a_status_of_a_command_never_issued_is_refused_with_a_reason(wrong: dict[str, str]) -> None:
    state = tables()
    stray = status(issue(state), Status.COMPLETED, **wrong)
    effects = fold(piece(STATUS, sent([stray])), state, CODEC)
    assert [one.reason for one in effects.refused] == ["UNKNOWN_COMMAND"]
    assert (effects.applied, len(state.commands.changed(CODEC))) == (0, 1)
