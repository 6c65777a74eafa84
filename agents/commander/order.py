"""Turns a decision into a command: issued at once, or waiting for the budget or for a person."""

from dataclasses import replace
from typing import Any

from agents.commander import book, budget
from agents.commander.book import OURSELVES, Moves
from agents.commander.life import AT_WORK, BEGINNINGS, FINAL, WAITING
from agents.commander.rights import APPROVAL_MS, hands_off
from agents.place import Place
from agents.slice import Finding
from schemas.ids import command_id
from schemas.orders import Event
from schemas.records import (
    Command,
    CommandRow,
    Decision,
    DeployCommand,
    ImproveCommand,
    Order,
    Outcome,
    Phase,
    Policy,
    RetrainCommand,
    RollbackCommand,
    Verdict,
)
from state.table import row_key
from state.tables import Tables

_OUTCOMES = {
    Event.ISSUE: Outcome.ISSUED,
    Event.ASK_BUDGET: Outcome.AWAITING_ADMISSION,
    Event.ASK_PERSON: Outcome.AWAITING_APPROVAL,
}


def order(
    decision: Decision, finding: Finding, place: Place, tables: Tables, policy: Policy, asked_by: str = ""
) -> tuple[Decision, CommandRow | None, Moves]:
    """The decision with what became of it, its command's row, and what follows.

    asked_by: the person whose own order it is. A second order of one kind for the same target and variant is held while
    the first is open; a person's takes the place of one that still waits, and a verdict that of a trial it is about.
    """
    moves = Moves()
    if decision.outcome not in (Outcome.ISSUED, Outcome.AWAITING_APPROVAL):
        return decision, None, moves
    target = f"{decision.subject}/{finding.environment}"
    if asked_by:
        _take_over(decision, target, asked_by, place, tables, moves)
    pending = _open_command(tables, decision, target)
    if pending is not None:
        reason = f"{decision.reason} (held: {decision.order.lower()} {pending.command_id} is open)"
        return replace(decision, outcome=Outcome.HELD, reason=reason, command_id=pending.command_id), None, moves
    event, why = _way(decision, target, place, tables, policy, asked_by)
    decision = replace(decision, command_id=command_id(decision.decision_id, decision.order), outcome=_OUTCOMES[event])
    row = row_of(_command(decision, finding, target), decision.order, why, asked_by)
    entered = enter(row, event, why, place, tables, moves)
    if event == Event.ASK_BUDGET:
        moves.outputs.append(budget.proposal(row, why, place, tables, policy))
    return decision, entered, moves


def enter(row: CommandRow, event: Event, why: str, place: Place, tables: Tables, moves: Moves) -> CommandRow:
    """Begins the life of a row: issues it, or asks the budget or a person."""
    if event == Event.ISSUE:
        supersede(row, place, tables, moves)
        book.issue(row, event, row.requested_by or OURSELVES, row.reason, place, tables, moves)
    else:
        wait_ms = APPROVAL_MS[row.order] if event == Event.ASK_PERSON else budget.ANSWER_MS
        waiting = replace(
            row,
            phase=BEGINNINGS[event],
            waits_for=why,
            due_at=place.now + (wait_ms // 2 if event == Event.ASK_PERSON else wait_ms),
            expires_at=place.now + wait_ms,
        )
        book.begin(waiting, event, why, place, tables, moves)
    entered = tables.commands.get(row.command_id)
    assert entered is not None, "a command began without a row"
    return entered


def supersede(row: CommandRow, place: Place, tables: Tables, moves: Moves) -> None:
    """What a command that is issued makes pointless: by a rollback deployments to the same target that are not done, by a
    verdict for a deployment the trial that led to it."""
    for other in book.rows_of(row.subject, tables):
        if other.order != Order.DEPLOY or other.target != row.target or other.command_id == row.compensates:
            continue
        if row.order == Order.ROLLBACK and other.phase in WAITING | AT_WORK:
            why = f"rollback {row.command_id} is ordered for the same target"
        elif row.order == Order.DEPLOY and not row.requested_by and _tried(other, row.experiment_id, row.variant):
            why = f"{row.command_id} goes on with it: the gain is proved"
        else:
            continue
        book.move(other, Event.SUPERSEDE, row.requested_by or OURSELVES, why, place, tables, moves)


def _tried(row: CommandRow, experiment_id: str | None, variant: str | None) -> bool:
    """Whether a person's deployment under way, which nothing had proved, is the trial of this variant."""
    ours = (row.order, row.experiment_id, row.variant) == (Order.DEPLOY, experiment_id, variant)
    return ours and experiment_id is not None and bool(row.requested_by) and row.phase in AT_WORK


def _take_over(decision: Decision, target: str, by: str, place: Place, tables: Tables, moves: Moves) -> None:
    """A person's own order goes before what waits for the target, whatever it is."""
    for row in book.rows_of(decision.subject, tables):
        if (
            row.target == target
            and row.phase in WAITING
            and row.order in (Order.ROLLBACK, Order.DEPLOY, decision.order)
        ):
            book.move(row, Event.SUPERSEDE, by, f"{by} ordered otherwise", place, tables, moves)


def _way(
    decision: Decision, target: str, place: Place, tables: Tables, policy: Policy, asked_by: str
) -> tuple[Event, str]:
    """How the command begins, and why not at once."""
    if decision.outcome == Outcome.AWAITING_APPROVAL:
        return Event.ASK_PERSON, "the policy asks a person"
    if asked_by:
        return Event.ISSUE, ""
    why = hands_off(decision.subject, target, place, tables, locks=not _watched(decision, target, tables))
    return (Event.ASK_PERSON, why) if why else budget.spend(decision.subject, place, tables, policy)


def _watched(decision: Decision, target: str, tables: Tables) -> bool:
    """Whether it is about a person's own trial that follows its rollout: who begins that wants it ended by what is proved."""
    experiment = tables.experiments.get(row_key(decision.subject, decision.experiment_id or ""))
    return (
        experiment is not None
        and experiment.follows_rollout
        and any(
            row.target == target and _tried(row, decision.experiment_id, decision.variant)
            for row in tables.commands.rows_of(decision.subject)
        )
    )


def _open_command(tables: Tables, decision: Decision, target: str) -> CommandRow | None:
    for row in book.rows_of(decision.subject, tables):
        same = (row.target, row.order, row.experiment_id, row.variant, row.model_version)
        wanted = (target, decision.order, decision.experiment_id, decision.variant, decision.model_version)
        if same == wanted and row.phase not in FINAL and row.compensates is None:
            if decision.verdict == Verdict.GAIN and _tried(row, decision.experiment_id, decision.variant):
                continue  # the verdict takes its place, once it is issued
            return row
    return None


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


def row_of(command: Command, kind: Order, why: str, asked_by: str) -> CommandRow:
    """The row of a command that is not entered yet."""
    encoded, digest = book.content(command)
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
