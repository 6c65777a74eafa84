"""What follows from a record of an input that is folded record by record."""

from agents import commander, decider, findings, followups
from agents.alerts import raising
from agents.effects import Output
from agents.learning import fold as learning
from agents.patterns import fold as patterns
from agents.place import Place, tenant_of
from agents.policy import policy_for
from agents.specs import apply_spec
from agents.trust import fold as trust
from agents.watch.rows import restart
from schemas.catalog import DECISIONS, LEARNING_FACTS
from schemas.ids import digest_of
from schemas.lessons import (
    Advice,
    LearningFact,
    LearningFactKind,
    PatternFact,
    Recommendation,
    RecommendationOutcome,
    Request,
    TrustFact,
)
from schemas.records import (
    CommandRow,
    CommandStatus,
    Decision,
    ExperimentSpec,
    Order,
    Outcome,
    Phase,
    Policy,
    Status,
    Tick,
    Verdict,
)
from state.tables import Tables

RATED = 20  # commands of a subject whose share of failures is looked at

Rare = (
    ExperimentSpec
    | CommandStatus
    | Tick
    | Recommendation
    | RecommendationOutcome
    | Request
    | PatternFact
    | TrustFact
    | LearningFact
    | Advice
)


def apply(record: Rare, place: Place, tables: Tables) -> list[Output] | str:
    """The outputs of one record, or why it cannot be applied."""
    match record:
        case CommandStatus():
            return _status(record, place, tables)
        case ExperimentSpec():
            return _spec(record, place, tables)
        case Tick():
            return _tick(place, tables)
        case PatternFact():
            return patterns.fold_fact(record, place, tables.lessons)
        case Advice():
            return findings.follow(record, place, tables)
    return _learnt(record, place, tables) if tables.lessons.enabled else []


def rebuild(tables: Tables) -> None:
    """What is derived of failures, trust and learning, after rows were restored."""
    for agent in (followups, patterns, trust, learning, raising):
        agent.rebuild(tables.lessons)


def _status(status: CommandStatus, place: Place, tables: Tables) -> list[Output] | str:
    problem = commander.apply_status(status, tables)
    if problem is not None:
        return problem
    row = tables.commands.get(status.command_id)
    assert row is not None, "a status was applied to no command"
    if status.status == Status.COMPLETED and row.phase == Phase.COMPLETED:
        restart(tables, row)
    return [*followups.reported(status, row, place, tables.lessons), *_error_rate(row, place, tables)]


def _error_rate(row: CommandRow, place: Place, tables: Tables) -> list[Output]:
    """Looks at how many of the subject's last commands failed, once there are enough of them."""
    ended = [one for one in tables.commands.rows_of(row.subject) if one.phase in (Phase.COMPLETED, Phase.FAILED)]
    last = sorted(ended, key=lambda one: (one.issued_at, one.command_id))[-RATED:]
    if row.phase not in (Phase.COMPLETED, Phase.FAILED) or len(last) < RATED:
        return []
    rate = sum(one.phase == Phase.FAILED for one in last) / RATED
    policy = policy_for(row.subject, tables.policies.values())
    return raising.observe("commands.error_rate", row.subject, rate, place, tables.lessons, policy)


def _spec(spec: ExperimentSpec, place: Place, tables: Tables) -> list[Output]:
    ignored = apply_spec(spec, tables)
    if ignored is None:
        return []
    policy = policy_for(spec.subject, tables.policies.values())
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
        agents=decider.VERSION,
    )
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def _tick(place: Place, tables: Tables) -> list[Output]:
    lessons, policies = tables.lessons, tables.policies

    def policy_of(name: str) -> Policy:
        return policy_for(name, policies.values())

    outputs = followups.tick(place, lessons)
    if lessons.enabled:
        outputs += trust.refresh(place, lessons, policies) + learning.tick(place, lessons, policies)
    return outputs + raising.lasting(place, lessons, policy_of)


def _learnt(
    record: Recommendation | RecommendationOutcome | Request | TrustFact | LearningFact, place: Place, tables: Tables
) -> list[Output]:
    match record:
        case TrustFact():
            return trust.fold_fact(record, place, tables.lessons, tables.policies)
        case LearningFact():
            return learning.fold_fact(record, place, tables.lessons, tables.policies)
        case Request():
            return trust.initialise(record, place, tables.lessons)
    fact = _tracked(record, place) if isinstance(record, Recommendation) else _judged(record, place)
    return [Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)]


def _tracked(one: Recommendation, place: Place) -> LearningFact:
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


def _judged(one: RecommendationOutcome, place: Place) -> LearningFact:
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
