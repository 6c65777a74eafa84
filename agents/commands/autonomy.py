"""Makes the decision on a finding, as it is written to the topic of decisions."""

from agents.commands.disposition import Disposition
from agents.core.batch import Finding
from agents.core.provenance import Provenance
from schemas.ids import command_id
from schemas.records import Decision, Order, Outcome, Policy

VERSION = "7"  # of the agents; a change that decides old records differently raises it

_WITH_COMMAND = frozenset({Outcome.ISSUED, Outcome.AWAITING_APPROVAL, Outcome.AWAITING_ADMISSION})


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
