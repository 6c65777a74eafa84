"""What puts a version in service needs what a deployment needs, whatever verb it hides behind."""

from dataclasses import replace

import pytest

from schemas.catalog import METRICS, SPECS
from schemas.records import (
    Approver,
    Autonomy,
    Order,
    Outcome,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    Status,
)
from tests.support.builders import metric, spec
from tests.support.life import Life

ROLLBACK, DEPLOY, CANCEL = RequestKind.ROLLBACK, RequestKind.DEPLOY, RequestKind.CANCEL
APPROVE = ReviewVerdict.APPROVE
ONLY_BOB = Policy(
    event_id="p",
    policy_id="p",
    approvers=(Approver("bob", Order.DEPLOY), Approver("eve", Order.ROLLBACK)),
)


def versions(life: Life) -> list[str | None]:
    """What commands put in service so far."""
    return [one.to_version for one in life.issued() if one.to_version]


def test_a_version_that_nobody_approved_does_not_come_by_a_rollback_that_is_cancelled() -> None:
    life = Life(ONLY_BOB)
    life.ask(ROLLBACK, model_version="evil", by="ann")
    (rollback,) = life.issued()
    life.report(rollback, Status.COMPLETED)
    life.ask(CANCEL, command_id=rollback.command_id, by="ann")
    assert (versions(life), life.phases()) == ([], [Phase.COMPENSATING, Phase.PENDING_APPROVAL])
    waiting = life.rows()[-1]
    for who, reason in (("ann", "OWN_REQUEST"), (" ANN ", "OWN_REQUEST"), ("eve", "NO_APPROVER")):
        life.review(waiting, APPROVE, by=who)
        assert (life.refused[-1].partition(":")[0], versions(life)) == (reason, [])
    life.review(waiting, APPROVE, by="Bob")
    assert versions(life) == ["evil"]


def test_a_rollback_goes_only_to_what_served_before() -> None:
    life = Life(ONLY_BOB)
    life.ask(ROLLBACK, model_version="v2", to_version="evil", by="ann")
    (waiting,) = life.rows()
    assert (waiting.phase, life.issued()) == (Phase.PENDING_APPROVAL, [])
    assert (
        waiting.waits_for
        == "version evil never served bot/production, so it needs what a deployment needs"
    )
    life.review(waiting, APPROVE, by="eve")
    assert life.refused[-1].startswith(
        "NO_APPROVER: eve is none of those who may approve a DEPLOY "
    )
    life.review(waiting, APPROVE, by="bob")
    assert versions(life) == ["evil"]


def test_where_the_policy_lets_deployments_go_such_a_rollback_goes_too() -> None:
    life = Life(Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO))
    life.ask(ROLLBACK, model_version="v2", to_version="v9")
    assert versions(life) == ["v9"]


def deployed(version: str, environment: str = "production") -> Life:
    life = Life(ONLY_BOB)
    life.ask(DEPLOY, to_version=version, by="ann", environment=environment)
    life.review(life.rows()[-1], APPROVE)
    life.report(life.issued()[-1], Status.COMPLETED)
    return life


def test_what_was_deployed_and_approved_may_be_gone_back_to_at_once() -> None:
    life = deployed("v1")
    life.ask(ROLLBACK, model_version="v2", to_version="v1", by="ann")
    assert life.phases() == [Phase.COMPLETED, Phase.ISSUED]


@pytest.mark.parametrize("how", ["undone", "rolled back", "elsewhere", "a dry run", "not done"])
def test_what_was_taken_out_or_never_in_is_not_gone_back_to(how: str) -> None:
    life = deployed("v1", "staging" if how == "elsewhere" else "production")
    if how == "undone":
        life.ask(CANCEL, command_id=life.issued()[-1].command_id)
        life.report(life.issued()[-1], Status.COMPLETED)
    if how == "rolled back":
        life.ask(ROLLBACK, model_version="v1")
        life.report(life.issued()[-1], Status.COMPLETED)
    version = "v1"
    if how == "a dry run":
        life.find(
            Order.DEPLOY,
            variant="c",
            model_version="v5",
            to_version="v5",
            dry_run=True,
            autonomy=Autonomy.AUTO,
        )
        life.review(life.rows()[-1], APPROVE)
        life.report(life.issued()[-1], Status.COMPLETED)
        version = "v5"
    if how == "not done":
        life.ask(DEPLOY, to_version="v5")
        life.review(life.rows()[-1], APPROVE)
        version = "v5"
    before = len(life.issued())
    life.ask(ROLLBACK, model_version="v2", to_version=version)
    assert (life.rows()[-1].phase, len(life.issued())) == (Phase.PENDING_APPROVAL, before)


def test_what_served_live_may_be_gone_back_to() -> None:
    life = Life()
    life.send(METRICS, [metric(1, model_version="v1")])
    life.ask(ROLLBACK, model_version="v2", to_version="v1")
    assert life.phases() == [Phase.ISSUED]


def test_a_baseline_that_a_spec_names_without_results_is_not_put_in_by_an_undoing() -> None:
    life = Life(ONLY_BOB)
    terms = spec(baseline_version="v1", candidate_version="v2")
    life.send(SPECS, [terms])
    life.ask(DEPLOY, experiment_id="exp", variant="b", to_version="v2", by="ann")
    life.review(life.rows()[-1], APPROVE)
    life.report(life.issued()[-1], Status.COMPLETED)
    life.send(SPECS, [replace(terms, event_id="changed", baseline_version="evil")])
    life.ask(CANCEL, command_id=life.issued()[-1].command_id, by="ann")
    undo = life.issued()[-1]
    assert (undo.compensates, undo.to_version, undo.model_version) == (
        life.rows()[0].command_id,
        None,
        "v2",
    )


def test_a_request_that_nobody_approved_keeps_automation_off_nothing() -> None:
    life = Life()
    life.find(Order.ROLLBACK, autonomy=Autonomy.APPROVE)
    life.ask(DEPLOY, to_version="v9", by="ann")
    assert life.phases() == [Phase.PENDING_APPROVAL, Phase.PENDING_APPROVAL], "a rollback waits on"
    assert life.find(Order.ROLLBACK, variant="c").outcome == Outcome.ISSUED, (
        "the target is not left to ann"
    )


def test_nobody_is_mendstream_itself() -> None:
    life = Life()
    life.find(Order.ROLLBACK)
    life.ask(CANCEL, command_id=life.issued()[0].command_id, by="Mendstream")
    assert life.refused == [
        "OUT_OF_RANGE: requested_by is 'Mendstream', which is Mendstream itself: say which person "
        "it is"
    ]
    assert life.phases() == [Phase.ISSUED]
