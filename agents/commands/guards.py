"""Who may order what just now: people's freezes and locks, preconditions that must still hold, who
may approve.
"""

from dataclasses import replace

from agents.commands.ledger import locked, rows_of, subject_row
from agents.commands.lifecycle import FINAL
from agents.core.effects import Refusal
from agents.core.policies import autonomy_of
from agents.core.provenance import Provenance
from schemas.persons import person
from schemas.records import (
    Autonomy,
    CommandRow,
    ExperimentStatus,
    Order,
    Policy,
    Request,
    RequestKind,
    Review,
)
from schemas.validation.text import EVERYTHING
from state.partition.command_tables import CommandTables
from state.storage.table import row_key

_MINUTE_MS = 60_000
PERSONS_RULE = "a person's own order"
NEVER_SERVED = "version {} never served {}, so it needs what a deployment needs"
# How long a command waits for a person: by how much harm goes on meanwhile.
APPROVAL_MS = {
    Order.ROLLBACK: 15 * _MINUTE_MS,
    Order.RETRAIN: 60 * _MINUTE_MS,
    Order.DEPLOY: 24 * 60 * _MINUTE_MS,
    Order.IMPROVE: 72 * 60 * _MINUTE_MS,
}


def hands_off(
    subject: str, target: str, place: Provenance, tables: CommandTables, locks: bool = True
) -> str:
    """Why automation must leave the target to people just now; empty where it need not. locks:
    whether they count.
    """
    for name in (subject, *patterns_over(subject)):
        row = tables.subjects.get(row_key(name))
        if row is not None and row.frozen_by:
            return f"{row.frozen_by} froze {name}"
    until = subject_row(subject, tables).locks.get(target, 0) if locks else 0
    return (
        f"a person's own order has {target} for {(until - place.now) // 1_000} s more"
        if until > place.now
        else ""
    )


def takes_from_rollback(kind: Order, subject: str, target: str, tables: CommandTables) -> str:
    """Why automation may not deploy just now: it would take the place of a rollback that is not
    done.
    """
    if kind != Order.DEPLOY:
        return ""
    for row in rows_of(subject, tables):
        if row.target == target and row.order == Order.ROLLBACK and row.phase not in FINAL:
            return f"rollback {row.command_id} of {target} is not done"
    return ""


def patterns_over(subject: str) -> tuple[str, ...]:
    """The patterns under which a subject may be frozen with others.

    >>> patterns_over("acme/bot"), patterns_over("bot")
    (('acme/*', '*'), ('*',))
    """
    tenant, slash, _ = subject.partition("/")
    return (f"{tenant}/{EVERYTHING}", EVERYTHING) if slash else (EVERYTHING,)


def frozen(request: Request, tables: CommandTables) -> None:
    """Leaves a subject to people, or gives it back, which lifts the locks as well."""
    by = request.requested_by if request.kind == RequestKind.FREEZE else ""
    row = subject_row(request.subject, tables)
    tables.subjects.put(replace(row, frozen_by=by, locks=row.locks if by else {}))


def lock(subject: str, target: str, until: int, tables: CommandTables) -> None:
    """Leaves a target to people until a moment, ms."""
    row = subject_row(subject, tables)
    tables.subjects.put(replace(row, locks=locked(row.locks, target, until)))


def gone_stale(row: CommandRow, tables: CommandTables) -> str:
    """Why what a command was ordered for does not hold any more; empty where it does."""
    if row.experiment_id is not None:
        experiment = tables.experiments.get(row_key(row.subject, row.experiment_id))
        if experiment is not None and experiment.status == ExperimentStatus.STOPPED:
            return f"experiment {row.experiment_id} was stopped"
        if experiment is not None and row.order == Order.DEPLOY and experiment.split_offset >= 0:
            return f"the split of {row.experiment_id} is broken"
    elif row.model_version is not None and row.order != Order.IMPROVE:
        out = (
            v
            for m in tables.metrics.rows_of(row.subject)
            for v in m.versions
            if v.model_version == row.model_version
        )
        if any(version.rolled_back for version in out):
            return f"version {row.model_version} was taken out of service"
    return ""


def deploys_at_once(policy: Policy, rule: str, environment: str) -> bool:
    """Returns whether the policy lets a deployment go without a second person. rule: of the
    decision.
    """
    return autonomy_of(policy, Order.DEPLOY, rule, environment) == Autonomy.AUTO


def may_not_approve(review: Review, row: CommandRow, policy: Policy) -> Refusal | None:
    """Why a review does not count; None where it does."""
    reviewer, kind = (
        person(review.reviewer),
        row.order if row.approved_as == Order.UNKNOWN else row.approved_as,
    )
    if reviewer == person(row.requested_by):
        return Refusal(
            "OWN_REQUEST", f"{review.reviewer} asked for {row.command_id} and may not review it"
        )
    if policy.approvers and not any(
        person(each.name) == reviewer and each.order in (None, kind) for each in policy.approvers
    ):
        nobody = (
            f"{review.reviewer} is none of those who may approve a {kind} under policy "
            f"{policy.policy_id!r}"
        )
        return Refusal("NO_APPROVER", nobody)
    if review.digest != row.digest:
        seen = (
            f"the review is of {review.digest[:12]}..., command {row.command_id} is "
            f"{row.digest[:12]}..."
        )
        return Refusal("OTHER_CONTENT", seen)
    return None
