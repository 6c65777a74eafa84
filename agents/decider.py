"""What comes of a finding: an order, a question to a person, or a note, by the autonomy in force."""

from agents.slice import Facts, Finding
from schemas.ids import decision_id
from schemas.records import Autonomy, Decision, ExperimentRow, Order, Outcome, Policy

VERSION = "2"  # of the agents; a change that decides old records differently raises it

_OUTCOMES = {
    Autonomy.AUTO: Outcome.ISSUED,
    Autonomy.APPROVE: Outcome.AWAITING_APPROVAL,
    Autonomy.PROPOSE: Outcome.PROPOSED,
    Autonomy.OBSERVE: Outcome.OBSERVED,
    Autonomy.UNKNOWN: Outcome.OBSERVED,  # a level this version does not know must not act
}


def decide(facts: Facts, finding: Finding, policy: Policy, experiment: ExperimentRow | None) -> Decision:
    """The decision on one finding, dated by the broker's clock."""
    autonomy = (experiment.autonomy if experiment else None) or _of_policy(policy, finding.order)
    offset = int(facts.offsets[finding.at])
    return Decision(
        decision_id=decision_id(facts.topic, facts.partition, offset, finding.agent, finding.ordinal),
        subject=finding.subject,
        verdict=finding.verdict,
        order=finding.order,
        outcome=Outcome.HELD if finding.order == Order.NONE else _OUTCOMES[autonomy],
        experiment_id=finding.experiment_id,
        variant=finding.variant,
        model_version=finding.model_version,
        metric=finding.metric,
        rule=finding.rule,
        reason=finding.reason,
        evidence=finding.evidence,
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        command_id=None,
        decided_at=int(facts.now[finding.at]),
        agents=VERSION,
    )


def _of_policy(policy: Policy, order: Order) -> Autonomy:
    return {
        Order.ROLLBACK: policy.rollback,
        Order.DEPLOY: policy.deploy,
        Order.RETRAIN: policy.retrain,
        Order.IMPROVE: policy.improve,
    }.get(order, Autonomy.OBSERVE)
