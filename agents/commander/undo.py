"""Takes commands back: those that nobody began are cancelled, those that may have acted are compensated in reverse order."""

from dataclasses import replace
from typing import Any

from agents.commander import book
from agents.commander.book import OURSELVES, Moves
from agents.commander.life import AT_WORK, FINAL, WAITING
from agents.commander.order import enter, row_of
from agents.commander.rights import hands_off
from agents.effects import Refusal
from agents.place import Place
from schemas.ids import command_id
from schemas.orders import Event
from schemas.records import Command, CommandRow, DeployCommand, Order, Phase, RollbackCommand
from state.table import row_key
from state.tables import Tables

REVERSIBLE = frozenset(
    {Order.DEPLOY, Order.ROLLBACK}
)  # they move traffic; a training or an improvement only adds a model
_STANDING = AT_WORK | {Phase.COMPLETED}
_UNDOABLE = _STANDING | {Phase.FAILED, Phase.TIMED_OUT}


def cancel(row: CommandRow, by: str, place: Place, tables: Tables) -> Moves | Refusal:
    """A person takes a command back."""
    moves, why = Moves(), f"{by} cancelled it"
    if row.phase in WAITING or (row.phase in AT_WORK and row.order not in REVERSIBLE):
        book.move(row, Event.CANCEL, by, why, place, tables, moves)
    elif row.compensates is not None:  # or what is half undone would be undone again
        return Refusal("NOT_OPEN", f"command {row.command_id} undoes {row.compensates}: order what is to stand instead")
    elif row.phase in _UNDOABLE and row.order in REVERSIBLE and row.command is not None:
        undo(row, by, why, place, tables, moves)
    else:
        return Refusal("NOT_OPEN", f"command {row.command_id} is {row.phase}: there is nothing to cancel")
    return moves


def undo(row: CommandRow, by: str, why: str, place: Place, tables: Tables, moves: Moves) -> None:
    """Compensates a command and whatever was done to its target after it, the last first."""
    for other in book.rows_of(row.subject, tables):
        after = other.target == row.target and other.fencing_token > row.fencing_token and other.order in REVERSIBLE
        if after and other.phase in _STANDING and other.compensates is None and other.command is not None:
            book.move(other, Event.UNDO, by, f"{row.command_id} before it is undone", place, tables, moves, due_at=-1)
    book.move(row, Event.UNDO, by, why, place, tables, moves, due_at=-1)
    _undo_last(row, by, place, tables, moves)


def settle(moves: Moves, place: Place, tables: Tables) -> None:
    """What follows where commands ended: a deployment that may be half done is undone, a compensation is answered for."""
    at = 0
    while at < len(moves.ended):
        # Of several that one tick ended, the last is undone first.
        news, at = sorted(moves.ended[at:], key=lambda row: -row.fencing_token), len(moves.ended)
        for row in news:
            if row.compensates is not None:
                _answered(row, place, tables, moves)
            elif row.order == Order.DEPLOY and row.phase in (Phase.FAILED, Phase.TIMED_OUT) and row.command is not None:
                undo(row, OURSELVES, "it may be half done", place, tables, moves)


def _answered(done: CommandRow, place: Place, tables: Tables, moves: Moves) -> None:
    row = tables.commands.get(done.compensates or "")
    assert row is not None, f"{done.command_id} compensates nothing"
    if row.phase != Phase.COMPENSATING:
        return
    if done.phase == Phase.COMPLETED:
        book.move(row, Event.UNDONE, done.reporter, "", place, tables, moves)
        _undo_last(row, done.requested_by, place, tables, moves)
        return
    # What stands on something that could not be undone is left as it is.
    for other in (row, *_waiting_undone(row, tables)):
        why = f"{done.command_id}, which was to undo {row.command_id}, is {done.phase.lower()}"
        book.move(other, Event.UNDO_FAILED, OURSELVES, why, place, tables, moves)


def _undo_last(row: CommandRow, by: str, place: Place, tables: Tables, moves: Moves) -> None:
    """Orders the compensation of the last command of the target that waits for one, unless one is under way."""
    waiting = _waiting_undone(row, tables)
    under_way = any(
        other.compensates is not None and other.target == row.target and other.phase not in FINAL
        for other in book.rows_of(row.subject, tables)
    )
    if not waiting or under_way:
        return
    last = waiting[0]
    person = "" if by == OURSELVES else by
    kind, command = _reverse(last, tables)
    held = "" if person else hands_off(last.subject, last.target, place, tables)
    new = row_of(command, kind, held, person)
    tables.commands.put(replace(last, undone_by=new.command_id))
    enter(new, Event.ASK_PERSON if held else Event.ISSUE, held, place, tables, moves)


def _waiting_undone(row: CommandRow, tables: Tables) -> list[CommandRow]:
    """Commands of a target that are to be undone and have no compensation yet, the last first."""
    found = (
        other
        for other in book.rows_of(row.subject, tables)
        if other.target == row.target and other.phase == Phase.COMPENSATING and not other.undone_by
    )
    return sorted(found, key=lambda other: -other.fencing_token)


def _reverse(row: CommandRow, tables: Tables) -> tuple[Order, Command]:
    """The command that undoes another: what it put in goes out, what it took out goes in."""
    done = book.stored(row)
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
        before = tables.experiments.get(row_key(row.subject, row.experiment_id)) if row.experiment_id else None
        to_version = before.baseline_version if before is not None else None
        return Order.ROLLBACK, RollbackCommand(**common, model_version=done.to_version, to_version=to_version)
    return Order.DEPLOY, DeployCommand(**common, model_version=done.model_version, to_version=done.model_version)
