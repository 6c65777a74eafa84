"""Turns a decision into a command: issued at once, or waiting for the budget or for a person.

Which of these it is `disposition.py` says.
"""

from dataclasses import replace
from typing import Any

from agents.commands import budget
from agents.commands.circumstances import Circumstances
from agents.commands.disposition import Disposition
from agents.commands.guards import APPROVAL_MS, lock
from agents.commands.ledger import (
    CommandEffects,
    CommandLedger,
    content,
    next_rank,
    rows_of,
    stored,
)
from agents.commands.lifecycle import BEGINNINGS, FINAL, WAITING
from agents.commands.service_history import REVERSIBLE
from agents.core.batch import Finding, OrderTerms
from agents.core.policies import policy_for
from schemas.persons import OURSELVES
from schemas.records import (
    Command,
    CommandRow,
    Decision,
    DeployCommand,
    Event,
    ImproveCommand,
    Order,
    Outcome,
    Phase,
    RetrainCommand,
    RollbackCommand,
)

_BEGINNINGS = {
    Outcome.ISSUED: Event.ISSUE,
    Outcome.AWAITING_ADMISSION: Event.ASK_BUDGET,
    Outcome.AWAITING_APPROVAL: Event.ASK_PERSON,
}


def order(
    decision: Decision, finding: Finding, disposition: Disposition, case: Circumstances
) -> tuple[CommandRow | None, CommandEffects]:
    """The row of the command that a decision orders, if any, and what follows.

    finding: as it is ordered, with the strategy of an improvement. A person's own order takes the
    place of what waits, even where an open command holds it back.
    """
    place, tables, by = case.place, case.tables, case.asked_by
    ledger = CommandLedger(place, tables)
    if by:
        _take_over(decision, case.target, by, ledger)
    event = _BEGINNINGS.get(disposition.outcome)
    if event is None:
        return None, ledger.effects
    if event == Event.ISSUE and not by:
        budget.spend(decision.subject, place, tables)
    why = disposition.waits_for
    row = row_of(_command(decision, finding, case.target), decision.order, why, by)
    row = replace(row, rank=next_rank(tables, row.subject, case.target), **_terms(finding.terms))
    if by and case.never_served():
        row = replace(row, approved_as=Order.DEPLOY)
    entered = enter(row, event, why, ledger)
    if event == Event.ASK_BUDGET:
        ledger.effects.outputs.append(budget.proposal(row, why, place, tables, case.policy))
    return entered, ledger.effects


def enter(
    row: CommandRow,
    event: Event,
    why: str,
    ledger: CommandLedger,
) -> CommandRow:
    """Begins the life of a row: issues it, or asks the budget or a person."""
    if event == Event.ISSUE:
        precede(row, ledger)
        ledger.issue(row, event, row.requested_by or OURSELVES, row.reason)
    else:
        wait_ms = APPROVAL_MS[row.order] if event == Event.ASK_PERSON else budget.ANSWER_MS
        waiting = replace(
            row,
            phase=BEGINNINGS[event],
            waits_for=why,
            due_at=ledger.place.now + (wait_ms // 2 if event == Event.ASK_PERSON else wait_ms),
            expires_at=ledger.place.now + wait_ms,
        )
        ledger.begin(waiting, event, why)
    entered = ledger.tables.commands.get(row.command_id)
    assert entered is not None, "a command began without a row"
    return entered


def precede(row: CommandRow, ledger: CommandLedger) -> None:
    """Does to others what a command that is about to be issued does: those whose place it takes are
    SUPERSEDED, whatever phase they are in, and a person's own leaves the target to people.
    """
    if row.order not in REVERSIBLE or stored(row).dry_run:
        return
    if row.requested_by and (row.compensates is None or row.order == Order.DEPLOY):
        # Whoever takes a deployment back wants no more than that, and what is found meanwhile is to
        # be ended too.
        policy = policy_for(row.subject, ledger.tables.policies)
        lock(row.subject, row.target, ledger.place.now + policy.manual_lock_ms, ledger.tables)
    why = f"{row.order.lower()} {row.command_id} is ordered for the same target"
    for other in rows_of(row.subject, ledger.tables):
        if _replaces(row, other):
            ledger.move(other, Event.SUPERSEDE, row.requested_by or OURSELVES, why)


def _replaces(row: CommandRow, other: CommandRow) -> bool:
    """Returns whether a later order of a target takes the place of another command of it.

    A deployment takes that of everything. A rollback takes that of deployments, of rollbacks of the
    same thing (what it does not name is to be out of service as well), and of rollbacks that would
    put in service what it takes out.
    """
    older = other.rank < row.rank or other.rank == row.rank == 0
    same = other.command_id in (row.command_id, row.compensates)
    if (
        other.target != row.target
        or other.order not in REVERSIBLE
        or other.phase in FINAL
        or same
        or not older
    ):
        return False
    if other.command is not None and stored(other).dry_run:
        return False  # it changes nothing
    if row.order == Order.DEPLOY:
        return True
    if other.order == Order.DEPLOY:
        return other.phase != Phase.COMPENSATING  # it is rolled back already
    undone = other.phase == Phase.COMPENSATING  # by a deployment, which goes as well
    return undone or (
        other.compensates is None and (takes_out_same(row, other) or _brings_back(row, other))
    )


def _brings_back(row: CommandRow, other: CommandRow) -> bool:
    """Returns whether an older rollback would put in service what a later one takes out."""
    brought = stored(other).to_version if other.command is not None else None
    return brought is not None and brought in (row.model_version, row.variant)


def takes_out_same(row: CommandRow | RollbackCommand, other: CommandRow) -> bool:
    """Returns whether a rollback takes out what another does; one that names nothing takes out
    whatever there is.
    """
    if row.variant is None and row.model_version is None:
        return True
    if row.model_version is not None and row.model_version == other.model_version:
        return True
    return row.variant is not None and (row.experiment_id, row.variant) == (
        other.experiment_id,
        other.variant,
    )


def _take_over(
    decision: Decision,
    target: str,
    by: str,
    ledger: CommandLedger,
) -> None:
    """A person's own order goes before what waits for the target of its kind; what is to be rolled
    back waits on.
    """
    for row in rows_of(decision.subject, ledger.tables):
        like = row.order == decision.order != Order.ROLLBACK
        if row.target == target and row.phase in WAITING and like and row.compensates is None:
            ledger.move(row, Event.SUPERSEDE, by, f"{by} ordered otherwise")


def _command(decision: Decision, finding: Finding, target: str) -> Command:
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
        "fencing_token": 0,
        "issued_at": decision.decided_at,
        "expires_at": decision.decided_at,
        "dry_run": finding.dry_run,
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


def _terms(terms: OrderTerms | None) -> dict[str, Any]:
    """The fields of a row that a person's own order says."""
    if terms is None:
        return {}
    tries = 0 if terms.max_retries is None else 1 + terms.max_retries
    return {
        "priority": terms.priority,
        "attempts_max": tries,
        "failure_id": terms.failure_id,
    }


def row_of(command: Command, kind: Order, why: str, asked_by: str) -> CommandRow:
    """The row of a command that is not entered yet."""
    encoded, digest = content(command)
    return CommandRow(
        command_id=command.command_id,
        attempt=1,
        order=kind,
        subject=command.subject,
        target=command.target,
        experiment_id=command.experiment_id,
        variant=command.variant,
        model_version=command.model_version,
        phase=Phase.UNKNOWN,
        reason=command.reason,
        decision_id=command.decision_id,
        fencing_token=0,
        issued_at=command.issued_at,
        expires_at=command.expires_at,
        requested_by=asked_by,
        waits_for=why,
        digest=digest,
        command=encoded,
        compensates=command.compensates,
    )
