"""Folds recommendations and their outcomes, which come in any order, into runs; scores them, and
runs cycles.
"""

from dataclasses import replace

from agents.alerts import alert_metrics
from agents.alerts.raising import observe
from agents.core.effects import Output, Refusal
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.learning.cycle import cycle, due, due_at
from agents.learning.recommendation_patterns import (
    belongs_to,
    foreseen,
    new_row,
    with_outcome,
)
from schemas.catalog import LEARNING_FACTS, TRUST_FACTS
from schemas.ids import digest_of, tenant_of
from schemas.records import (
    AgentKind,
    CycleTrigger,
    Judgement,
    LearningFact,
    LearningFactKind,
    LearningRow,
    Member,
    Recommendation,
    RecommendationOutcome,
    Request,
    RunRow,
    RunVerdict,
    Trend,
    TrustFact,
)
from schemas.row_limits import RUN_BYTES_MAX, bytes_of
from state.partition.learning_tables import LearningTables
from state.storage.table import row_key

MEMBERS_MAX = 256  # recommendations of a run; more are no run
VERDICTS_MAX = 64  # of a run that wait for what they judge
KEPT_MS = 7 * 24 * 3_600_000  # since a run was last touched
SCORES = {Judgement.APPROVED: 1.0, Judgement.PARTIAL: 0.5, Judgement.REJECTED: 0.0}
DECLINING_MAX = 100  # agents named; the alert is raised long before


def fold_fact(
    fact: LearningFact, place: Provenance, tables: LearningTables
) -> list[Output] | Refusal:
    """One recommendation tracked, one judgement of a run, or the trend of an agent's trust.

    What a run has no room for is refused: to be forgotten without a word would leave it tracked for
    ever.
    """
    if not tables.enabled:
        return []
    row = tables.tenants.get(row_key(fact.tenant)) or _new_row(fact.tenant, place.now)
    if fact.kind == LearningFactKind.LEVEL:
        return _level(row, fact, place, tables)
    run = tables.runs.get(row_key(fact.tenant, fact.run_id)) or RunRow(
        fact.tenant, fact.run_id, (), (), place.now
    )
    if fact.kind == LearningFactKind.TRACKED:
        members = (*run.members, _member(fact))
        if not _fits(members):
            return Refusal(
                "RUN_FULL",
                f"run {fact.run_id} has {len(run.members)} recommendations already: begin another",
            )
        run = replace(run, members=members)
        row = replace(row, tracked=row.tracked + 1)
    else:
        assert fact.kind == LearningFactKind.JUDGED, f"no fold for {fact.kind}"
        verdict = RunVerdict(
            recommendation_id=fact.recommendation_id,
            judgement=fact.judgement,
            quality=fact.quality,
            failed=fact.failed,
            judged_at=fact.occurred_at,
        )
        run = replace(run, verdicts=(*_wanted(run), verdict))
        if len(run.verdicts) > VERDICTS_MAX:
            sentence = (
                f"run {fact.run_id} has {VERDICTS_MAX} outcomes that wait for what they "
                "judge: begin another"
            )
            return Refusal("RUN_FULL", sentence)
    run, row, outputs = _settled(replace(run, touched_at=place.now), row, place, tables)
    tables.runs.put(run)
    tables.run_expiry.put(row_key(run.tenant, run.run_id), place.now + KEPT_MS)
    _keep(row, tables)
    return [*outputs, *_cycled(row, place, tables)]


def tracked(one: Recommendation, place: Provenance, tables: LearningTables) -> list[Output]:
    """Returns what follows from a recommendation: a fact for what the tenant learns."""
    if not tables.enabled:
        return []
    fact = LearningFact(
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
    return [Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)]


def judged(one: RecommendationOutcome, place: Provenance, tables: LearningTables) -> list[Output]:
    """Returns what follows from what became of a recommendation: a fact for what the tenant
    learns.
    """
    if not tables.enabled:
        return []
    fact = LearningFact(
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
    return [Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)]


def asked(request: Request, place: Provenance, tables: LearningTables) -> list[Output] | Refusal:
    """Runs the learning cycle that a person asks for, in the partition where the tenant learns; a
    tenant of which nothing came since the last one learns nothing.
    """
    row = tables.tenants.get(row_key(tenant_of(request.subject)))
    if row is None or not tables.enabled:
        return []
    if not row.fresh:
        return Refusal(
            "NOTHING_NEW", f"{row.tenant} has no outcome since its last cycle: there is nothing new"
        )
    return _run(row, CycleTrigger.REQUEST, 0, place, tables)


def tick(place: Provenance, tables: LearningTables) -> list[Output]:
    """Cycles that are due by time, and runs that nobody touched for a week."""
    outputs: list[Output] = []
    for key in tables.run_expiry.due(place.now):
        run = tables.runs.get(key)
        assert run is not None, f"{key} is due without a row"
        tables.runs.drop(key)
        row = tables.tenants.get(row_key(run.tenant))
        waiting = sum(not member.judged for member in run.members)
        if row is not None and waiting:
            _keep(replace(row, tracked=max(0, row.tracked - waiting)), tables)
    for tenant in sorted(tables.cycles.due(place.now)):
        row = tables.tenants.get(row_key(tenant))
        if row is not None:
            _keep(row, tables)  # due again, unless a cycle makes that later
            outputs += _cycled(row, place, tables)
    return outputs


def rebuild(tables: LearningTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.cycles.rebuild(
        (row.tenant, at) for row in tables.tenants.rows() if (at := due_at(row)) is not None
    )
    tables.run_expiry.rebuild(
        (row_key(run.tenant, run.run_id), run.touched_at + KEPT_MS) for run in tables.runs.rows()
    )


def _keep(row: LearningRow, tables: LearningTables) -> None:
    tables.tenants.put(row)
    at = due_at(row)
    if at is None:
        tables.cycles.drop(row.tenant)
    else:
        tables.cycles.put(row.tenant, at)


def _settled(
    run: RunRow, row: LearningRow, place: Provenance, tables: LearningTables
) -> tuple[RunRow, LearningRow, list[Output]]:
    """Scores every recommendation of the run that a judgement is there for."""
    outputs: list[Output] = []
    members = []
    for member in run.members:
        verdict = _verdict(run, member)
        if member.judged or verdict is None:
            members.append(member)
            continue
        members.append(replace(member, judged=True))
        score = SCORES[verdict.judgement]
        names = belongs_to(member, run.members)
        known = [tables.lessons.get(row_key(run.tenant, *named)) for named in names]
        foresaw = foreseen(known)
        right = 1.0 - abs(score - float(foresaw)) if foresaw is not None else 0.0
        for named, old in zip(names, known, strict=True):
            lesson = old or new_row(run.tenant, named, place.now)
            tables.lessons.put(with_outcome(lesson, member.agent_id, score, right, place.now))
        row = replace(
            row,
            tracked=max(0, row.tracked - 1),
            outcomes=row.outcomes + 1,
            fresh=row.fresh + 1,
            approved=row.approved + score,
            quality=row.quality + verdict.quality,
            covered=row.covered + (foresaw is not None),
            correct=row.correct + right,
        )
        outputs.append(_trust(member, verdict, score, place))
    return replace(run, members=tuple(members)), row, outputs


def _wanted(run: RunRow) -> tuple[RunVerdict, ...]:
    """The judgements that something may still wait for: of the whole run, and of what is not judged
    by them yet.
    """
    judged = {member.recommendation_id for member in run.members if member.judged}
    return tuple(one for one in run.verdicts if one.recommendation_id not in judged)


def _verdict(run: RunRow, member: Member) -> RunVerdict | None:
    """The judgement of a recommendation: its own, else that of all of its run."""
    own = [one for one in run.verdicts if one.recommendation_id == member.recommendation_id]
    whole = [one for one in run.verdicts if not one.recommendation_id]
    return next(iter((*own, *whole)), None)


def _trust(member: Member, verdict: RunVerdict, score: float, place: Provenance) -> Output:
    late = member.made_at - member.due_at if member.due_at is not None else 0
    fact = TrustFact(
        event_id=place.event_id("learning", f"trust|{member.recommendation_id}"),
        agent_id=member.agent_id,
        kind=AgentKind.RECOMMENDER,
        score=score,
        quality=verdict.quality,
        lateness_ms=max(0, late),
        failed=verdict.failed,
        about=member.recommendation_id,
        occurred_at=verdict.judged_at,
    )
    return Output(TRUST_FACTS, fact.agent_id, fact.event_id, fact, place.now)


def _level(
    row: LearningRow,
    fact: LearningFact,
    place: Provenance,
    tables: LearningTables,
) -> list[Output]:
    declining = set(row.declining) - {fact.agent_id}
    if fact.trend == Trend.DECLINING:
        declining.add(fact.agent_id)
    row = replace(row, declining=tuple(sorted(declining)[:DECLINING_MAX]))
    _keep(row, tables)
    policy = policy_for(row.tenant, tables.policies)
    return observe(
        alert_metrics.DECLINING,
        row.tenant,
        float(len(row.declining)),
        place,
        tables.alerts,
        policy,
        row.tenant,
    )


def _cycled(row: LearningRow, place: Provenance, tables: LearningTables) -> list[Output]:
    trigger, late = due(row, place.now)
    return [] if trigger is None else _run(row, trigger, late, place, tables)


def _run(
    row: LearningRow, trigger: CycleTrigger, late: int, place: Provenance, tables: LearningTables
) -> list[Output]:
    after, told, outputs = cycle(row, trigger, late, place, tables)
    _keep(after, tables)
    policy = policy_for(row.tenant, tables.policies)
    gauges = {
        alert_metrics.LATE_MS: float(told.late_ms),
        alert_metrics.QUALITY: told.quality,
        alert_metrics.TRACKED: float(after.tracked),
    }
    if told.accuracy is not None:
        gauges[alert_metrics.ACCURACY] = told.accuracy
    for metric, value in gauges.items():
        outputs += observe(metric, row.tenant, value, place, tables.alerts, policy, row.tenant)
    return outputs


def _fits(members: tuple[Member, ...]) -> bool:
    """Returns whether a run's row has room for these."""
    size = sum(
        bytes_of(one.recommendation_id, one.agent_id, one.topic, one.digest) for one in members
    )
    return len(members) <= MEMBERS_MAX and size <= RUN_BYTES_MAX


def _member(fact: LearningFact) -> Member:
    return Member(
        recommendation_id=fact.recommendation_id,
        agent_id=fact.agent_id,
        topic=fact.topic,
        digest=fact.digest,
        confidence=fact.confidence,
        made_at=fact.occurred_at,
        due_at=fact.due_at,
        judged=False,
    )


def _new_row(tenant: str, now: int) -> LearningRow:
    return LearningRow(
        tenant=tenant, tracked=0, outcomes=0, fresh=0, approved=0.0, quality=0.0, covered=0,
        correct=0.0, cycles=0, cycled_at=now, accuracies=(), declining=(),
    )  # fmt: skip
