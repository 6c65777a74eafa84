"""What follows from a record of an input that is folded record by record."""

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
    Admission,
    Advice,
    CommandStatus,
    Decision,
    ExperimentSpec,
    ExperimentStatus,
    LearningFact,
    LearningFactKind,
    Order,
    Outcome,
    PatternFact,
    Policy,
    Proposal,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    Review,
    Tick,
    TrustFact,
    Verdict,
)
from state.tables import Tables

InputRecord = (
    ExperimentSpec
    | CommandStatus
    | Tick
    | Recommendation
    | RecommendationOutcome
    | Request
    | Review
    | Proposal
    | Admission
    | PatternFact
    | TrustFact
    | LearningFact
    | Advice
)


def apply(record: InputRecord, place: Provenance, tables: Tables) -> list[Output] | Refusal:
    """The outputs of one record, or why it cannot be applied."""
    match record:
        case CommandStatus():
            return command_effects.reported(record, place, tables)
        case ExperimentSpec():
            return _spec(record, place, tables)
        case Tick():
            return _tick(place, tables)
        case PatternFact():
            return patterns.fold_fact(record, place, tables.lessons)
        case Advice():
            return findings.follow(record, place, tables)
        case Review():
            return command_effects.reviewed(record, place, tables)
        case Proposal():
            return command_effects.admit(record, place, tables)
        case Admission():
            return command_effects.admitted(record, place, tables)
        case Request():
            return _requested(record, place, tables)
    return _learnt(record, place, tables) if tables.lessons.enabled else []


def rebuild(tables: Tables) -> None:
    """What is derived of failures, trust and learning, after rows were restored."""
    rebuild_known(tables)
    rebuild_forget(tables)
    command_effects.rebuild(tables)
    for agent in (followups, patterns, trust, learning, raising):
        agent.rebuild(tables.lessons)


def _requested(request: Request, place: Provenance, tables: Tables) -> list[Output] | Refusal:
    match request.kind:
        case RequestKind.INITIALISE_TRUST:
            return (
                trust.initialise(request, place, tables.lessons) if tables.lessons.enabled else []
            )
        case RequestKind.CANCEL:
            return command_effects.cancelled(request, place, tables)
        case RequestKind.FREEZE | RequestKind.UNFREEZE:
            command_effects.frozen(request, tables)
            return []
    vouch(request.subject, tables)
    return findings.ask(request, place, tables)


def _spec(spec: ExperimentSpec, place: Provenance, tables: Tables) -> list[Output]:
    vouch(spec.subject, tables)
    if spec.status == ExperimentStatus.STOPPED:
        tables.silence.ended(spec.subject)
    ignored = apply_spec(spec, place.now, tables)
    if ignored is None:
        return []
    policy = policy_for(spec.subject, tables.policies)
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


def _tick(place: Provenance, tables: Tables) -> list[Output]:
    lessons, policies = tables.lessons, tables.policies

    def policy_of(name: str) -> Policy:
        return policy_for(name, policies)

    outputs = [
        *command_effects.tick(place, tables),
        *findings.again(place, tables),
        *findings.missed(place, tables),
    ]
    outputs += followups.tick(place, lessons)
    if lessons.enabled:
        outputs += trust.refresh(place, lessons, policies) + learning.tick(place, lessons, policies)
    return outputs + raising.lasting(place, lessons, policy_of) + row_removal.tick(place, tables)


def _learnt(
    record: Recommendation | RecommendationOutcome | TrustFact | LearningFact,
    place: Provenance,
    tables: Tables,
) -> list[Output] | Refusal:
    match record:
        case TrustFact():
            return trust.fold_fact(record, place, tables.lessons, tables.policies)
        case LearningFact():
            return learning.fold_fact(record, place, tables.lessons, tables.policies)
    fact = _tracked(record, place) if isinstance(record, Recommendation) else _judged(record, place)
    return [Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)]


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
