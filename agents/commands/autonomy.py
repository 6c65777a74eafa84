"""What comes of a finding: an order, a question to a person, or a note, by the autonomy in
force.
"""

from agents.core.batch import Facts, Finding
from agents.core.policies import autonomy_of
from agents.core.provenance import Provenance
from schemas.records import Autonomy, Decision, ExperimentRow, Order, Outcome, Policy

VERSION = "7"  # of the agents; a change that decides old records differently raises it

_OUTCOMES = {
    Autonomy.AUTO: Outcome.ISSUED,
    Autonomy.APPROVE: Outcome.AWAITING_APPROVAL,
    Autonomy.PROPOSE: Outcome.PROPOSED,
    Autonomy.OBSERVE: Outcome.OBSERVED,
    Autonomy.UNKNOWN: Outcome.OBSERVED,  # a level this version does not know must not act
}


def decide(
    facts: Facts, finding: Finding, policy: Policy, experiment: ExperimentRow | None
) -> Decision:
    """The decision on one finding of a slice, dated by the broker's clock."""
    at = finding.at
    place = Provenance(facts.topic, facts.partition, int(facts.offsets[at]), int(facts.now[at]))
    return decided(finding, policy, experiment, place)


def decided(
    finding: Finding, policy: Policy, experiment: ExperimentRow | None, place: Provenance
) -> Decision:
    """The decision on what was found in one record."""
    autonomy = (experiment.autonomy if experiment else None) or autonomy_of(
        policy, finding.order, finding.rule, finding.environment
    )
    if finding.asks and autonomy == Autonomy.AUTO:
        autonomy = Autonomy.APPROVE
    return Decision(
        decision_id=place.event_id(finding.agent, finding.ordinal),
        subject=finding.subject,
        verdict=finding.verdict,
        order=finding.order,
        outcome=Outcome.HELD if finding.order == Order.NONE else _OUTCOMES[autonomy],
        experiment_id=finding.experiment_id,
        variant=finding.variant,
        model_version=finding.model_version,
        metric=finding.metric,
        rule=finding.rule,
        reason=f"{finding.reason} (a person is asked: {finding.asks})"
        if finding.asks
        else finding.reason,
        evidence=finding.evidence,
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        command_id=None,
        decided_at=place.now,
        agents=VERSION,
    )
