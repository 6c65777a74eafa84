"""Folds outcomes into trust, refreshes it as time passes, and tells every worker where it moved."""

from dataclasses import replace

from agents.alerts import alert_metrics
from agents.alerts.raising import observe
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.trust import agent_days
from agents.trust.score import added, faded, new_row, scored
from schemas.catalog import LEARNING_FACTS, TRUST_LEVELS
from schemas.ids import tenant_of
from schemas.records import (
    AgentKind,
    LearningFact,
    LearningFactKind,
    Priority,
    Request,
    Trend,
    TrustFact,
    TrustLevel,
    TrustRow,
)
from state.partition.trust_tables import TrustTables
from state.storage.table import row_key

TOLD_BOOST = 0.05  # a smaller change of the boost is not told to every worker
REFRESH_MS = 6 * 3_600_000
RATED_AFTER = 10  # outcomes; of fewer an approval rate says nothing


def fold_fact(fact: TrustFact, place: Provenance, tables: TrustTables) -> list[Output]:
    """One outcome of an agent."""
    if not tables.enabled:
        return []
    agent_days.judged(fact, place, tables)
    before = tables.trust.get(row_key(fact.agent_id)) or new_row(
        fact.agent_id, fact.kind, place.now
    )
    return _moved(before, added(before, fact, place.now), place, tables)


def initialise(request: Request, place: Provenance, tables: TrustTables) -> list[Output]:
    """Begins an agent's trust anew, as if nothing were known; what was known is forgotten."""
    if not tables.enabled:
        return []
    kind = next((kind for kind in AgentKind if kind == request.detail), AgentKind.RECOMMENDER)
    old = tables.trust.get(row_key(request.subject))
    row = replace(new_row(request.subject, kind, place.now), initialised_by=request.requested_by)
    if old is not None:
        row = replace(row, told_boost=old.told_boost, told_priority=old.told_priority)
    return _told(old, row, place, tables)


def refresh(place: Provenance, tables: TrustTables) -> list[Output]:
    """Rows that were not updated for six hours: what is known fades, and the trend goes on."""
    outputs: list[Output] = []
    for key in tables.refreshes.due(place.now):
        row = tables.trust.get(key)
        assert row is not None, f"{key} is due without a row"
        outputs += _moved(row, faded(row, place.now), place, tables)
    return outputs


def forget(row: TrustRow, place: Provenance, tables: TrustTables) -> list[Output]:
    """Returns what is told of an agent whose row left its table: it is heard as one of whom nothing
    is known.
    """
    tables.refreshes.drop(row_key(row.agent_id))
    unknown = new_row(row.agent_id, row.kind, place.now)
    outputs = []
    if (row.told_boost, row.told_priority) != (unknown.told_boost, unknown.told_priority):
        outputs.append(_level(unknown, place, "forgotten level"))
    if (row.trend, row.priority) != (Trend.UNKNOWN, Priority.NORMAL):
        outputs.append(_trend(unknown, place, "forgotten trend"))
    return outputs


def rebuild(tables: TrustTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.refreshes.rebuild(
        (row_key(row.agent_id), row.updated_at + REFRESH_MS) for row in tables.trust.rows()
    )


def _moved(before: TrustRow, row: TrustRow, place: Provenance, tables: TrustTables) -> list[Output]:
    policy = policy_for(row.agent_id, tables.policies)
    row = scored(row, place.now, policy.disable_below)
    outputs, crowd = _told(before, row, place, tables), tenant_of(row.agent_id)
    outputs += observe(
        alert_metrics.TRUST, row.agent_id, row.overall, place, tables.alerts, policy, crowd
    )
    if row.outcomes >= RATED_AFTER:
        rate = row.approved / row.outcomes
        outputs += observe(
            alert_metrics.APPROVAL_RATE, row.agent_id, rate, place, tables.alerts, policy, crowd
        )
    return outputs


def _told(
    before: TrustRow | None, row: TrustRow, place: Provenance, tables: TrustTables
) -> list[Output]:
    """Keeps the row; every worker is told of a boost or priority that moved, the tenant of a
    trend.
    """
    outputs = []
    if abs(row.boost - row.told_boost) >= TOLD_BOOST or row.priority != row.told_priority:
        row = replace(row, told_boost=row.boost, told_priority=row.priority)
        outputs.append(_level(row, place))
    earlier = (
        (before.trend, before.priority) if before is not None else (Trend.UNKNOWN, Priority.NORMAL)
    )
    if (row.trend, row.priority) != earlier:
        outputs.append(_trend(row, place))
    tables.trust.put(row)
    tables.refreshes.put(row_key(row.agent_id), row.updated_at + REFRESH_MS)
    return outputs


def _level(row: TrustRow, place: Provenance, what: str = "level") -> Output:
    level = TrustLevel(row.agent_id, row.kind, row.overall, row.boost, row.priority, place.now)
    event_id = place.event_id("trust", f"{what}|{row.agent_id}")
    return Output(TRUST_LEVELS, row.agent_id, event_id, level, place.now)


def _trend(row: TrustRow, place: Provenance, what: str = "trend") -> Output:
    fact = LearningFact(
        event_id=place.event_id("trust", f"{what}|{row.agent_id}"),
        tenant=tenant_of(row.agent_id),
        kind=LearningFactKind.LEVEL,
        agent_id=row.agent_id,
        trend=row.trend,
        priority=row.priority,
        occurred_at=place.now,
    )
    return Output(LEARNING_FACTS, fact.tenant, fact.event_id, fact, place.now)
