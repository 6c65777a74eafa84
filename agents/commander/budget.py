"""What automation may spend: commands an hour of a tenant, and how many of its subjects at once.

Half of the hour is shared out to the partitions in advance, where it costs no time; the rest is asked for in proposals,
all of a tenant in one partition. Together they never admit more than the policy says.
"""

from dataclasses import replace

from agents.commander.life import AT_WORK
from agents.effects import Output
from agents.place import Place
from schemas.catalog import ADMISSIONS, PROPOSALS
from schemas.ids import tenant_of
from schemas.orders import Admission, BudgetRow, Event, Proposal
from schemas.records import CommandRow, Policy
from state.table import row_key
from state.tables import Tables

HOUR_MS = 3_600_000
ANSWER_MS = 60_000  # a proposal that is not answered by then asks a person
SUBJECTS_FREE = 4  # of a partition; a share of a few subjects would be none
OVER_BUDGET = "commands.over_budget"
_DENIED_MOST = 1_000  # counted for the alert
TOO_MANY = "too many of its tenant's subjects are acted on already"


def spend(subject: str, place: Place, tables: Tables, policy: Policy) -> tuple[Event, str]:
    """Takes a command out of this partition's part of the budget, or says who is to be asked and why."""
    tenant = tenant_of(subject)
    busy = _busy(tenant, tables) | {subject}
    known = max(
        tables.subjects.count(tenant), len(busy)
    )  # one that has only metrics has no row before its first command
    if len(busy) > max(SUBJECTS_FREE, int(policy.subjects_share * known)):
        return Event.ASK_BUDGET, TOO_MANY
    row = _row(tenant, False, place, tables)
    if len(row.spent) >= _own_limit(policy, tables):
        return Event.ASK_BUDGET, "this partition's part of the hour's budget is spent"
    tables.budgets.put(replace(row, spent=(*row.spent, place.now)))
    return Event.ISSUE, ""


def proposal(row: CommandRow, why: str, place: Place, tables: Tables, policy: Policy) -> Output:
    """Asks for a part of what all partitions share."""
    asked = Proposal(
        event_id=place.event_id("budget", row.command_id),
        tenant=tenant_of(row.subject),
        subject=row.subject,
        command_id=row.command_id,
        limit=policy.commands_per_hour - tables.partitions * _own_limit(policy, tables),
        denied=why == TOO_MANY,
        proposed_at=place.now,
    )
    return Output(PROPOSALS, asked.tenant, asked.event_id, asked, place.now)


def admit(asked: Proposal, place: Place, tables: Tables) -> tuple[Output, int]:
    """The answer to a proposal, and how many were denied within the hour."""
    row = _row(asked.tenant, True, place, tables)
    granted = not asked.denied and len(row.spent) < asked.limit
    if granted:
        row = replace(row, spent=(*row.spent, place.now))
    else:
        row = replace(row, denied=(*row.denied, place.now)[-_DENIED_MOST:])
        tables.sober.put(asked.tenant, place.now + HOUR_MS)
    tables.budgets.put(row)
    reason = "" if granted else TOO_MANY if asked.denied else "the hour's budget is spent"
    answer = Admission(
        event_id=place.event_id("budget", f"admission|{asked.command_id}"),
        subject=asked.subject,
        command_id=asked.command_id,
        granted=granted,
        reason=reason,
        admitted_at=place.now,
    )
    return Output(ADMISSIONS, asked.subject, answer.event_id, answer, place.now), len(row.denied)


def sobered(place: Place, tables: Tables) -> list[str]:
    """Tenants of which nothing was denied for an hour."""
    return tables.sober.due(place.now)


def rebuild(tables: Tables) -> None:
    """What is derived, after rows were restored."""
    tables.sober.rebuild((row.tenant, row.denied[-1] + HOUR_MS) for row in tables.budgets.rows() if row.denied)


def _own_limit(policy: Policy, tables: Tables) -> int:
    return policy.commands_per_hour // (2 * tables.partitions)


def _row(tenant: str, shared: bool, place: Place, tables: Tables) -> BudgetRow:
    """A tenant's row with what is past forgotten."""
    row = tables.budgets.get(row_key(tenant, "shared" if shared else "own"))
    since = place.now - HOUR_MS
    if row is None:
        return BudgetRow(tenant=tenant, shared=shared, spent=(), denied=())
    spent, denied = (tuple(at for at in times if at > since) for times in (row.spent, row.denied))
    return replace(row, spent=spent, denied=denied)


def _busy(tenant: str, tables: Tables) -> set[str]:
    """Subjects of a tenant that automation is acting on."""
    rows = (tables.commands.get(command_id) for command_id in tables.due)
    return {
        row.subject
        for row in rows
        if row is not None and not row.requested_by and row.phase in AT_WORK and tenant_of(row.subject) == tenant
    }
