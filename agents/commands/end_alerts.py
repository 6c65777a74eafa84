"""How a command's end is told: each phase out of which a command does not come by itself, for each
order.

COMPLETED is what was wanted; of a rollback it is news all the same. Every other end is an alert at
once.
"""

from collections.abc import Iterable

from agents.alerts import alert_metrics
from agents.alerts.alert_metrics import AlertKind, AlertMetric
from agents.alerts.events import Happening, happened, over
from agents.alerts.raising import crowd_of_subject
from agents.commands.ledger import CommandEffects, stored
from agents.commands.ordering import takes_out_same
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.records import CommandRow, Order, Phase, Policy, RollbackCommand, Transition
from state.partition.alert_tables import AlertTables

# Which metric tells of which end, by order; what stands under None holds for the orders that are
# not named.
TOLD: dict[Phase, dict[Order | None, AlertMetric]] = {
    Phase.TIMED_OUT: {None: alert_metrics.UNANSWERED},
    Phase.EXPIRED: {None: alert_metrics.EXPIRED},
    Phase.COMPENSATION_FAILED: {None: alert_metrics.NOT_UNDONE},
    Phase.FAILED: {
        Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE,
        Order.DEPLOY: alert_metrics.DEPLOYMENT_FAILED,
        None: alert_metrics.WORK_FAILED,
    },
    Phase.REFUSED: {
        Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE,
        Order.DEPLOY: alert_metrics.DEPLOYMENT_FAILED,
        None: alert_metrics.WORK_FAILED,
    },
    # A person said so, or another command goes on: only of a rollback is that a reason to wake
    # somebody.
    Phase.REJECTED: {Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE, None: alert_metrics.DROPPED},
    Phase.CANCELLED: {Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE, None: alert_metrics.DROPPED},
    Phase.SUPERSEDED: {
        Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE,
        None: alert_metrics.DROPPED,
    },
    Phase.STALE: {Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE, None: alert_metrics.DROPPED},
    Phase.COMPENSATED: {
        Order.ROLLBACK: alert_metrics.ROLLBACK_NOT_DONE,
        None: alert_metrics.DROPPED,
    },
}
# Why an end is not told; of (phase, order), None for the orders that are not named.
UNTOLD: dict[Phase, dict[Order | None, str]] = {
    Phase.COMPLETED: {
        None: "it is what was wanted; decisions, tables and the rollout's own reports show it"
    },
}
_COMPLETED = {Order.ROLLBACK: alert_metrics.COMPLETED}
_OVER = tuple(each for each in alert_metrics.METRICS.values() if each.kind == AlertKind.END)


def told_how(phase: Phase, order: Order) -> AlertMetric | None:
    """The metric of an end; None where it is not told."""
    if phase == Phase.COMPLETED:
        return _COMPLETED.get(order)
    ways = TOLD.get(phase, {})
    return ways.get(order) or ways.get(None)


def told(effects: CommandEffects, place: Provenance, alerts: AlertTables) -> list[Output]:
    """The alerts of all commands that ended, of rollbacks that went out and of those that stand
    still; all that moves at once may be of several subjects.
    """
    rows = [*effects.ended, *effects.halted]
    subjects = dict.fromkeys(
        [*(command.subject for command in effects.issued), *(row.subject for row in rows)]
    )
    return [
        output
        for subject in subjects
        for output in _told_of_one(
            effects.of(subject),
            place,
            alerts,
            policy_for(subject, alerts.policies),
            crowd_of_subject(subject, place.now, alerts),
        )
    ]


def _told_of_one(
    effects: CommandEffects, place: Provenance, alerts: AlertTables, policy: Policy, crowd: str
) -> list[Output]:
    """The same of commands of one subject. policy, crowd: of that."""
    outputs: list[Output] = []
    issued = [command for command in effects.issued if isinstance(command, RollbackCommand)]
    for command in issued:
        if command.attempt == 1:
            said = (
                f"{command.command_id} on {command.target}{_dry(command.dry_run)}: {command.reason}"
            )
            one = Happening(alert_metrics.ISSUED, command.subject, crowd, command.command_id, said)
            outputs += happened(one, place, alerts, policy)
    for row in effects.halted:
        one = Happening(
            alert_metrics.ROLLBACK_NOT_DONE,
            row.subject,
            crowd,
            f"{row.command_id}|halted",
            _said(row, effects),
            _about(row),
        )
        outputs += happened(one, place, alerts, policy)
    for row in effects.ended:
        if row.phase == Phase.COMPLETED and row.command is not None and stored(row).dry_run:
            # nothing was changed, so nothing is done and nothing is over: its verdict's decision
            # says so
            continue
        metric = told_how(row.phase, row.order)
        if row.compensates is not None and metric in (
            alert_metrics.DROPPED,
            alert_metrics.DEPLOYMENT_FAILED,
        ):
            metric = alert_metrics.ROLLBACK_NOT_DONE  # a deployment that was to undo a rollback
        if metric is not None and not _as_safe(row, issued):
            one = Happening(
                metric,
                row.subject,
                crowd,
                f"{row.command_id}|{row.phase}",
                _said(row, effects),
                _about(row),
            )
            outputs += happened(one, place, alerts, policy)
        if row.phase == Phase.COMPLETED:
            for each in _OVER:
                outputs += over(each, row.subject, _about(row), place, alerts, policy)
    return outputs


def _about(row: CommandRow) -> str:
    return f"{row.order} {row.target}"


def _as_safe(row: CommandRow, issued: Iterable[RollbackCommand]) -> bool:
    """Returns whether a rollback made way for one of the same thing that went out: nothing is left
    undone.
    """
    if row.phase != Phase.SUPERSEDED or row.order != Order.ROLLBACK:
        return False
    real = [command for command in issued if command.target == row.target and not command.dry_run]
    return any(takes_out_same(command, row) for command in real)


def _said(row: CommandRow, effects: CommandEffects) -> str:
    """Returns what became of a command, and who or what brought that about."""
    last = next(
        (
            out.record
            for out in reversed(effects.outputs)
            if isinstance(out.record, Transition)
            and (out.record.command_id, out.record.after) == (row.command_id, row.phase)
        ),
        None,
    )
    why = (last.detail if last is not None else "") or row.detail
    by = f" by {last.by}" if last is not None and last.by else ""
    how = "is" if row.phase == Phase.COMPENSATING else "ended"
    ended = f"{row.order.lower()} {row.command_id} on {row.target} {how} {row.phase}{by}"
    return f"{ended}: {why}" if why else ended


def _dry(dry_run: bool) -> str:
    return " (a dry run)" if dry_run else ""
