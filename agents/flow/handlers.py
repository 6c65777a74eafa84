"""What follows from a record of each low-volume input: a function each, registered in inputs.py."""

from agents.alerts import raising
from agents.commands import autonomy
from agents.commands.known_subjects import rebuild as rebuild_known
from agents.commands.known_subjects import vouch
from agents.core.effects import Output, Refusal
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.experiments.plan.specs import apply_spec
from agents.failures import followups
from agents.failures.patterns import fold_facts as patterns
from agents.flow import command_effects, findings, row_removal
from agents.flow.subject_removal import rebuild as rebuild_forget
from agents.learning import fold_recommendations as learning
from agents.trust import fold_outcomes as trust
from schemas.catalog import DECISIONS, LEARNING_FACTS
from schemas.ids import digest_of, tenant_of
from schemas.records import (
    Decision,
    ExperimentSpec,
    ExperimentStatus,
    LearningFact,
    LearningFactKind,
    Order,
    Outcome,
    PatternFact,
    Policy,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    Tick,
    TrustFact,
    Verdict,
)
from state.partition.partition_state import PartitionState

Applied = list[Output] | Refusal


def rebuild(state: PartitionState) -> None:
    """What is derived of failures, trust and learning, after rows were restored."""
    rebuild_known(state.subjects)
    rebuild_forget(state)
    command_effects.rebuild(state)
    followups.rebuild(state.failures)
    patterns.rebuild(state.failures)
    trust.rebuild(state.trust)
    learning.rebuild(state.learning)
    raising.rebuild(state.alerts)


def requested(request: Request, place: Provenance, state: PartitionState) -> list[Output] | Refusal:
    match request.kind:
        case RequestKind.INITIALISE_TRUST:
            return trust.initialise(request, place, state.trust) if state.trust.enabled else []
        case RequestKind.CANCEL:
            return command_effects.cancelled(request, place, state)
        case RequestKind.FREEZE | RequestKind.UNFREEZE:
            command_effects.frozen(request, state)
            return []
    vouch(request.subject, state.subjects)
    return findings.ask(request, place, state)


def specified(spec: ExperimentSpec, place: Provenance, state: PartitionState) -> list[Output]:
    vouch(spec.subject, state.subjects)
    if spec.status == ExperimentStatus.STOPPED:
        state.experiments.silence.ended(spec.subject)
    ignored = apply_spec(spec, place.now, state.experiments)
    if ignored is None:
        return []
    policy = policy_for(spec.subject, state.policies)
    decision = Decision(
        decision_id=place.event_id("specs", spec.experiment_id),
        subject=spec.subject,
        verdict=Verdict.IGNORED_SPEC,
        order=Order.NONE,
        outcome=Outcome.HELD,
        experiment_id=spec.experiment_id,
        metric="",
        rule="a spec stands from the first result on",
        reason=ignored,
        evidence=(),
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        decided_at=place.now,
        agents=autonomy.VERSION,
    )
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def ticked(_tick: Tick, place: Provenance, state: PartitionState) -> list[Output]:
    policies = state.policies

    def policy_of(name: str) -> Policy:
        return policy_for(name, policies)

    outputs = [
        *command_effects.tick(place, state),
        *findings.again(place, state),
        *findings.missed(place, state),
    ]
    outputs += followups.tick(place, state.failures)
    if state.trust.enabled:
        outputs += trust.refresh(place, state.trust, policies) + learning.tick(
            place, state.learning, policies
        )
    return (
        outputs + raising.lasting(place, state.alerts, policy_of) + row_removal.tick(place, state)
    )


def tracked(record: Recommendation, place: Provenance, state: PartitionState) -> list[Output]:
    """What follows from a recommendation: a fact for what the tenant learns."""
    return [_learning_output(_tracked(record, place), place)] if state.trust.enabled else []


def judged(record: RecommendationOutcome, place: Provenance, state: PartitionState) -> list[Output]:
    """What follows from what became of a recommendation."""
    return [_learning_output(_judged(record, place), place)] if state.trust.enabled else []


def trust_fact(record: TrustFact, place: Provenance, state: PartitionState) -> list[Output]:
    """What follows from a fact on an agent."""
    enabled = state.trust.enabled
    return trust.fold_fact(record, place, state.trust, state.policies) if enabled else []


def learning_fact(record: LearningFact, place: Provenance, state: PartitionState) -> Applied:
    """What follows from a fact on a tenant's recommendations."""
    enabled = state.trust.enabled
    return learning.fold_fact(record, place, state.learning, state.policies) if enabled else []


def pattern_fact(record: PatternFact, place: Provenance, state: PartitionState) -> list[Output]:
    """What follows from a fact on a failure."""
    return patterns.fold_fact(record, place, state.failures)


def _learning_output(fact: LearningFact, place: Provenance) -> Output:
    return Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)


def _tracked(one: Recommendation, place: Provenance) -> LearningFact:
    return LearningFact(
        event_id=place.event_id("learning", "tracked"),
        tenant=tenant_of(one.agent_id),
        kind=LearningFactKind.TRACKED,
        agent_id=one.agent_id,
        run_id=one.run_id,
        recommendation_id=one.event_id,
        topic=one.kind,
        digest=digest_of(one.content),
        confidence=one.confidence,
        due_at=one.due_at,
        occurred_at=one.made_at,
    )


def _judged(one: RecommendationOutcome, place: Provenance) -> LearningFact:
    return LearningFact(
        event_id=place.event_id("learning", "judged"),
        tenant=tenant_of(one.agent_id),
        kind=LearningFactKind.JUDGED,
        agent_id=one.agent_id,
        run_id=one.run_id,
        recommendation_id=one.recommendation_id or "",
        judgement=one.judgement,
        quality=one.quality,
        failed=one.failed,
        occurred_at=one.judged_at,
    )
