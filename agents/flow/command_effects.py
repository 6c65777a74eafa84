"""What follows from the life of commands: for the book of commands, for what is learnt of them, and
for the alerts.
"""

from agents.alerts import alert_metrics, raising
from agents.alerts.alert_metrics import AlertMetric
from agents.commands import approvals, autonomy, budget, compensation, in_flight
from agents.commands.guards import freeze
from agents.commands.known_subjects import crowd, vouch
from agents.commands.ledger import CommandEffects, CommandLedger, stored
from agents.commands.ledger import rebuild as rebuild_commands
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
from state.partition.partition_state import PartitionState

RATED = 20  # commands of a subject whose share of failures is looked at
_RATED = (Phase.COMPLETED, Phase.FAILED)


def reported(
    status: CommandStatus, place: Provenance, state: PartitionState
) -> list[Output] | Refusal:
    """What follows from a deployer's report."""
    untold = _share(status, place, state)
    effects = untold or in_flight.reported(status, place, state.commands)
    if isinstance(effects, Refusal):
        return effects
    row = state.commands.commands.get(status.command_id)
    changed = (
        [row] if row is not None and effects.outputs else []
    )  # as it is now; what follows may undo it
    outputs = followed(effects, place, state)
    for row in changed:
        if row.phase == Phase.COMPLETED:
            vouch(row.subject, state.subjects)
            outputs += _remedied(status, row, place, state)
        outputs += [
            *followups.reported(status, row, _awaited(status, row, state), place, state.failures),
            *_error_rate(row, place, state),
        ]
    return outputs


def _remedied(
    status: CommandStatus, row: CommandRow, place: Provenance, state: PartitionState
) -> list[Output]:
    """What a completed command changes for live metrics, and what is to be said of that; a dry run
    changes nothing.
    """
    command = stored(row) if row.command is not None else None
    if command is not None and command.dry_run:
        return []
    if row.order == Order.DEPLOY:
        for version in {row.model_version, command.to_version if command is not None else None} - {
            None
        }:
            assert version is not None, "an absent version was left out"
            deployed(state.drift, row.subject, version)
            followups.serving(row.subject, version, place, state.failures)
    said = restart(state.drift, row, status.made_version)
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
    decision = autonomy.noted(finding, _policy(row.subject, state), place)
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def reviewed(review: Review, place: Provenance, state: PartitionState) -> list[Output] | Refusal:
    effects = approvals.reviewed(review, place, state.commands, _policy(review.subject, state))
    return effects if isinstance(effects, Refusal) else followed(effects, place, state)


def cancelled(request: Request, place: Provenance, state: PartitionState) -> list[Output] | Refusal:
    row = state.commands.commands.get(request.command_id or "")
    if row is None or row.subject != request.subject:
        return Refusal(
            "UNKNOWN_COMMAND", f"there is no command {request.command_id} of {request.subject}"
        )
    effects = compensation.cancel(row, request.requested_by, place, state.commands)
    return effects if isinstance(effects, Refusal) else followed(effects, place, state)


def frozen(request: Request, state: PartitionState) -> None:
    """Leaves a subject to people, or gives it back."""
    freeze(
        request.subject,
        request.requested_by if request.kind == RequestKind.FREEZE else "",
        state.commands,
    )


def admit(asked: Proposal, place: Provenance, state: PartitionState) -> list[Output]:
    """The budget's answer, and the alert where it is no."""
    answer, denied = budget.admit(asked, place, state.commands)
    return [answer, *_budgeted([(budget.over(asked), asked.tenant, float(denied))], place, state)]


def admitted(answer: Admission, place: Provenance, state: PartitionState) -> list[Output]:
    return followed(approvals.admitted(answer, place, state.commands), place, state)


def tick(place: Provenance, state: PartitionState) -> list[Output]:
    """Commands that move by themselves, and budgets of which nothing was denied for an hour."""
    ledger = CommandLedger(place, state.commands)
    for command_id in state.commands.deadlines.due(place.now):
        row = state.commands.commands.get(command_id)
        assert row is not None, f"{command_id} is due without a row"
        _due(row, ledger)
    sober = [(metric, tenant, 0.0) for metric, tenant in budget.sobered(place, state.commands)]
    return [*followed(ledger.effects, place, state), *_budgeted(sober, place, state)]


def followed(effects: CommandEffects, place: Provenance, state: PartitionState) -> list[Output]:
    """Everything that the moves of commands lead to."""
    compensation.settle(CommandLedger(place, state.commands, effects))
    for command in effects.issued:
        # What brings proof ends its experiment; and it may be issued within a slice, the rest of
        # which is counted already.
        unproved = isinstance(command, DeployCommand | RollbackCommand) and not command.evidence
        if unproved and not command.dry_run:
            reported_shares.unsettle(command, place.now, state.experiments)
    for row in effects.ended:
        if row.phase not in (Phase.COMPLETED, Phase.FAILED, Phase.REFUSED):
            followups.dropped(row.command_id, state.failures)  # nothing was tried, or nobody knows
    reopened, observed = list[Output](), list(effects.observed)
    for row in effects.ended:
        decisions, waiting = reopened_verdicts.ended(row, place, state)
        reopened += decisions
        observed += [(alert_metrics.UNSERVED, row.subject, value) for value in waiting]
    told = [*_observe(observed, place, state), *_told(effects, place, state)]
    return [*effects.outputs, *reopened, *told]


def observe(
    metric: AlertMetric, key: str, value: float, place: Provenance, state: PartitionState
) -> list[Output]:
    """What follows from a value of a metric of one subject under the rules of its policy."""
    return _observe([(metric, key, value)], place, state)


def rebuild(state: PartitionState) -> None:
    """What is derived, after rows were restored."""
    rebuild_commands(state.commands)
    budget.rebuild(state.commands)
    reopened_verdicts.rebuild(state)


def _awaited(status: CommandStatus, row: CommandRow, state: PartitionState) -> str:
    """The version that a command made, if it is not in service yet; empty otherwise."""
    made = status.made_version
    if made in (None, row.model_version) or row.order not in (Order.RETRAIN, Order.IMPROVE):
        return ""
    return "" if serves(state.drift, row.subject, made) else made or ""


def _share(status: CommandStatus, place: Provenance, state: PartitionState) -> Refusal | None:
    """Takes in what a report says of the traffic: its share, or that nobody knows it any more."""
    row = state.commands.commands.get(status.command_id)
    if row is None or (row.subject, row.attempt) != (status.subject, status.attempt):
        return None
    under_way = status.status in (Status.IN_PROGRESS, Status.ACKNOWLEDGED)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.IN_PROGRESS
        and moved(row.phase, Event.BEGIN) is not None
    ):
        return reported_shares.report(status, row, state.experiments)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.ACKNOWLEDGED
        and moved(row.phase, Event.ACKNOWLEDGE)
    ):
        reported_shares.unsettle(
            row, place.now, state.experiments
        )  # what was proved is judged on, and its deployer begins to move it
        return None
    if row.phase in AT_WORK and (
        row.order == Order.ROLLBACK or (row.order == Order.DEPLOY and not under_way)
    ):
        reported_shares.unsettle(row, place.now, state.experiments)
    return None


def _due(row: CommandRow, ledger: CommandLedger) -> None:
    match row.phase:
        case Phase.PROPOSED:
            approvals.ask(row, "the budget did not answer", ledger)
        case Phase.PENDING_APPROVAL:
            approvals.late(row, ledger)
        case Phase.RETRYING:
            in_flight.try_again(row, ledger)
        case _:
            in_flight.time_out(row, ledger)


def _error_rate(row: CommandRow, place: Provenance, state: PartitionState) -> list[Output]:
    """Looks at how many of the subject's last commands failed, once there are enough of them."""
    ended = [one for one in state.commands.commands.rows_of(row.subject) if one.phase in _RATED]
    last = sorted(ended, key=lambda one: (one.issued_at, one.command_id))[-RATED:]
    if row.phase not in _RATED or len(last) < RATED:
        return []
    rate = sum(one.phase == Phase.FAILED for one in last) / RATED
    return _observe([(alert_metrics.ERROR_RATE, row.subject, rate)], place, state)


def _told(effects: CommandEffects, place: Provenance, state: PartitionState) -> list[Output]:
    """The alerts of ends and of rollbacks; all that moves at once and ends may be of several
    subjects.
    """
    rows = [*effects.ended, *effects.halted]
    subjects = dict.fromkeys(
        [*(command.subject for command in effects.issued), *(row.subject for row in rows)]
    )
    return [
        output
        for subject in subjects
        for output in end_alerts.tell(
            effects.of(subject),
            place,
            state,
            _policy(subject, state),
            crowd(subject, place.now, state.subjects),
        )
    ]


def _observe(
    values: list[tuple[AlertMetric, str, float]], place: Provenance, state: PartitionState
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
            state.alerts,
            _policy(key, state),
            crowd(key, place.now, state.subjects),
        )
    ]


def _budgeted(
    values: list[tuple[AlertMetric, str, float]], place: Provenance, state: PartitionState
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
            state.alerts,
            _policy(tenant, state),
            raising.crowd_of(tenant),
        )
    ]


def _policy(subject: str, state: PartitionState) -> Policy:
    return policy_for(subject, state.policies)
