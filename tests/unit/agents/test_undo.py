"""Commands are taken back: cancelled where nobody began, compensated in reverse order where
somebody may have.
"""

from dataclasses import replace

import pytest

from schemas.catalog import ALERTS
from schemas.ids import command_id
from schemas.records import (
    Alert,
    Autonomy,
    Command,
    DeployCommand,
    Order,
    Outcome,
    Phase,
    RequestKind,
    ReviewVerdict,
    RollbackCommand,
    Status,
)
from tests.support.life import Life

HOUR = 3_600_000


def cancel(life: Life, command: Command) -> None:
    life.ask(RequestKind.CANCEL, command_id=command.command_id)


def deployed(life: Life, *variants: str) -> list[Command]:
    for variant in variants:
        life.find(Order.DEPLOY, variant=variant, model_version=variant, to_version=variant)
        life.report(life.issued()[-1], Status.COMPLETED)
    return life.issued()


def test_what_waits_is_cancelled_without_a_trace_outside() -> None:
    life = Life()
    decision = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE)
    life.ask(RequestKind.CANCEL, command_id=decision.command_id)
    assert (life.phases(), life.issued()) == ([Phase.CANCELLED], [])


@pytest.mark.parametrize("kind", [Order.RETRAIN, Order.IMPROVE])
def test_a_training_is_called_off_and_there_is_nothing_to_undo(kind: Order) -> None:
    life = Life()
    life.find(kind)
    cancel(life, life.issued()[0])
    assert (life.phases(), len(life.issued())) == ([Phase.CANCELLED], 1)


@pytest.mark.parametrize("far", [None, Status.IN_PROGRESS, Status.COMPLETED])
def test_a_deployment_is_moved_back(far: Status | None) -> None:
    life = Life()
    life.find(Order.DEPLOY)
    (first,) = life.issued()
    if far is not None:
        life.report(first, far)
    cancel(life, first)
    _, back = life.issued()
    assert isinstance(back, RollbackCommand)
    assert (back.command_id, back.compensates) == (
        command_id(first.command_id, "UNDO"),
        first.command_id,
    )
    assert (back.fencing_token, back.target) == (2, first.target)
    assert life.phases() == [Phase.COMPENSATING, Phase.ISSUED]
    life.report(back, Status.COMPLETED)
    assert life.phases() == [Phase.COMPENSATED, Phase.COMPLETED]


@pytest.mark.parametrize("far", [None, Status.IN_PROGRESS, Status.COMPLETED])
def test_a_rollback_is_undone_once_another_person_approves_what_that_puts_in_service(
    far: Status | None,
) -> None:
    life = Life()
    life.find(Order.ROLLBACK)
    (first,) = life.issued()
    if far is not None:
        life.report(first, far)
    cancel(life, first)
    assert life.phases() == [Phase.COMPENSATING, Phase.PENDING_APPROVAL]
    life.review(life.rows()[-1], ReviewVerdict.APPROVE, by="ann")
    assert [one.partition(":")[0] for one in life.refused] == ["OWN_REQUEST"]
    life.review(life.rows()[-1], ReviewVerdict.APPROVE, by="bob")
    _, back = life.issued()
    assert (type(back), back.compensates, back.to_version) == (
        DeployCommand,
        first.command_id,
        "v2",
    )
    life.report(back, Status.COMPLETED)
    assert life.phases() == [Phase.COMPENSATED, Phase.COMPLETED]


def test_what_later_ones_stand_on_is_not_undone() -> None:
    life = Life()
    first, second, third = deployed(life, "a", "b", "c")
    cancel(life, first)
    assert life.refused[0].startswith(
        f"NOT_OPEN: command {first.command_id} is not undone below a later one: deploy "
    )
    assert third.command_id in life.refused[0]
    assert (len(life.issued()), set(life.phases())) == (3, {Phase.COMPLETED})
    cancel(life, third)
    back = life.issued()[-1]
    assert isinstance(back, RollbackCommand)
    assert (back.model_version, back.to_version) == ("c", "b"), "what served before it"
    cancel(life, second)
    assert len(life.refused) == 2, "while the later one is being undone it is not known what stands"
    life.report(back, Status.COMPLETED)
    cancel(life, second)
    assert life.issued()[-1].compensates == second.command_id


def test_what_could_not_be_undone_is_told() -> None:
    life = Life()
    (first,) = deployed(life, "a")
    cancel(life, first)
    life.report(life.issued()[-1], Status.REFUSED)
    assert life.row(first.command_id).phase == Phase.COMPENSATION_FAILED
    assert "command not undone" in [
        one.rule for one in life.records(ALERTS) if isinstance(one, Alert)
    ]
    life.wait(24 * HOUR)
    assert len(life.issued()) == 2


def test_a_deployment_that_failed_for_good_is_undone_by_itself_and_a_rollback_is_not() -> None:
    for kind, expected in ((Order.DEPLOY, Phase.COMPENSATING), (Order.ROLLBACK, Phase.FAILED)):
        life = Life()
        life.find(kind)
        for _ in range(3):
            life.report(life.issued()[-1], Status.FAILED)
            life.wait(2_000)
        assert life.phases()[0] == expected
        assert len(life.issued()) == (4 if kind == Order.DEPLOY else 3)


def test_under_a_freeze_a_person_is_asked_before_something_is_undone() -> None:
    life = Life()
    life.find(Order.DEPLOY)
    life.ask(RequestKind.FREEZE)
    life.wait(HOUR)
    assert life.phases() == [Phase.COMPENSATING, Phase.PENDING_APPROVAL]
    life.wait(24 * HOUR)
    assert life.phases() == [Phase.COMPENSATION_FAILED, Phase.EXPIRED]
    assert life.moved()[-2].detail == "nobody approved it within 15 minutes"


def test_what_cannot_be_cancelled_is_refused_by_name() -> None:
    life = Life()
    life.find(Order.RETRAIN)
    life.report(life.issued()[0], Status.COMPLETED)
    cancel(life, life.issued()[0])
    life.ask(RequestKind.CANCEL, command_id="nobody's")
    life.ask(RequestKind.CANCEL)
    assert [one.partition(":")[0] for one in life.refused] == [
        "NOT_OPEN",
        "UNKNOWN_COMMAND",
        "EMPTY_FIELD",
    ]


def of_an_older_release(life: Life, command: Command, **fields: Phase) -> None:
    """Its row as a release without ranks left it."""
    life.tables.commands.commands.put(replace(life.row(command.command_id), rank=0, **fields))  # type: ignore[arg-type]


def test_an_order_of_an_older_release_is_not_undone_below_a_later_one() -> None:
    life = Life()
    first, second = deployed(life, "b", "c")
    for command in (first, second):
        of_an_older_release(life, command)
    of_an_older_release(life, first, phase=Phase.IN_PROGRESS)
    life.report(first, Status.FAILED)
    assert (life.phases(), len(life.issued())) == ([Phase.FAILED, Phase.COMPLETED], 2)
    cancel(life, first)
    assert life.refused[-1].startswith("NOT_OPEN: ")
    cancel(life, second)
    assert life.phases()[:2] == [Phase.FAILED, Phase.COMPENSATING]


@pytest.mark.parametrize(
    ("said", "ends"),
    [(Status.COMPLETED, Phase.COMPENSATED), (Status.REFUSED, Phase.COMPENSATION_FAILED)],
)
def test_what_an_older_release_was_to_undo_afterwards_ends_and_is_told(
    said: Status, ends: Phase
) -> None:
    life = Life()
    first, second = deployed(life, "b", "c")
    of_an_older_release(life, first, phase=Phase.COMPENSATING)
    of_an_older_release(life, second)
    life.tables.commands.commands.put(replace(life.row(second.command_id), rank=2))
    cancel(life, second)
    life.report(life.issued()[-1], said)
    assert life.phases()[:2] == [Phase.COMPENSATION_FAILED, ends]
    told = [
        one
        for one in life.records(ALERTS)
        if isinstance(one, Alert) and one.rule == "command not undone"
    ]
    assert any(first.command_id in one.message for one in told)


def test_to_take_a_deployment_back_keeps_automation_from_no_rollback() -> None:
    life = Life()
    (deployment,) = deployed(life, "b")
    cancel(life, deployment)
    assert life.find(variant="c", model_version="vc").outcome == Outcome.ISSUED
