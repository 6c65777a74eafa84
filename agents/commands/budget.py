"""Bounds what automation may spend: commands an hour of a tenant, and how many of its subjects at
once.

Half of the hour is shared out to the partitions in advance, where it costs no time; the rest is
asked for in proposals, all of a tenant in one partition. Together they never admit more than the
policy says. Subjects that nobody vouched for have a budget of their own, a part of the size, so
that made-up names take nothing from those that are known.
"""

from dataclasses import replace

from agents.alerts.alert_metrics import NEWCOMERS_OVER_BUDGET, OVER_BUDGET
from agents.alerts.raising import crowd_of, observe
from agents.core.effects import Output
from agents.core.known_subjects import is_known, known_count
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.catalog import ADMISSIONS, PROPOSALS
from schemas.ids import tenant_of
from schemas.records import Admission, BudgetRow, CommandRow, Policy, Proposal
from state.partition.alert_tables import AlertTables
from state.partition.command_tables import BUSY, CommandTables, budget_key

HOUR_MS = 3_600_000
ANSWER_MS = 60_000  # a proposal that is not answered by then asks a person
SUBJECTS_FREE = 4  # of a partition; a share of a few subjects would be none
# of the hour's commands: that many are admitted of subjects that nobody vouched for, beside the
# rest
NEWCOMERS_PART = 4
_DENIED_MAX = 1_000  # counted for the alert
TOO_MANY = "too many of its tenant's subjects are acted on already"


def exhausted(subject: str, place: Provenance, tables: CommandTables, policy: Policy) -> str:
    """Why this partition's part of the budget has no room for a command; empty where it has."""
    tenant, newcomer = tenant_of(subject), not is_known(subject, place.now, tables.subject_tables)
    busy = _busy(tenant, newcomer, place, tables) | {subject}
    known = known_count(tenant, place.now, tables.subject_tables)
    counted = tables.subjects.count(tenant) - known if newcomer else max(known, len(busy))
    if len(busy) > max(SUBJECTS_FREE, int(policy.subjects_share * counted)):
        return TOO_MANY
    row = _row(tenant, False, newcomer, place, tables)
    if len(row.spent) >= _own_limit(policy, newcomer, tables):
        return "this partition's part of the hour's budget is spent"
    return ""


def spend(subject: str, place: Provenance, tables: CommandTables) -> None:
    """Takes a command out of this partition's part of the budget, in which there is room."""
    newcomer = not is_known(subject, place.now, tables.subject_tables)
    row = _row(tenant_of(subject), False, newcomer, place, tables)
    tables.budgets.put(replace(row, spent=(*row.spent, place.now)))


def proposal(
    row: CommandRow, why: str, place: Provenance, tables: CommandTables, policy: Policy
) -> Output:
    """Asks for a part of what all partitions share."""
    newcomer = not is_known(row.subject, place.now, tables.subject_tables)
    asked = Proposal(
        event_id=place.event_id("budget", row.command_id),
        tenant=tenant_of(row.subject),
        subject=row.subject,
        command_id=row.command_id,
        limit=_limit(policy, newcomer) - tables.partitions * _own_limit(policy, newcomer, tables),
        denied=why == TOO_MANY,
        proposed_at=place.now,
        newcomer=newcomer,
    )
    return Output(PROPOSALS, asked.tenant, asked.event_id, asked, place.now)


def admit(asked: Proposal, place: Provenance, tables: CommandTables) -> list[Output]:
    """The answer to a proposal, and the alert where it is no."""
    row = _row(asked.tenant, True, asked.newcomer, place, tables)
    granted = not asked.denied and len(row.spent) < asked.limit
    if granted:
        row = replace(row, spent=(*row.spent, place.now))
    else:
        row = replace(row, denied=(*row.denied, place.now)[-_DENIED_MAX:])
        tables.denied_until.put(_key(row), place.now + HOUR_MS)
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
    told = Output(ADMISSIONS, asked.subject, answer.event_id, answer, place.now)
    denied = float(len(row.denied))
    return [told, *_denied(asked.tenant, asked.newcomer, denied, place, tables.alerts)]


def sobered(place: Provenance, tables: CommandTables) -> list[Output]:
    """Returns what follows of budgets that denied nothing for an hour."""
    rows = [tables.budgets.get(key) for key in tables.denied_until.due(place.now)]
    return [
        output
        for row in rows
        if row is not None
        for output in _denied(row.tenant, row.newcomers, 0.0, place, tables.alerts)
    ]


def _denied(
    tenant: str, newcomers: bool, count: float, place: Provenance, alerts: AlertTables
) -> list[Output]:
    """Returns what follows where so many commands were denied of a tenant's budget within the
    hour.
    """
    metric = NEWCOMERS_OVER_BUDGET if newcomers else OVER_BUDGET
    policy = policy_for(tenant, alerts.policies)
    return observe(metric, tenant, count, place, alerts, policy, crowd_of(tenant))


def rebuild(tables: CommandTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.denied_until.rebuild(
        (_key(row), row.denied[-1] + HOUR_MS) for row in tables.budgets.rows() if row.denied
    )


def _limit(policy: Policy, newcomer: bool) -> int:
    """Commands an hour; of newcomers a part as large is admitted beside it, one at least where any
    are.
    """
    whole = policy.commands_per_hour
    return whole if not newcomer else max(min(whole, 1), whole // NEWCOMERS_PART)


def _own_limit(policy: Policy, newcomer: bool, tables: CommandTables) -> int:
    return _limit(policy, newcomer) // (2 * tables.partitions)


def _key(row: BudgetRow) -> str:
    return budget_key(row.tenant, row.shared, row.newcomers)


def _row(
    tenant: str, shared: bool, newcomers: bool, place: Provenance, tables: CommandTables
) -> BudgetRow:
    """A tenant's row with what is past forgotten."""
    row = tables.budgets.get(budget_key(tenant, shared, newcomers))
    since = place.now - HOUR_MS
    if row is None:
        return BudgetRow(tenant=tenant, shared=shared, spent=(), denied=(), newcomers=newcomers)
    spent, denied = (tuple(at for at in times if at > since) for times in (row.spent, row.denied))
    return replace(row, spent=spent, denied=denied)


def _busy(tenant: str, newcomers: bool, place: Provenance, tables: CommandTables) -> set[str]:
    """Known subjects of a tenant, or its newcomers, that automation is acting on."""
    return {
        row.subject
        for row in tables.commands.marked(BUSY, tenant)
        if tables.deadlines.at(row.command_id) is not None
        and is_known(row.subject, place.now, tables.subject_tables) != newcomers
    }
