"""Says how commands end: whether the verdict that led to one is served or open again, and how its
end is told.

A verdict is answered only by a command that was COMPLETED and did something. What a person said no
to is a person's own word, and is not asked again before the evidence has grown. The newest order of
a target wins for good, so what another took the place of is not sent anew against it: it is asked
again as after a person's no.

Each phase out of which a command does not come by itself is told, for each order. COMPLETED is what
was wanted; of a rollback it is news all the same. Every other end is an alert at once.
"""

from collections.abc import Iterable

from agents.alerts import alert_metrics
from agents.alerts.alert_metrics import AlertKind, AlertMetric
from agents.alerts.events import Happening, happened, over
from agents.alerts.raising import crowd_of_subject
from agents.commands.ledger import CommandEffects, stored
from agents.commands.lifecycle import FINAL
from agents.commands.ordering import takes_out_same
from agents.core.command_outcome import End, EndedHow
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.records import CommandRow, Order, Phase, Policy, RollbackCommand, Transition
from state.partition.alert_tables import AlertTables
from state.partition.command_tables import CommandTables

_BY_A_PERSON = frozenset({Phase.REJECTED, Phase.CANCELLED})
_UNDONE = frozenset({Phase.COMPENSATED, Phase.COMPENSATION_FAILED})
_FAILED = frozenset({Phase.FAILED, Phase.REFUSED, Phase.TIMED_OUT, Phase.SUPERSEDED}) | _UNDONE
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


def end_of(row: CommandRow, tables: CommandTables) -> End:
    """How a command that is over has ended; row: as it was when it did."""
    dry = row.command is not None and stored(row).dry_run
    return End(_how(row, dry, tables), row.fencing_token > 0 and not dry, _asks(row))


def _how(row: CommandRow, dry: bool, tables: CommandTables) -> EndedHow:
    standing = tables.commands.get(row.command_id)
    assert standing is not None, f"{row.command_id} ended without a row"
    if standing.phase not in FINAL:
        return EndedHow.NOT_YET
    if row.phase == Phase.COMPLETED:
        return EndedHow.UNSERVED if dry else EndedHow.SERVED
    if row.phase == Phase.SUPERSEDED:
        return EndedHow.OVERTAKEN
    denied = row.phase in _BY_A_PERSON or (
        row.phase in _UNDONE and _undone_by_a_person(row, tables)
    )
    return EndedHow.DENIED if denied else EndedHow.UNSERVED


def _asks(row: CommandRow) -> str:
    """Why a person is asked before such a command is sent anew; empty where nobody need be.

    A deployment that came to nothing is not tried over and over: the candidate may be what failed.
    """
    if row.order != Order.DEPLOY or row.phase not in _FAILED:
        return ""
    return f"its last deployment is {row.phase}"


def _undone_by_a_person(row: CommandRow, tables: CommandTables) -> bool:
    undoing = tables.commands.get(row.undone_by)
    return undoing is not None and bool(undoing.requested_by)


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
