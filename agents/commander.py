"""Issues each command once, with a fencing token, and keeps where it stands."""

from dataclasses import replace
from typing import Any

from agents.slice import Finding
from schemas.ids import command_id
from schemas.records import (
    Command,
    CommandRow,
    CommandStatus,
    Decision,
    DeployCommand,
    ImproveCommand,
    Order,
    Outcome,
    Phase,
    RetrainCommand,
    RollbackCommand,
    Status,
    SubjectRow,
)
from state.table import row_key
from state.tables import Tables

TIME_TO_LIVE_MS = 3_600_000  # a deployer that was away for an hour should not act on what is long past
FINAL = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.REFUSED})
_PROGRESS = {  # statuses apply by how far they are, not by when they arrive
    Phase.ISSUED: 0,
    Phase.ACKNOWLEDGED: 1,
    Phase.IN_PROGRESS: 2,
    Phase.COMPLETED: 3,
    Phase.FAILED: 3,
    Phase.REFUSED: 3,
}
_PHASES = {
    Status.ACKNOWLEDGED: Phase.ACKNOWLEDGED,
    Status.IN_PROGRESS: Phase.IN_PROGRESS,
    Status.COMPLETED: Phase.COMPLETED,
    Status.FAILED: Phase.FAILED,
    Status.REFUSED: Phase.REFUSED,
}


def order(decision: Decision, finding: Finding, tables: Tables) -> tuple[Decision, Command | None]:
    """The decision with what became of it, and the command if it is issued.

    A second order of one kind for the same target and variant is held while the first is open.
    """
    if decision.outcome not in (Outcome.ISSUED, Outcome.AWAITING_APPROVAL):
        return decision, None
    target = f"{decision.subject}/production"
    pending = _open_command(tables, decision, target)
    if pending is not None:
        reason = f"{decision.reason} (held: {decision.order.lower()} {pending.command_id} is open)"
        return replace(decision, outcome=Outcome.HELD, reason=reason, command_id=pending.command_id), None
    decision = replace(decision, command_id=command_id(decision.decision_id, decision.order))
    command = _command(decision, finding, target, _next_token(tables, decision.subject, target))
    issued = decision.outcome == Outcome.ISSUED
    tables.commands.put(_row(command, decision.order, Phase.ISSUED if issued else Phase.PENDING_APPROVAL))
    return decision, command if issued else None


def apply_status(status: CommandStatus, tables: Tables) -> str | None:
    """Moves a command on; returns why it cannot, or None."""
    row = tables.commands.get(status.command_id)
    if row is None or row.subject != status.subject:
        return f"no command {status.command_id} of {status.subject} was issued"
    if row.phase == Phase.PENDING_APPROVAL:
        return f"command {status.command_id} was not issued: it waits for approval"
    phase = _PHASES[status.status]
    if status.attempt == row.attempt and row.phase not in FINAL and _PROGRESS[phase] > _PROGRESS[row.phase]:
        tables.commands.put(replace(row, phase=phase, detail=status.detail, reporter=status.reporter))
    return None


def _open_command(tables: Tables, decision: Decision, target: str) -> CommandRow | None:
    for row in tables.commands.rows_of(decision.subject):
        same = (row.target, row.order, row.experiment_id, row.variant, row.model_version)
        wanted = (target, decision.order, decision.experiment_id, decision.variant, decision.model_version)
        if same == wanted and row.phase not in FINAL:
            return row
    return None


def _next_token(tables: Tables, subject: str, target: str) -> int:
    row = tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, 0, {})
    token = row.tokens.get(target, 0) + 1
    tables.subjects.put(replace(row, tokens={**row.tokens, target: token}))
    return token


def _command(decision: Decision, finding: Finding, target: str, token: int) -> Command:
    assert decision.command_id is not None
    common: dict[str, Any] = {
        "command_id": decision.command_id,
        "subject": decision.subject,
        "target": target,
        "experiment_id": decision.experiment_id,
        "variant": decision.variant,
        "model_version": decision.model_version,
        "to_version": finding.to_version,
        "reason": decision.reason,
        "evidence": decision.evidence,
        "decision_id": decision.decision_id,
        "fencing_token": token,
        "issued_at": decision.decided_at,
        "expires_at": decision.decided_at + TIME_TO_LIVE_MS,
    }
    if decision.order == Order.ROLLBACK:
        return RollbackCommand(**common)
    if decision.order == Order.DEPLOY:
        return DeployCommand(**common)
    if decision.order == Order.RETRAIN:
        return RetrainCommand(**common, trigger=finding.rule, segments=finding.segments)
    assert decision.order == Order.IMPROVE, f"no command for order {decision.order}"
    return ImproveCommand(
        **common,
        strategy=finding.strategy,
        specialist=finding.specialist,
        hypothesis=finding.hypothesis,
        expected_gain=finding.expected_gain,
        expected_cost=finding.expected_cost,
    )


def _row(command: Command, order: Order, phase: Phase) -> CommandRow:
    return CommandRow(
        command_id=command.command_id,
        attempt=command.attempt,
        order=order,
        subject=command.subject,
        target=command.target,
        experiment_id=command.experiment_id,
        variant=command.variant,
        model_version=command.model_version,
        phase=phase,
        reason=command.reason,
        decision_id=command.decision_id,
        fencing_token=command.fencing_token,
        issued_at=command.issued_at,
        expires_at=command.expires_at,
    )
