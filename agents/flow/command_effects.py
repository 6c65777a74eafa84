"""Derives what follows from the life of commands: for the book of commands, for what is learnt of
them, and for the alerts.
"""

from collections.abc import Callable
from typing import TypeVar

from agents.alerts.alert_metrics import UNSERVED
from agents.alerts.raising import observe_subject
from agents.commands import (
    approvals,
    compensation,
    in_flight,
)
from agents.commands.command_ends import told as ends_told
from agents.commands.disposition import noted
from agents.commands.ledger import CommandEffects, CommandLedger, stored
from agents.commands.lifecycle import AT_WORK, WAITING, moved
from agents.core.batch import Finding
from agents.core.effects import Output, Refusal
from agents.core.known_subjects import vouch
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.drift.metric_rows import deployed, restart, serves
from agents.experiments.plan import reported_shares
from agents.failures import followups
from agents.flow import reopened_verdicts
from schemas.catalog import DECISIONS
from schemas.records import (
    CommandRow,
    CommandStatus,
    DeployCommand,
    Event,
    Order,
    Phase,
    RollbackCommand,
    Status,
    Verdict,
)
from state.partition.command_tables import CommandTables
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.failure_tables import FailureTables
from state.partition.partition_state import PartitionState

R = TypeVar("R")
Step = Callable[[R, Provenance, CommandTables], CommandEffects | Refusal]
Handler = Callable[[R, Provenance, PartitionState], list[Output] | Refusal]


def moving(step: Step[R]) -> Handler[R]:
    """The handler of a record that moves commands by a step, and of all that this leads to."""

    def handle(record: R, place: Provenance, state: PartitionState) -> list[Output] | Refusal:
        effects = step(record, place, state.commands)
        return effects if isinstance(effects, Refusal) else followed(effects, place, state)

    return handle


def reported(
    status: CommandStatus, place: Provenance, state: PartitionState
) -> list[Output] | Refusal:
    """Returns what follows from a deployer's report."""
    untold = _share(status, place, state.commands, state.experiments)
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
            outputs += _remedied(status, row, place, state.drift, state.failures)
        awaited = _awaited(status, row, state.drift)
        outputs += [
            *followups.reported(status, row, awaited, place, state.failures),
            *in_flight.error_rate(row, place, state.commands),
        ]
    return outputs


def due(place: Provenance, commands: CommandTables) -> CommandEffects:
    """Moves the commands whose deadline is over, as time alone moves them."""
    ledger = CommandLedger(place, commands)
    for command_id in commands.deadlines.due(place.now):
        row = commands.commands.get(command_id)
        assert row is not None, f"{command_id} is due without a row"
        if row.phase in WAITING:
            approvals.due(row, ledger)
        else:
            in_flight.due(row, ledger)
    return ledger.effects


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
        decisions, waiting = reopened_verdicts.ended(
            row, place, state.commands, state.experiments, state.drift
        )
        reopened += decisions
        observed += [(UNSERVED, row.subject, value) for value in waiting]
    seen = [
        output
        for metric, subject, value in observed
        for output in observe_subject(metric, subject, value, place, state.alerts)
    ]
    told = ends_told(effects, place, state.alerts)
    return [*effects.outputs, *reopened, *seen, *told]


def _remedied(
    status: CommandStatus,
    row: CommandRow,
    place: Provenance,
    drift: DriftTables,
    failures: FailureTables,
) -> list[Output]:
    """Returns what a completed command changes for live metrics, and what is to be said of that; a
    dry run changes nothing.
    """
    command = stored(row) if row.command is not None else None
    if command is not None and command.dry_run:
        return []
    if row.order == Order.DEPLOY:
        for version in {row.model_version, command.to_version if command is not None else None} - {
            None
        }:
            assert version is not None, "an absent version was left out"
            deployed(drift, row.subject, version)
            followups.serving(row.subject, version, place, failures)
    said = restart(drift, row, status.made_version)
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
    decision = noted(finding, policy_for(row.subject, drift.policies), place)
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def _awaited(status: CommandStatus, row: CommandRow, drift: DriftTables) -> str:
    """The version that a command made, if it is not in service yet; empty otherwise."""
    made = status.made_version
    if made in (None, row.model_version) or row.order not in (Order.RETRAIN, Order.IMPROVE):
        return ""
    return "" if serves(drift, row.subject, made) else made or ""


def _share(
    status: CommandStatus,
    place: Provenance,
    commands: CommandTables,
    experiments: ExperimentTables,
) -> Refusal | None:
    """Takes in what a report says of the traffic: its share, or that nobody knows it any more."""
    row = commands.commands.get(status.command_id)
    if row is None or (row.subject, row.attempt) != (status.subject, status.attempt):
        return None
    under_way = status.status in (Status.IN_PROGRESS, Status.ACKNOWLEDGED)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.IN_PROGRESS
        and moved(row.phase, Event.BEGIN) is not None
    ):
        return reported_shares.report(status, row, experiments)
    if (
        row.order == Order.DEPLOY
        and status.status == Status.ACKNOWLEDGED
        and moved(row.phase, Event.ACKNOWLEDGE)
    ):
        # what was proved is judged on, and its deployer begins to move it
        reported_shares.unsettle(row, place.now, experiments)
        return None
    if row.phase in AT_WORK and (
        row.order == Order.ROLLBACK or (row.order == Order.DEPLOY and not under_way)
    ):
        reported_shares.unsettle(row, place.now, experiments)
    return None
