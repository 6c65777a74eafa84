"""What follows from the life of commands: for the book of commands, for what is learnt of them, and
for the alerts.
"""

from agents.alerts import alert_metrics, raising
from agents.alerts.alert_metrics import AlertMetric
from agents.commands import approvals, autonomy, budget, compensation, in_flight, ledger
from agents.commands.guards import freeze
from agents.commands.known_subjects import crowd, vouch
from agents.commands.ledger import CommandEffects
from agents.commands.lifecycle import AT_WORK, moved
from agents.core.batch import Finding
from agents.core.effects import Output, Refusal
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.drift.metric_rows import deployed, restart, serves
from agents.experiments.plan import reported_shares
from agents.failures import followups
from agents.flow import end_alerts, reopened_verdicts
from schemas.catalog import DECISIONS
from schemas.records import (
    Admission,
    CommandRow,
    CommandStatus,
    DeployCommand,
    Event,
    Order,
    Phase,
    Policy,
    Proposal,
    Request,
    RequestKind,
    Review,
    RollbackCommand,
    Status,
    Verdict,
)
from state.tables import Tables

RATED = 20  # commands of a subject whose share of failures is looked at
_RATED = (Phase.COMPLETED, Phase.FAILED)


def reported(status: CommandStatus, place: Provenance, tables: Tables) -> list[Output] | Refusal:
    """What follows from a deployer's report."""
    untold = _share(status, place, tables)
    moves = untold or in_flight.reported(status, place, tables)
    if isinstance(moves, Refusal):
        return moves
    row = tables.commands.get(status.command_id)
    changed = (
        [row] if row is not None and moves.outputs else []
    )  # as it is now; what follows may undo it
    outputs = followed(moves, place, tables)
    for row in changed:
        if row.phase == Phase.COMPLETED:
            vouch(row.subject, tables)
            outputs += _remedied(status, row, place, tables)
        outputs += [
            *followups.reported(status, row, _awaited(status, row, tables), place, tables.lessons),
            *_error_rate(row, place, tables),
        ]
    return outputs


def _remedied(
    status: CommandStatus, row: CommandRow, place: Provenance, tables: Tables
) -> list[Output]:
    """What a completed command changes for live metrics, and what is to be said of that; a dry run
    changes nothing.
    """
    command = ledger.stored(row) if row.command is not None else None
    if command is not None and command.dry_run:
        return []
    if row.order == Order.DEPLOY:
        for version in {row.model_version, command.to_version if command is not None else None} - {
            None
        }:
            assert version is not None, "an absent version was left out"
            deployed(tables, row.subject, version)
            followups.serving(row.subject, version, place, tables.lessons)
    said = restart(tables, row, status.made_version)
    if not said:
        return []
    finding = Finding(
        at=0,
        agent="watch",
        ordinal=f"{row.command_id}|{row.attempt}|remedy",
        verdict=Verdict.MISSING,
        order=Order.NONE,
        subject=row.subject,
        metric="",
        rule="a remedy is no cure before it serves",
        reason=said,
        evidence=(),
        model_version=row.model_version,
    )
    decision = autonomy.decided(finding, _policy(row.subject, tables), None, place)
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def reviewed(review: Review, place: Provenance, tables: Tables) -> list[Output] | Refusal:
    moves = approvals.reviewed(review, place, tables, _policy(review.subject, tables))
    return moves if isinstance(moves, Refusal) else followed(moves, place, tables)


def cancelled(request: Request, place: Provenance, tables: Tables) -> list[Output] | Refusal:
    row = tables.commands.get(request.command_id or "")
    if row is None or row.subject != request.subject:
        return Refusal(
            "UNKNOWN_COMMAND", f"there is no command {request.command_id} of {request.subject}"
        )
    moves = compensation.cancel(row, request.requested_by, place, tables)
    return moves if isinstance(moves, Refusal) else followed(moves, place, tables)


def frozen(request: Request, tables: Tables) -> None:
    """Leaves a subject to people, or gives it back."""
    freeze(
        request.subject, request.requested_by if request.kind == RequestKind.FREEZE else "", tables
    )


def admit(asked: Proposal, place: Provenance, tables: Tables) -> list[Output]:
    """The budget's answer, and the alert where it is no."""
    answer, denied = budget.admit(asked, place, tables)
    return [answer, *_budgeted([(budget.over(asked), asked.tenant, float(denied))], place, tables)]


def admitted(answer: Admission, place: Provenance, tables: Tables) -> list[Output]:
    return followed(approvals.admitted(answer, place, tables), place, tables)


def tick(place: Provenance, tables: Tables) -> list[Output]:
    """Commands that move by themselves, and budgets of which nothing was denied for an hour."""
    moves = CommandEffects()
    for command_id in tables.due.due(place.now):
        row = tables.commands.get(command_id)
        assert row is not None, f"{command_id} is due without a row"
        _due(row, place, tables, moves)
    sober = [(metric, tenant, 0.0) for metric, tenant in budget.sobered(place, tables)]
    return [*followed(moves, place, tables), *_budgeted(sober, place, tables)]


def followed(moves: CommandEffects, place: Provenance, tables: Tables) -> list[Output]:
    """Everything that the moves of commands lead to."""
    compensation.settle(moves, place, tables)
    for command in moves.issued:
        # What brings proof ends its experiment; and it may be issued within a slice, the rest of
        # which is counted already.
        unproved = isinstance(command, DeployCommand | RollbackCommand) and not command.evidence
        if unproved and not command.dry_run:
            reported_shares.unsettle(command, place.now, tables)
    for row in moves.ended:
        if row.phase not in (Phase.COMPLETED, Phase.FAILED, Phase.REFUSED):
            followups.dropped(row.command_id, tables.lessons)  # nothing was tried, or nobody knows
    reopened, observed = list[Output](), list(moves.observed)
    for row in moves.ended:
        decisions, waiting = reopened_verdicts.ended(row, place, tables)
        reopened += decisions
        observed += [(alert_metrics.UNSERVED, row.subject, value) for value in waiting]
    told = [*_observe(observed, place, tables), *_told(moves, place, tables)]
    return [*moves.outputs, *reopened, *told]


def observe(
    metric: AlertMetric, key: str, value: float, place: Provenance, tables: Tables
) -> list[Output]:
    """What follows from a value of a metric of one subject under the rules of its policy."""
    return _observe([(metric, key, value)], place, tables)


def rebuild(tables: Tables) -> None:
    """What is derived, after rows were restored."""
    ledger.rebuild(tables)
    budget.rebuild(tables)
    reopened_verdicts.rebuild(tables)


def _awaited(status: CommandStatus, row: CommandRow, tables: Tables) -> str:
    """The version that a command made, if it is not in service yet; empty otherwise."""
    made = status.made_version
    if made in (None, row.model_version) or row.order not in (Order.RETRAIN, Order.IMPROVE):
        return ""
    return "" if serves(tables, row.subject, made) else made or ""


def _share(status: CommandStatus, place: Provenance, tables: Tables) -> Refusal | None:
    """Takes in what a report says of the traffic: its share, or that nobody knows it any more."""
    row = tables.commands.get(status.command_id)
    if row is None or (row.subject, row.attempt) != (status.subject, status.attempt):
        return None
    under_way = status.status in (Status.IN_PROGRESS, Status.ACKNOWLEDGED)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.IN_PROGRESS
        and moved(row.phase, Event.BEGIN) is not None
    ):
        return reported_shares.report(status, row, tables)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.ACKNOWLEDGED
        and moved(row.phase, Event.ACKNOWLEDGE)
    ):
        reported_shares.unsettle(
            row, place.now, tables
        )  # what was proved is judged on, and its deployer begins to move it
        return None
    if row.phase in AT_WORK and (
        row.order == Order.ROLLBACK or (row.order == Order.DEPLOY and not under_way)
    ):
        reported_shares.unsettle(row, place.now, tables)
    return None


def _due(row: CommandRow, place: Provenance, tables: Tables, moves: CommandEffects) -> None:
    match row.phase:
        case Phase.PROPOSED:
            approvals.ask(row, "the budget did not answer", place, tables, moves)
        case Phase.PENDING_APPROVAL:
            approvals.late(row, place, tables, moves)
        case Phase.RETRYING:
            in_flight.try_again(row, place, tables, moves)
        case _:
            in_flight.time_out(row, place, tables, moves)


def _error_rate(row: CommandRow, place: Provenance, tables: Tables) -> list[Output]:
    """Looks at how many of the subject's last commands failed, once there are enough of them."""
    ended = [one for one in tables.commands.rows_of(row.subject) if one.phase in _RATED]
    last = sorted(ended, key=lambda one: (one.issued_at, one.command_id))[-RATED:]
    if row.phase not in _RATED or len(last) < RATED:
        return []
    rate = sum(one.phase == Phase.FAILED for one in last) / RATED
    return _observe([(alert_metrics.ERROR_RATE, row.subject, rate)], place, tables)


def _told(moves: CommandEffects, place: Provenance, tables: Tables) -> list[Output]:
    """The alerts of ends and of rollbacks; all that moves at once and ends may be of several
    subjects.
    """
    rows = [*moves.ended, *moves.halted]
    subjects = dict.fromkeys(
        [*(command.subject for command in moves.issued), *(row.subject for row in rows)]
    )
    return [
        output
        for subject in subjects
        for output in end_alerts.tell(
            moves.of(subject),
            place,
            tables.lessons,
            _policy(subject, tables),
            crowd(subject, place.now, tables),
        )
    ]


def _observe(
    values: list[tuple[AlertMetric, str, float]], place: Provenance, tables: Tables
) -> list[Output]:
    """What follows from values of subjects; newcomers raise no storm in which those of known
    subjects are held.
    """
    return [
        output
        for metric, key, value in values
        for output in raising.observe(
            metric,
            key,
            value,
            place,
            tables.lessons,
            _policy(key, tables),
            crowd(key, place.now, tables),
        )
    ]


def _budgeted(
    values: list[tuple[AlertMetric, str, float]], place: Provenance, tables: Tables
) -> list[Output]:
    """What follows from values of tenants."""
    return [
        output
        for metric, tenant, value in values
        for output in raising.observe(
            metric,
            tenant,
            value,
            place,
            tables.lessons,
            _policy(tenant, tables),
            raising.crowd_of(tenant),
        )
    ]


def _policy(subject: str, tables: Tables) -> Policy:
    return policy_for(subject, tables.policies)
