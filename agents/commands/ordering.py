"""Turns a decision into a command: issued at once, or waiting for the budget or for a person."""

from dataclasses import replace
from typing import Any

from agents.commands import budget
from agents.commands.guards import APPROVAL_MS, NEVER_SERVED, hands_off, lock
from agents.commands.ledger import (
    CommandEffects,
    CommandLedger,
    content,
    next_rank,
    rows_of,
    stored,
)
from agents.commands.lifecycle import AT_WORK, BEGINNINGS, FINAL, WAITING
from agents.commands.service_history import REVERSIBLE, served
from agents.core.batch import Finding
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.ids import command_id, target_of
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
    Policy,
    RetrainCommand,
    RollbackCommand,
    Verdict,
)
from state.partition.command_tables import CommandTables
from state.storage.table import row_key

_OUTCOMES = {
    Event.ISSUE: Outcome.ISSUED,
    Event.ASK_BUDGET: Outcome.AWAITING_ADMISSION,
    Event.ASK_PERSON: Outcome.AWAITING_APPROVAL,
}


def order(
    decision: Decision,
    finding: Finding,
    place: Provenance,
    tables: CommandTables,
    policy: Policy,
    asked_by: str = "",
) -> tuple[Decision, CommandRow | None, CommandEffects]:
    """The decision with what became of it, its command's row, and what follows.

    asked_by: the person whose own order it is. A second order of automation of one kind for the
    same target and variant is held while the first is open, but for a verdict on a trial; a
    person's is never held, because a later order wins.
    """
    ledger = CommandLedger(place, tables)
    if decision.outcome not in (Outcome.ISSUED, Outcome.AWAITING_APPROVAL):
        return decision, None, ledger.effects
    target = target_of(decision.subject, finding.environment)
    if asked_by:
        _take_over(decision, target, asked_by, ledger)
    pending = (
        None
        if asked_by and decision.order in REVERSIBLE
        else _open_command(tables, decision, finding, target)
    )
    if pending is not None:
        reason = f"{decision.reason} (held: {decision.order.lower()} {pending.command_id} is open)"
        return (
            replace(decision, outcome=Outcome.HELD, reason=reason, command_id=pending.command_id),
            None,
            ledger.effects,
        )
    event, why = _way(decision, finding, target, place, tables, policy, asked_by)
    decision = replace(
        decision,
        command_id=command_id(decision.decision_id, decision.order),
        outcome=_OUTCOMES[event],
    )
    row = row_of(_command(decision, finding, target), decision.order, why, asked_by)
    row = replace(row, rank=next_rank(tables, row.subject, target))
    if asked_by and never_served(finding, target, tables):
        row = replace(row, approved_as=Order.DEPLOY)
    entered = enter(row, event, why, ledger)
    if event == Event.ASK_BUDGET:
        ledger.effects.outputs.append(budget.proposal(row, why, place, tables, policy))
    return decision, entered, ledger.effects


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
    """What a command that is about to be issued does to others: those whose place it takes are
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


def never_served(finding: Finding, target: str, tables: CommandTables) -> bool:
    """Whether a rollback would put a version in service that was not in it before, which is a
    deployment by another name.
    """
    version = finding.to_version
    if finding.order != Order.ROLLBACK or version is None:
        return False
    return not served(finding.subject, target, version, finding.experiment_id, tables)


def _replaces(row: CommandRow, other: CommandRow) -> bool:
    """Whether a later order of a target takes the place of another command of it.

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
    """Whether an older rollback would put in service what a later one takes out."""
    brought = stored(other).to_version if other.command is not None else None
    return brought is not None and brought in (row.model_version, row.variant)


def takes_out_same(row: CommandRow | RollbackCommand, other: CommandRow) -> bool:
    """Whether a rollback takes out what another does; one that names nothing takes out whatever
    there is.
    """
    if row.variant is None and row.model_version is None:
        return True
    if row.model_version is not None and row.model_version == other.model_version:
        return True
    return row.variant is not None and (row.experiment_id, row.variant) == (
        other.experiment_id,
        other.variant,
    )


def _tried(row: CommandRow, experiment_id: str | None, variant: str | None) -> bool:
    """Whether a person's deployment under way, which nothing had proved, is the trial of this
    variant.
    """
    ours = (row.order, row.experiment_id, row.variant) == (Order.DEPLOY, experiment_id, variant)
    return ours and experiment_id is not None and bool(row.requested_by) and row.phase in AT_WORK


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


def _way(
    decision: Decision,
    finding: Finding,
    target: str,
    place: Provenance,
    tables: CommandTables,
    policy: Policy,
    asked_by: str,
) -> tuple[Event, str]:
    """How the command begins, and why not at once."""
    if decision.outcome == Outcome.AWAITING_APPROVAL:
        unknown = asked_by and never_served(finding, target, tables)
        return Event.ASK_PERSON, NEVER_SERVED.format(
            finding.to_version, target
        ) if unknown else "the policy asks a person"
    if asked_by:
        return Event.ISSUE, ""
    why = hands_off(
        decision.subject, target, place, tables, locks=not _watched(decision, target, tables)
    )
    why = why or takes_from_rollback(decision.order, decision.subject, target, tables)
    return (Event.ASK_PERSON, why) if why else budget.spend(decision.subject, place, tables, policy)


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


def _watched(decision: Decision, target: str, tables: CommandTables) -> bool:
    """Whether it is about a person's own trial that follows its rollout: who begins that wants it
    ended by what is proved.
    """
    experiment = tables.experiments.get(row_key(decision.subject, decision.experiment_id or ""))
    return (
        experiment is not None
        and experiment.follows_rollout
        and any(
            row.target == target and _tried(row, decision.experiment_id, decision.variant)
            for row in tables.commands.rows_of(decision.subject)
        )
    )


def _open_command(
    tables: CommandTables, decision: Decision, finding: Finding, target: str
) -> CommandRow | None:
    for row in rows_of(decision.subject, tables):
        same = (row.target, row.order, row.experiment_id, row.variant, row.model_version)
        wanted = (
            target,
            decision.order,
            decision.experiment_id,
            decision.variant,
            decision.model_version,
        )
        if same == wanted and row.phase in WAITING | AT_WORK and row.compensates is None:
            if row.command is not None and stored(row).dry_run and not finding.dry_run:
                continue  # what changes nothing holds back nothing
            if decision.order == Order.ROLLBACK and row.requested_by and row.phase in WAITING:
                # what nobody has approved holds back no rollback, which takes its place once it is
                # issued
                continue
            if decision.verdict == Verdict.GAIN and _tried(
                row, decision.experiment_id, decision.variant
            ):
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
