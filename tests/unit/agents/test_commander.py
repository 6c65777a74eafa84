"""A command is issued once, fenced, held while its like is open, answered for, tried again, and
always ends.
"""

from dataclasses import replace
from typing import Any

import pytest

from agents.commands.in_flight import LONGEST_MS, PROGRESS_MS
from agents.commands.ledger import WAITS, content, stored
from schemas.catalog import ALERTS, COMMANDS, DECISIONS, STATUS
from schemas.ids import command_id, event_uuid
from schemas.records import (
    Alert,
    Autonomy,
    DeployCommand,
    Event,
    ImproveCommand,
    Order,
    Outcome,
    Phase,
    Policy,
    RequestKind,
    RetrainCommand,
    RollbackCommand,
    Status,
)
from tests.support.builders import CODEC, NOON
from tests.support.life import DEPLOYER, Life

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
KINDS = [
    (Order.ROLLBACK, RollbackCommand),
    (Order.DEPLOY, DeployCommand),
    (Order.RETRAIN, RetrainCommand),
    (Order.IMPROVE, ImproveCommand),
]


def alerts(life: Life) -> list[tuple[str, str]]:
    return [(one.rule, one.state) for one in life.records(ALERTS) if isinstance(one, Alert)]


def test_a_command_says_what_its_decision_and_finding_said() -> None:
    life = Life()
    decision = life.find()
    assert decision.command_id == command_id(decision.decision_id, "ROLLBACK")
    assert life.issued() == [
        RollbackCommand(
            command_id=str(decision.command_id),
            subject="bot",
            target="bot/production",
            experiment_id="exp",
            variant="b",
            model_version="v2",
            to_version="v1",
            reason="it broke",
            evidence=(),
            decision_id=decision.decision_id,
            fencing_token=1,
            issued_at=NOON,
            expires_at=NOON + HOUR,
        )
    ]
    row = life.row(decision.command_id)
    assert (row.phase, row.due_at, row.reporter) == (Phase.ISSUED, NOON + 5 * MINUTE, "")
    assert [(one.before, one.event, one.after) for one in life.moved()] == [
        (Phase.UNKNOWN, Event.ISSUE, Phase.ISSUED)
    ]


@pytest.mark.parametrize(("kind", "record"), KINDS)
def test_each_order_has_its_command_and_it_can_be_sent(kind: Order, record: type) -> None:
    life = Life()
    life.find(kind)
    ((output, command),) = [
        (out, out.record) for out in life.outputs if isinstance(out.record, record)
    ]
    assert output.topic == COMMANDS[kind]
    assert CODEC.decode(record.__name__, CODEC.encode(command)) == command


def test_what_is_approved_is_what_is_issued() -> None:
    life = Life()
    life.find()
    (command,) = life.issued()
    row = life.row(command.command_id)
    assert stored(row) == replace(command, fencing_token=0, issued_at=0, expires_at=0)
    assert (
        row.digest
        == content(command)[1]
        == content(replace(command, attempt=3, fencing_token=9))[1]
    )
    assert row.digest != content(replace(command, variant="c"))[1]


def test_a_second_order_of_one_kind_is_held_while_the_first_is_open() -> None:
    life = Life()
    first = life.find()
    (command,) = life.issued()
    for progress in (Status.ACKNOWLEDGED, Status.IN_PROGRESS):
        held = life.find()
        assert (held.outcome, held.command_id) == (Outcome.HELD, first.command_id)
        assert str(first.command_id) in held.reason
        life.report(command, progress)
    life.report(command, Status.COMPLETED)
    assert life.find().outcome == Outcome.ISSUED


@pytest.mark.parametrize(
    "other",
    [
        {"kind": Order.RETRAIN},
        {"variant": "c"},
        {"experiment_id": "x"},
        {"model_version": "v9"},
        {"subject": "shop"},
    ],
)
def test_an_order_of_another_kind_or_of_something_else_is_not_held(other: dict[str, Any]) -> None:
    life = Life()
    life.find()
    assert life.find(**other).outcome == Outcome.ISSUED


def test_tokens_grow_within_a_target_and_not_across_them() -> None:
    life = Life()
    for n in range(3):
        life.find(variant=f"v{n}")
    life.find(subject="shop")
    life.find(environment="staging")
    assert [(one.target, one.fencing_token) for one in life.issued()] == [
        ("bot/production", 1),
        ("bot/production", 2),
        ("bot/production", 3),
        ("shop/production", 1),
        ("bot/staging", 1),
    ]


@pytest.mark.parametrize("autonomy", [Autonomy.PROPOSE, Autonomy.OBSERVE, Autonomy.UNKNOWN])
def test_what_is_not_to_be_issued_leaves_no_trace(autonomy: Autonomy) -> None:
    life = Life()
    assert life.find(autonomy=autonomy).command_id is None
    assert (life.outputs, life.rows(), len(life.tables.subjects.subjects)) == ([], [], 0)


def test_statuses_apply_by_progress_and_not_by_arrival() -> None:
    life = Life()
    life.find()
    (command,) = life.issued()
    for reported, expected in (
        (Status.IN_PROGRESS, Phase.IN_PROGRESS),
        (Status.ACKNOWLEDGED, Phase.IN_PROGRESS),
        (Status.COMPLETED, Phase.COMPLETED),
        (Status.FAILED, Phase.COMPLETED),  # what is final stays
        (Status.IN_PROGRESS, Phase.COMPLETED),
    ):
        life.report(command, reported)
        assert life.phases() == [expected]
    assert [one.by for one in life.moved()] == ["mendstream", DEPLOYER, DEPLOYER]


@pytest.mark.parametrize("wrong", [{"attempt": 2}, {"attempt": 0}])
def test_a_status_of_another_attempt_changes_nothing(wrong: dict[str, int]) -> None:
    life = Life()
    life.find()
    life.report(life.issued()[0], Status.COMPLETED, **wrong)
    assert life.phases() == [Phase.ISSUED]


@pytest.mark.parametrize("wrong", [{"command_id": "nobody's"}, {"subject": "shop"}])
def test_a_status_of_a_command_never_issued_is_refused_with_a_reason(wrong: dict[str, str]) -> None:
    life = Life()
    life.find()
    life.report(life.issued()[0], Status.COMPLETED, **wrong)
    (refused,) = life.refused
    assert refused.startswith("UNKNOWN_COMMAND: ")
    assert life.phases() == [Phase.ISSUED]


def test_a_command_that_failed_is_sent_again_with_a_new_token_and_the_same_id() -> None:
    life = Life()
    life.find()
    for attempt, wait in ((1, 1 * SECOND), (2, 2 * SECOND)):
        command = life.issued()[-1]
        assert (command.attempt, command.fencing_token) == (attempt, attempt)
        life.report(command, Status.FAILED, detail="no disk")
        life.wait(wait - 1)
        assert (life.phases(), life.row(command.command_id).detail) == ([Phase.RETRYING], "no disk")
        life.wait(1)
    assert {one.command_id for one in life.issued()} == {life.issued()[0].command_id}
    life.report(life.issued()[-1], Status.FAILED)
    assert life.phases() == [Phase.FAILED]
    life.wait(24 * HOUR)
    assert len(life.issued()) == 3


def test_each_attempt_is_an_event_of_its_own() -> None:
    life = Life()
    life.find()
    life.report(life.issued()[0], Status.FAILED)
    life.wait(SECOND)
    events = [out.event_id for out in life.outputs if out.topic == COMMANDS["ROLLBACK"]]
    assert len(set(events)) == len(events) == 2
    assert events[0] == life.issued()[0].command_id


def test_a_command_that_nobody_answers_is_sent_three_times_within_its_hour_then_told() -> None:
    life = Life()
    life.find(Order.RETRAIN)
    for sent, after in enumerate((n * 5 * MINUTE for n in WAITS), 1):
        life.wait(after - 1)
        assert (len(life.issued()), life.phases()) == (sent, [Phase.ISSUED])
        life.wait(1)
    assert (len(life.issued()), life.phases()) == (3, [Phase.TIMED_OUT])
    assert life.now == NOON + HOUR
    assert alerts(life) == [("command unanswered", "RAISED")]
    life.now += HOUR
    life.find(Order.RETRAIN)
    life.report(life.issued()[-1], Status.COMPLETED)
    assert alerts(life) == [("command unanswered", "RAISED"), ("command unanswered", "RESOLVED")]


def test_whoever_is_at_work_may_take_an_hour_from_each_report_and_a_day_in_all() -> None:
    life = Life()
    life.find(Order.RETRAIN)
    (command,) = life.issued()
    life.report(command, Status.ACKNOWLEDGED)
    while life.now < NOON + LONGEST_MS - PROGRESS_MS:
        life.wait(PROGRESS_MS - 1)
        life.report(command, Status.IN_PROGRESS)
        assert life.phases() == [Phase.IN_PROGRESS]
    assert len(life.moved()) == 3  # that somebody is still at it is no move
    life.report(command, Status.IN_PROGRESS)
    life.wait(NOON + LONGEST_MS - life.now)
    assert (life.phases(), len(life.issued())) == ([Phase.ISSUED], 2)


def test_a_deployer_that_refuses_is_not_asked_again() -> None:
    life = Life()
    life.find()
    life.report(life.issued()[0], Status.REFUSED, detail="unsigned")
    life.wait(24 * HOUR)
    assert (life.phases(), len(life.issued())) == ([Phase.REFUSED], 1)


def test_a_rollback_makes_deployments_to_its_target_pointless() -> None:
    life = Life()
    life.find(Order.DEPLOY, variant="c")
    life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE, variant="d")
    life.find(Order.DEPLOY, subject="shop")
    life.find(Order.DEPLOY, environment="staging")
    life.find(Order.RETRAIN)
    life.find(Order.ROLLBACK)
    assert life.phases() == [
        Phase.SUPERSEDED,
        Phase.SUPERSEDED,
        Phase.ISSUED,
        Phase.ISSUED,
        Phase.ISSUED,
        Phase.ISSUED,
    ]


def test_evidence_that_waited_too_long_orders_a_dry_run() -> None:
    life = Life()
    life.find(dry_run=True)
    assert [one.dry_run for one in life.issued()] == [True]


def test_a_status_of_what_still_waits_is_refused() -> None:
    life = Life()
    decision = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE)
    assert life.issued() == []
    said = life.status(stored(life.row(decision.command_id)), Status.COMPLETED)
    life.send(STATUS, [replace(said, event_id=event_uuid("stray"))])
    (refused,) = life.refused
    assert "was not issued" in refused
    assert life.phases() == [Phase.PENDING_APPROVAL]


def test_an_order_of_a_person_is_written_as_a_decision_of_theirs() -> None:
    life = Life(Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO))
    life.ask(RequestKind.DEPLOY, variant="b", to_version="v2", detail="it is good")
    (decision,) = life.records(DECISIONS)
    assert (decision.rule, decision.reason) == (  # type: ignore[attr-defined]
        "a person's own order",
        "ann asks for it: it is good",
    )
    (command,) = life.issued()
    assert (type(command), command.variant, command.to_version) == (DeployCommand, "b", "v2")
    assert life.row(command.command_id).requested_by == "ann"
