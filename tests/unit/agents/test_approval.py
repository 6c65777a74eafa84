"""What waits for a person: approved by another one, as it was seen, in time, and only while it
still makes sense.
"""

from dataclasses import replace

import pytest

from agents.commands.guards import APPROVAL_MS
from schemas.catalog import ALERTS, SPECS
from schemas.records import (
    Alert,
    Approver,
    Autonomy,
    AutonomyRule,
    CommandRow,
    DeployCommand,
    Event,
    ExperimentStatus,
    Order,
    Outcome,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    Status,
)
from tests.support.builders import NOON, spec
from tests.support.life import Life

APPROVE, REJECT = ReviewVerdict.APPROVE, ReviewVerdict.REJECT
HOUR = 3_600_000


def waiting(life: Life, kind: Order = Order.DEPLOY, **fields: str) -> CommandRow:
    decision = life.find(kind, autonomy=Autonomy.APPROVE, **fields)
    row = life.row(decision.command_id)
    assert (decision.outcome, row.phase, life.issued()) == (
        Outcome.AWAITING_APPROVAL,
        Phase.PENDING_APPROVAL,
        [],
    )
    return row


def test_an_approval_issues_what_was_seen() -> None:
    life = Life()
    row = waiting(life)
    life.now += 1_000
    life.review(row, APPROVE)
    (command,) = life.issued()
    assert (type(command), command.command_id, command.fencing_token) == (
        DeployCommand,
        row.command_id,
        1,
    )
    assert (command.issued_at, command.expires_at) == (life.now, life.now + HOUR)
    after = life.row(row.command_id)
    assert (after.phase, after.approved_by, after.waits_for) == (Phase.ISSUED, "bob", "")
    assert [(one.event, one.by) for one in life.moved()] == [
        (Event.ASK_PERSON, "mendstream"),
        (Event.APPROVE, "bob"),
    ]


def test_a_rejection_ends_it_and_the_next_finding_may_ask_again() -> None:
    life = Life()
    life.review(waiting(life), REJECT)
    assert (life.phases(), life.issued()) == ([Phase.REJECTED], [])
    waiting(life)


def test_nobody_approves_a_request_of_their_own() -> None:
    life = Life()
    life.ask(RequestKind.DEPLOY, by="ann", variant="b")
    (row,) = life.rows()
    life.review(row, APPROVE, by="ann")
    assert life.refused[0].startswith("OWN_REQUEST: ann asked for ")
    life.review(row, APPROVE, by="bob")
    assert life.phases() == [Phase.ISSUED]


def test_only_the_approvers_of_the_policy_count() -> None:
    row = waiting(life := Life(approved_by(Approver("eve"), Approver("bob", Order.RETRAIN))))
    life.review(row, APPROVE, by="bob")
    assert life.refused[0].startswith(
        f"NO_APPROVER: bob is none of those who may approve a {row.order}"
    )
    life.review(row, APPROVE, by="eve")
    assert life.phases() == [Phase.ISSUED]


def test_an_approver_of_an_order_approves_that_order() -> None:
    life = Life(approved_by(Approver("bob", Order.RETRAIN)))
    life.ask(RequestKind.RETRAIN, by="ann")
    life.ask(RequestKind.IMPROVE, by="ann")
    for row in life.rows():
        life.review(row, APPROVE, by="bob")
    assert {row.order: row.phase for row in life.rows()} == {
        Order.RETRAIN: Phase.ISSUED,
        Order.IMPROVE: Phase.PENDING_APPROVAL,
    }


def approved_by(*approvers: Approver) -> Policy:
    return Policy(event_id="p", policy_id="p", approvers=approvers)


def test_a_review_of_something_else_does_not_count() -> None:
    life = Life()
    row = waiting(life)
    life.review(row, APPROVE, digest="0" * 64)
    assert life.refused[0].startswith("OTHER_CONTENT: ")
    assert life.phases() == [Phase.PENDING_APPROVAL]


def test_what_an_older_version_left_waiting_is_to_be_ordered_anew() -> None:
    life = Life()
    row = replace(waiting(life), command=None)
    life.tables.commands.commands.put(row)
    life.review(row, APPROVE)
    assert life.refused[0].startswith("NOT_PENDING: ")
    assert "order it anew" in life.refused[0]


def test_a_review_of_what_does_not_wait_is_refused() -> None:
    life = Life()
    row = waiting(life)
    life.review(row, APPROVE)
    life.review(row, REJECT)
    assert life.refused[0].startswith("NOT_PENDING: ")
    assert life.phases() == [Phase.ISSUED]


@pytest.mark.parametrize("kind", [Order.ROLLBACK, Order.RETRAIN, Order.DEPLOY, Order.IMPROVE])
def test_people_are_reminded_at_half_time_and_told_when_it_was_in_vain(kind: Order) -> None:
    life, wait = Life(), APPROVAL_MS[kind]
    waiting(life, kind)
    life.wait(wait // 2 - 1)
    assert life.records(ALERTS) == []
    life.wait(1)
    assert [one.rule for one in life.records(ALERTS) if isinstance(one, Alert)] == ["approval late"]
    life.wait(wait // 2)
    told = [(one.rule, one.state) for one in life.records(ALERTS) if isinstance(one, Alert)]
    assert told == [
        ("approval late", "RAISED"),
        ("approval late", "RESOLVED"),
        ("approval expired", "RAISED"),
    ]
    assert life.phases() == [Phase.EXPIRED]


def test_what_no_longer_holds_is_not_issued() -> None:
    life = Life()
    terms = spec(event_id="s1", experiment_id="exp", subject="bot", treatments=("b",))
    life.send(SPECS, [terms])
    row = waiting(life)
    life.send(SPECS, [replace(terms, event_id="s2", status=ExperimentStatus.STOPPED)])
    life.review(row, APPROVE)
    assert (life.phases(), life.issued()) == ([Phase.STALE], [])
    assert "was stopped" in life.moved()[-1].detail


def test_safety_goes_on_while_an_approval_waits() -> None:
    life = Life()
    waiting(life, Order.DEPLOY)
    life.find(Order.ROLLBACK)
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED]


def test_a_freeze_leaves_everything_to_people() -> None:
    for frozen in ("bot", "*"):
        life = Life()
        life.ask(RequestKind.FREEZE, subject=frozen)
        decision = life.find()
        row = life.row(decision.command_id)
        assert (decision.outcome, row.waits_for) == (
            Outcome.AWAITING_APPROVAL,
            f"ann froze {frozen}",
        )
        life.ask(RequestKind.ROLLBACK, variant="c")
        assert [one.variant for one in life.issued()] == ["c"]
        life.ask(RequestKind.UNFREEZE, subject=frozen)
        assert life.find(subject="shop").outcome == Outcome.ISSUED


def test_a_freeze_of_a_tenant_is_none_of_another() -> None:
    life = Life()
    life.ask(RequestKind.FREEZE, subject="acme/*")
    assert life.find(subject="acme/bot").outcome == Outcome.AWAITING_APPROVAL
    assert life.find(subject="bot").outcome == Outcome.ISSUED


def test_under_a_freeze_nothing_is_tried_again() -> None:
    life = Life()
    life.find()
    life.ask(RequestKind.FREEZE)
    life.report(life.issued()[0], Status.FAILED)
    life.wait(60_000)
    assert (life.phases(), len(life.issued())) == ([Phase.FAILED], 1)
    assert "ann froze bot" in life.moved()[-1].detail


def test_after_a_persons_own_order_its_target_is_left_to_people_for_a_while() -> None:
    life = Life(Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO, manual_lock_ms=HOUR))
    life.ask(RequestKind.DEPLOY, variant="c")
    assert life.find().outcome == Outcome.AWAITING_APPROVAL
    assert life.find(environment="staging").outcome == Outcome.ISSUED
    life.now = NOON + HOUR
    assert life.find(variant="d").outcome == Outcome.ISSUED


def test_a_persons_rollback_takes_the_place_of_what_waits_and_is_issued_at_once() -> None:
    life = Life(Policy(event_id="p", policy_id="p", rollback=Autonomy.OBSERVE))
    waiting(life, Order.ROLLBACK)
    life.ask(RequestKind.ROLLBACK, variant="b", experiment_id="exp")
    assert life.phases() == [Phase.SUPERSEDED, Phase.ISSUED]


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (AutonomyRule(Autonomy.OBSERVE), True),
        (AutonomyRule(Autonomy.OBSERVE, order=Order.IMPROVE), True),
        (AutonomyRule(Autonomy.OBSERVE, order=Order.RETRAIN), False),
        (AutonomyRule(Autonomy.OBSERVE, rule="a person's"), True),
        (AutonomyRule(Autonomy.OBSERVE, rule="harm"), False),
        (AutonomyRule(Autonomy.OBSERVE, environment="staging"), False),
        (AutonomyRule(Autonomy.OBSERVE, environment="production"), True),
    ],
)
def test_autonomy_goes_by_order_rule_and_environment(rule: AutonomyRule, fits: bool) -> None:
    life = Life(Policy(event_id="p", policy_id="p", improve=Autonomy.AUTO, autonomies=(rule,)))
    life.ask(RequestKind.IMPROVE)
    assert (life.phases() == [Phase.PENDING_APPROVAL]) is fits
