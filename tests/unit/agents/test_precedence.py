"""The newest order of a target wins for good, whatever became of older ones; these undo nothing and
change nothing.
"""

from typing import Any

import pytest

from schemas.catalog import ALERTS
from schemas.ids import command_id
from schemas.records import (
    Alert,
    Autonomy,
    Command,
    DeployCommand,
    FailureCause,
    Order,
    Outcome,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    RollbackCommand,
    Status,
)
from tests.support.life import Life

AUTO = Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO)
DEPLOY, ROLLBACK = RequestKind.DEPLOY, RequestKind.ROLLBACK
FAR = [None, Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.FAILED]
HOUR = 3_600_000


def ask(life: Life, kind: RequestKind, **fields: Any) -> Command:
    life.ask(kind, **fields)
    return life.issued()[-1]


def get(life: Life, command: Command) -> Phase:
    return life.row(command.command_id).phase


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("late", list(Status)[1:])
def test_fixing_forward_while_a_canary_bakes(far: Status | None, late: Status) -> None:
    life = Life(AUTO)
    first = ask(life, DEPLOY, to_version="v2")
    if far is not None:
        life.report(first, far, cause=FailureCause.DEPLOYER)
    second = ask(life, DEPLOY, by="bob", to_version="v3")
    assert get(life, first) == Phase.SUPERSEDED
    life.report(first, late)
    life.wait(1_000)
    life.report(second, Status.IN_PROGRESS)
    life.report(first, Status.FAILED)
    life.wait(HOUR // 2)
    life.report(second, Status.COMPLETED)
    life.wait(24 * HOUR)
    assert (get(life, first), get(life, second)) == (Phase.SUPERSEDED, Phase.COMPLETED)
    tries = [one.command_id for one in life.issued()]
    assert tries.count(first.command_id) == 1, "what is replaced is never tried again"
    assert not [one for one in life.issued() if one.compensates], "nothing is undone"


def test_what_an_older_order_is_undone_by_goes_as_well() -> None:
    life = Life(AUTO)
    first = ask(life, DEPLOY, to_version="v2")
    life.report(first, Status.FAILED, cause=FailureCause.CANDIDATE)
    undo = life.issued()[-1]
    assert (undo.compensates, get(life, first)) == (first.command_id, Phase.COMPENSATING)
    second = ask(life, DEPLOY, by="bob", to_version="v3")
    assert (get(life, first), get(life, undo), get(life, second)) == (
        Phase.SUPERSEDED,
        Phase.SUPERSEDED,
        Phase.ISSUED,
    )
    life.report(undo, Status.FAILED)
    life.report(second, Status.COMPLETED)
    life.wait(24 * HOUR)
    assert get(life, second) == Phase.COMPLETED
    assert "command not undone" not in [getattr(one, "rule", "") for one in life.records(ALERTS)]


def test_an_undo_does_not_take_the_place_of_a_later_order_that_waits() -> None:
    life = Life()
    life.find(Order.DEPLOY)
    life.ask(DEPLOY, to_version="v3")
    later = life.rows()[-1]
    assert later.phase == Phase.PENDING_APPROVAL
    life.report(life.issued()[0], Status.FAILED, cause=FailureCause.CANDIDATE)
    assert [one.phase for one in life.rows()] == [
        Phase.COMPENSATING,
        Phase.PENDING_APPROVAL,
        Phase.ISSUED,
    ]
    life.review(life.row(later.command_id), ReviewVerdict.APPROVE)
    assert [one.phase for one in life.rows()] == [Phase.SUPERSEDED, Phase.ISSUED, Phase.SUPERSEDED]


def test_an_older_order_that_is_approved_last_does_not_win() -> None:
    life = Life()
    older = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE, variant="b")
    newer = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE, variant="c")
    life.review(life.row(newer.command_id), ReviewVerdict.APPROVE)
    assert life.row(older.command_id).phase == Phase.SUPERSEDED
    life.review(life.row(older.command_id), ReviewVerdict.APPROVE)
    assert [one.variant for one in life.issued()] == ["c"]
    assert life.refused[-1].startswith("NOT_PENDING: ")


def test_what_is_approved_first_gives_way_to_what_was_ordered_later() -> None:
    life = Life()
    older = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE, variant="b")
    newer = life.find(Order.DEPLOY, autonomy=Autonomy.APPROVE, variant="c")
    life.review(life.row(older.command_id), ReviewVerdict.APPROVE)
    assert life.row(newer.command_id).phase == Phase.PENDING_APPROVAL
    life.review(life.row(newer.command_id), ReviewVerdict.APPROVE)
    assert (life.row(older.command_id).phase, life.row(newer.command_id).phase) == (
        Phase.SUPERSEDED,
        Phase.ISSUED,
    )


def test_rollbacks_of_two_things_stand_beside_each_other_and_of_one_the_later_wins() -> None:
    life = Life()
    life.find(variant="b", model_version="vb")
    life.find(variant="c", model_version="vc")
    assert life.phases() == [Phase.ISSUED, Phase.ISSUED]
    life.ask(ROLLBACK, variant="b", experiment_id="exp")
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED, Phase.ISSUED]
    life.ask(ROLLBACK)
    assert life.phases() == [Phase.SUPERSEDED, Phase.SUPERSEDED, Phase.SUPERSEDED, Phase.ISSUED]


@pytest.mark.parametrize("autonomy", [Autonomy.APPROVE, Autonomy.AUTO])
def test_what_a_later_rollback_takes_out_no_older_rollback_brings_back(autonomy: Autonomy) -> None:
    life = Life()
    older = life.find(autonomy=autonomy, variant=None, model_version="v2", to_version="v3")
    newer = life.find(variant=None, model_version="v3", to_version=None, ordinal="v3")
    assert (life.row(older.command_id).phase, life.row(newer.command_id).phase) == (
        Phase.SUPERSEDED,
        Phase.ISSUED,
    )
    alerts = [one for one in life.records(ALERTS) if isinstance(one, Alert)]
    told = [one.message for one in alerts if one.rule == "rollback not done"]
    assert len(told) == 1, "v2 was to be out of service, and is not"
    assert str(older.command_id) in told[0]


def test_a_rollback_to_another_version_than_a_later_one_takes_out_stands() -> None:
    life = Life()
    life.find(variant=None, model_version="v2", to_version="v1")
    life.find(variant=None, model_version="v3", to_version=None, ordinal="v3")
    assert life.phases() == [Phase.ISSUED, Phase.ISSUED]


def test_a_persons_own_order_is_not_held_by_a_like_one_that_nobody_answers() -> None:
    life = Life()
    life.find()
    life.ask(ROLLBACK, variant="b", experiment_id="exp", model_version="v2")
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED]
    assert [one.fencing_token for one in life.issued()] == [1, 2]


def test_automation_does_not_deploy_in_the_place_of_a_rollback_that_is_not_done() -> None:
    life = Life()
    rollback = life.find()
    deploy = life.find(Order.DEPLOY, variant="c")
    assert deploy.outcome == Outcome.AWAITING_APPROVAL
    assert (
        life.row(deploy.command_id).waits_for
        == f"rollback {rollback.command_id} of bot/production is not done"
    )
    life.review(life.row(deploy.command_id), ReviewVerdict.APPROVE)
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED]


def test_a_dry_run_takes_the_place_of_nothing_and_leaves_nothing_to_undo() -> None:
    life = Life(AUTO)
    real = ask(life, DEPLOY, to_version="v2")
    life.ask(RequestKind.UNFREEZE)
    life.find(Order.ROLLBACK, dry_run=True)
    life.find(Order.DEPLOY, dry_run=True, variant="c")
    assert get(life, real) == Phase.ISSUED
    dry = [one for one in life.issued() if one.dry_run]
    life.report(dry[-1], Status.FAILED, cause=FailureCause.CANDIDATE)
    assert get(life, dry[-1]) == Phase.FAILED
    life.report(dry[0], Status.COMPLETED)
    life.ask(RequestKind.CANCEL, command_id=dry[0].command_id)
    assert life.refused[-1].startswith("NOT_OPEN: ")
    assert not [one for one in life.issued() if one.compensates]


@pytest.mark.parametrize(
    ("kind", "cause", "phase"),
    [
        (Order.DEPLOY, FailureCause.CANDIDATE, Phase.COMPENSATING),
        (Order.DEPLOY, FailureCause.UNKNOWN, Phase.COMPENSATING),
        (Order.DEPLOY, FailureCause.DEPLOYER, Phase.RETRYING),
        (Order.DEPLOY, FailureCause.SUPERSEDED, Phase.SUPERSEDED),
        (Order.ROLLBACK, FailureCause.CANDIDATE, Phase.FAILED),
        (Order.ROLLBACK, FailureCause.UNKNOWN, Phase.RETRYING),
        (Order.ROLLBACK, FailureCause.DEPLOYER, Phase.RETRYING),
        (Order.ROLLBACK, FailureCause.SUPERSEDED, Phase.SUPERSEDED),
        (Order.RETRAIN, FailureCause.UNKNOWN, Phase.RETRYING),
    ],
)
def test_only_failures_of_the_deployer_are_tried_again(
    kind: Order, cause: FailureCause, phase: Phase
) -> None:
    life = Life()
    life.find(kind)
    (command,) = life.issued()
    life.report(command, Status.FAILED, cause=cause)
    assert get(life, command) == phase
    life.wait(24 * HOUR)
    again = [one for one in life.issued() if one.command_id == command.command_id]
    assert (len(again) > 1) == (phase == Phase.RETRYING)
    if phase == Phase.COMPENSATING:
        undo = life.row(command_id(command.command_id, "UNDO"))
        assert isinstance(life.issued()[1], RollbackCommand), undo
    assert isinstance(life.issued()[0], DeployCommand) == (kind == Order.DEPLOY)


def test_a_persons_request_that_nobody_approved_holds_no_proved_rollback() -> None:
    life = Life()
    life.ask(
        ROLLBACK, variant="b", experiment_id="exp", model_version="v2", to_version="never served"
    )
    assert life.phases() == [Phase.PENDING_APPROVAL]
    assert life.find().outcome == Outcome.ISSUED
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED]
    assert life.find().outcome == Outcome.HELD, "one of automation's own is open"


def test_a_dry_run_that_is_open_holds_no_rollback_and_is_not_ordered_twice() -> None:
    life = Life()
    assert life.find(dry_run=True).outcome == Outcome.ISSUED
    assert life.find(dry_run=True).outcome == Outcome.HELD
    assert life.find().outcome == Outcome.ISSUED
    assert life.find(dry_run=True).outcome == Outcome.HELD
    assert [one.dry_run for one in life.issued()] == [True, False]
