"""Counts day by day what each agent recommended and how it was judged. Nothing is decided by it."""

from dataclasses import replace

from agents.core.provenance import Provenance
from agents.trust.score import APPROVED_FROM, DAY_MS, REJECTED_TO
from schemas.records import AgentDayRow, Recommendation, TrustFact
from state.partition.trust_tables import TrustTables
from state.storage.table import day_of, row_key

# of all agents of a partition, some 70 MB: 250 agents with something on each of 400 days
DAYS_MAX = 100_000
_EVER = 2**63 - 1


def tracked(one: Recommendation, place: Provenance, tables: TrustTables) -> None:
    """An agent recommended something."""
    if not tables.enabled:
        return
    row = _today(one.agent_id, place.now, tables)
    _keep(replace(row, tracked=row.tracked + 1, confidence=row.confidence + one.confidence), tables)


def judged(fact: TrustFact, place: Provenance, tables: TrustTables) -> None:
    """Something that an agent did has an outcome. It counts on the day on which it is folded, so
    that no record that comes late changes a day that is over.
    """
    row = _today(fact.agent_id, place.now, tables)
    row = replace(
        row,
        approved=row.approved + (fact.score >= APPROVED_FROM),
        partial=row.partial + (REJECTED_TO < fact.score < APPROVED_FROM),
        rejected=row.rejected + (fact.score <= REJECTED_TO),
        quality=row.quality + min(1.0, max(0.0, fact.quality)),
    )
    _keep(row, tables)


def _today(agent_id: str, now: int, tables: TrustTables) -> AgentDayRow:
    day = now - now % DAY_MS
    known = tables.days.get(row_key(agent_id, day_of(day)))
    return known or AgentDayRow(
        agent_id=agent_id, day=day, tracked=0, approved=0, partial=0, rejected=0,
        confidence=0.0, quality=0.0,
    )  # fmt: skip


def _keep(row: AgentDayRow, tables: TrustTables) -> None:
    """Keeps a day; where there is no room, the earliest of the partition makes way."""
    tables.days.put(row)
    if len(tables.days) > DAYS_MAX:
        tables.days.expire(_EVER, 1)
