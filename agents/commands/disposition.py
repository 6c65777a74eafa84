"""Says what becomes of a finding: its command is issued, a person or the budget is asked, it is
held back, or it is only noted.

Everything that decides that stands in `dispose`, which writes nothing. The rows are gone through
from the top. The first of 1 to 9 that fits says whether the order is allowed; where it is, or where
a person is asked, the first of 10 to 15 that fits says how its command begins.

    1  nothing is to be ordered                                              HELD
    2  a person's rollback, to what has served or may be deployed at once    allowed
    3  a person's other order, where the autonomy is AUTO                    allowed
    4  any other order of a person                                           a person is asked
    5  harm of what automation's own deployment, at work, puts in service    allowed
    6  the autonomy is PROPOSE                                               PROPOSED
    7  it is OBSERVE, or a level that this version does not know             OBSERVED
    8  it is APPROVE, or the finding itself asks for a person                a person is asked
    9  it is AUTO                                                            allowed

    10 a like command is open (but a person's rollback or deployment goes)   HELD
    11 a person is asked, by row 4 or 8                                      AWAITING_APPROVAL
    12 a person orders it                                                    ISSUED
    13 the subject is frozen, a person's order has the target, or a          AWAITING_APPROVAL
       deployment would take the place of a rollback that is not done
    14 the budget has no room                                                AWAITING_ADMISSION
    15 nothing of that                                                       ISSUED

What waits for the budget is looked at once more when the budget answers, by row 13
(`approvals.admitted`). `decided` makes the decision of it, as it is written.
"""

from dataclasses import dataclass
from typing import Protocol

from agents.commands.service_history import REVERSIBLE
from agents.core.batch import Finding
from agents.core.provenance import Provenance
from schemas.ids import command_id
from schemas.records import Autonomy, CommandRow, Decision, Order, Outcome, Policy

_NOTED = {Autonomy.PROPOSE: Outcome.PROPOSED}
_ALLOWED = (Outcome.ISSUED, Outcome.AWAITING_APPROVAL)
VERSION = "22"  # of the agents; a change that decides old records differently raises it
_WITH_COMMAND = frozenset({Outcome.ISSUED, Outcome.AWAITING_APPROVAL, Outcome.AWAITING_ADMISSION})


class CommandCase(Protocol):
    """Answers what the outcome of a finding depends on. Each question is asked only where its row
    is reached; none of them changes anything.
    """

    @property
    def order(self) -> Order:
        """Returns what is to be ordered."""

    @property
    def autonomy(self) -> Autonomy:
        """How far this may go by itself: of the experiment, else of the policy."""

    @property
    def asked_by(self) -> str:
        """The person whose own order it is; empty where automation found it."""

    def may_go_back(self) -> bool:
        """Returns whether a person may roll back to the version without another's approval."""

    def why_a_person(self) -> str:
        """Why the finding itself asks for a person; empty where it does not."""

    def own_deployment_at_work(self) -> bool:
        """Returns whether automation's own deployment is putting in service what does harm."""

    def like_command(self) -> CommandRow | None:
        """The open command that holds this one back."""

    def why_approval(self) -> str:
        """Returns what a command that a person is asked for waits for."""

    def left_to_people(self) -> str:
        """Why automation must not act on the target just now; empty where it may."""

    def over_budget(self) -> str:
        """Why the budget has no room for one more command; empty where it has."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """Holds what becomes of a finding.

    said: what is added to the reason of its decision. waits_for: what its command waits for, empty
    where it does not wait or there is none. held_by: the id of the open command that holds it back.
    """

    outcome: Outcome
    said: str = ""
    waits_for: str = ""
    held_by: str | None = None


def dispose(case: CommandCase) -> Disposition:
    """Returns what becomes of a finding, by the first rows of the table above that fit."""
    allowed, said = _allowed(case)
    if allowed not in _ALLOWED:
        return Disposition(allowed, said)
    standing = None if case.asked_by and case.order in REVERSIBLE else case.like_command()
    if standing is not None:
        held = f" (held: {case.order.lower()} {standing.command_id} is open)"
        return Disposition(Outcome.HELD, said + held, held_by=standing.command_id)
    if allowed == Outcome.AWAITING_APPROVAL:
        return Disposition(allowed, said, case.why_approval())
    if case.asked_by:
        return Disposition(Outcome.ISSUED, said)
    if why := case.left_to_people():
        return Disposition(Outcome.AWAITING_APPROVAL, said, why)
    if why := case.over_budget():
        return Disposition(Outcome.AWAITING_ADMISSION, said, why)
    return Disposition(Outcome.ISSUED, said)


def _allowed(case: CommandCase) -> tuple[Outcome, str]:
    """Rows 1 to 9: ISSUED where the order is allowed, AWAITING_APPROVAL where it is and a person is
    to be asked, else the outcome; and what is added to the reason.
    """
    asks = case.why_a_person()
    said = f" (a person is asked: {asks})" if asks else ""
    if case.order == Order.NONE:
        return Outcome.HELD, said
    if case.asked_by:
        at_once = (
            case.may_go_back() if case.order == Order.ROLLBACK else case.autonomy == Autonomy.AUTO
        )
        return Outcome.ISSUED if at_once else Outcome.AWAITING_APPROVAL, said
    by_autonomy = _by_autonomy(case.autonomy, bool(asks))
    if by_autonomy != Outcome.ISSUED and case.own_deployment_at_work():
        return Outcome.ISSUED, f"{said} (at once: the deployment of it is under way)"
    return by_autonomy, said


def _by_autonomy(autonomy: Autonomy, asks: bool) -> Outcome:
    """Rows 6 to 9. A level that this version does not know must not act."""
    if autonomy == Autonomy.AUTO:
        return Outcome.AWAITING_APPROVAL if asks else Outcome.ISSUED
    if autonomy == Autonomy.APPROVE:
        return Outcome.AWAITING_APPROVAL
    return _NOTED.get(autonomy, Outcome.OBSERVED)


def decided(
    finding: Finding, disposition: Disposition, policy: Policy, place: Provenance
) -> Decision:
    """The decision on what was found in one record, dated by the broker's clock, with the id of the
    command that it orders, or of the open one that holds it back.
    """
    decision_id = place.event_id(finding.agent, finding.ordinal)
    ordered = disposition.outcome in _WITH_COMMAND
    return Decision(
        decision_id=decision_id,
        subject=finding.subject,
        verdict=finding.verdict,
        order=finding.order,
        outcome=disposition.outcome,
        experiment_id=finding.experiment_id,
        variant=finding.variant,
        model_version=finding.model_version,
        metric=finding.metric,
        rule=finding.rule,
        reason=finding.reason + disposition.said,
        evidence=finding.evidence,
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        command_id=command_id(decision_id, finding.order) if ordered else disposition.held_by,
        decided_at=place.now,
        agents=VERSION,
    )


def noted(finding: Finding, policy: Policy, place: Provenance) -> Decision:
    """The decision on what orders nothing and is only to be known."""
    assert finding.order == Order.NONE, f"{finding.rule} orders something"
    return decided(finding, Disposition(Outcome.HELD), policy, place)
