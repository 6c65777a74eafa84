"""Takes commands back: what nobody began is cancelled, what may have acted is undone unless a later
order stands on it.
"""

from dataclasses import replace
from typing import Any

from agents.commands.guards import PERSONS_RULE, deploys_at_once, hands_off
from agents.commands.ledger import CommandEffects, CommandLedger, rows_of, stored
from agents.commands.lifecycle import AT_WORK, WAITING
from agents.commands.ordering import enter, row_of
from agents.commands.service_history import REVERSIBLE, before
from agents.core.effects import Refusal
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.ids import command_id, environment_of
from schemas.persons import OURSELVES
from schemas.records import (
    Command,
    CommandRow,
    DeployCommand,
    Event,
    Order,
    Phase,
    Request,
    RollbackCommand,
)
from state.partition.command_tables import CommandTables

_UNDOABLE = AT_WORK | {Phase.COMPLETED, Phase.FAILED, Phase.TIMED_OUT}
_STANDING = AT_WORK | {Phase.COMPLETED, Phase.COMPENSATING}


def cancelled(
    request: Request, place: Provenance, tables: CommandTables
) -> CommandEffects | Refusal:
    """A person takes a command back."""
    row = tables.commands.get(request.command_id or "")
    if row is None or row.subject != request.subject:
        return Refusal(
            "UNKNOWN_COMMAND", f"there is no command {request.command_id} of {request.subject}"
        )
    return _cancel(row, request.requested_by, place, tables)


def _cancel(
    row: CommandRow, by: str, place: Provenance, tables: CommandTables
) -> CommandEffects | Refusal:
    ledger, why = CommandLedger(place, tables), f"{by} cancelled it"
    if row.phase in WAITING or (row.phase in AT_WORK and row.order not in REVERSIBLE):
        ledger.move(row, Event.CANCEL, by, why)
    elif row.compensates is not None:  # or what is half undone would be undone again
        return Refusal(
            "NOT_OPEN",
            f"command {row.command_id} undoes {row.compensates}: order what is to stand instead",
        )
    elif row.phase not in _UNDOABLE or row.order not in REVERSIBLE or row.command is None:
        return Refusal(
            "NOT_OPEN", f"command {row.command_id} is {row.phase}: there is nothing to cancel"
        )
    elif stored(row).dry_run:
        if row.phase not in AT_WORK:
            return Refusal(
                "NOT_OPEN", f"command {row.command_id} was a dry run: there is nothing to undo"
            )
        ledger.move(row, Event.CANCEL, by, why)
    elif (above := _above(row, tables)) is not None:
        later = (
            f"{above.order.lower()} {above.command_id} has {row.target} since: cancel that, or "
            "order what is to stand"
        )
        return Refusal(
            "NOT_OPEN", f"command {row.command_id} is not undone below a later one: {later}"
        )
    else:
        undo(row, by, why, ledger)
    return ledger.effects


def undo(
    row: CommandRow,
    by: str,
    why: str,
    ledger: CommandLedger,
) -> None:
    """Compensates a command, which no later one of its target stands on."""
    person = "" if by == OURSELVES else by
    kind, command = _reverse(row, ledger.tables)
    new = replace(row_of(command, kind, "", person), rank=row.rank, issued_at=ledger.place.now)
    after = ledger.move(row, Event.UNDO, by, why, due_at=-1, undone_by=new.command_id)
    held = _held(row, kind, person, ledger.place, ledger.tables)
    if held and row.order == Order.ROLLBACK and row.phase in AT_WORK:
        ledger.effects.halted.append(after)
    enter(
        replace(new, waits_for=held),
        Event.ASK_PERSON if held else Event.ISSUE,
        held,
        ledger,
    )


def settle(ledger: CommandLedger) -> None:
    """Does what follows where commands ended: a deployment that may be half done is undone, a
    compensation is answered for.
    """
    at = 0
    while at < len(ledger.effects.ended):
        row, at = ledger.effects.ended[at], at + 1
        if row.compensates is not None:
            _answered(row, ledger)
        elif _half_done(row, ledger.tables):
            undo(row, OURSELVES, "it may be half done", ledger)


def _half_done(row: CommandRow, tables: CommandTables) -> bool:
    """Returns whether a deployment that ended badly may have left something that no later command
    has taken the place of.
    """
    ended_badly = row.order == Order.DEPLOY and row.phase in (Phase.FAILED, Phase.TIMED_OUT)
    if not ended_badly or row.command is None or stored(row).dry_run:
        return False
    return _above(row, tables) is None


def _above(row: CommandRow, tables: CommandTables) -> CommandRow | None:
    """The latest order of the same target that stands on a command."""
    later = [
        other
        for other in rows_of(row.subject, tables)
        if other.target == row.target and _age(other) > _age(row) and _stands(other)
    ]
    return max(later, key=_age, default=None)


def _age(row: CommandRow) -> tuple[int, int]:
    """Returns what grows with each order of a target; orders of an older Mendstream have no rank,
    and are told apart by tokens.
    """
    return row.rank, 0 if row.rank else row.fencing_token


def _stands(row: CommandRow) -> bool:
    moves_traffic = row.order in REVERSIBLE and row.compensates is None and row.phase in _STANDING
    return moves_traffic and (row.command is None or not stored(row).dry_run)


def _held(
    row: CommandRow, kind: Order, person: str, place: Provenance, tables: CommandTables
) -> str:
    """Why a person is asked before a command is undone; empty where none is."""
    if not person:
        return hands_off(
            row.subject, row.target, place, tables, locks=False
        )  # the order that failed may have locked it
    policy = policy_for(row.subject, tables.policies)
    if kind == Order.DEPLOY and not deploys_at_once(
        policy, PERSONS_RULE, environment_of(row.subject, row.target)
    ):
        return "to undo a rollback puts a version in service, and the policy asks a person"
    return ""


def _answered(done: CommandRow, ledger: CommandLedger) -> None:
    row = ledger.tables.commands.get(done.compensates or "")
    assert row is not None, f"{done.command_id} compensates nothing"
    if row.phase != Phase.COMPENSATING:
        return
    if done.phase == Phase.COMPLETED:
        ledger.move(row, Event.UNDONE, done.reporter, "")
    elif done.phase == Phase.SUPERSEDED:
        ledger.move(
            row,
            Event.SUPERSEDE,
            OURSELVES,
            f"{done.command_id}, which was to undo it, is superseded",
        )
    else:
        why = f"{done.command_id}, which was to undo {row.command_id}, is {done.phase.lower()}"
        ledger.move(row, Event.UNDO_FAILED, OURSELVES, why)
    for other in rows_of(row.subject, ledger.tables):
        # An older Mendstream undid several of a target one after the other: these waited for their
        # turn.
        if (other.target, other.phase, other.undone_by) == (row.target, Phase.COMPENSATING, ""):
            why = (
                f"it was to be undone after {row.command_id}, which nobody goes on with: order "
                "what is to stand"
            )
            ledger.move(other, Event.UNDO_FAILED, OURSELVES, why)


def _reverse(row: CommandRow, tables: CommandTables) -> tuple[Order, Command]:
    """The command that undoes another: what it put in goes out, what it took out goes in."""
    done = stored(row)
    common: dict[str, Any] = {
        "command_id": command_id(row.command_id, "UNDO"),
        "subject": row.subject,
        "target": row.target,
        "experiment_id": row.experiment_id,
        "variant": row.variant,
        "reason": f"undoes {row.order.lower()} {row.command_id}: {row.reason}",
        "evidence": done.evidence,
        "decision_id": row.decision_id,
        "compensates": row.command_id,
        "fencing_token": 0,
        "issued_at": 0,
        "expires_at": 0,
        "dry_run": done.dry_run,
    }
    if row.order == Order.DEPLOY:
        version = done.to_version or done.model_version
        return Order.ROLLBACK, RollbackCommand(
            **common, model_version=version, to_version=before(row, version or row.variant, tables)
        )
    return Order.DEPLOY, DeployCommand(
        **common, model_version=done.model_version, to_version=done.model_version
    )
