"""Keeps the book of commands: moves a row on, tells of each move, and knows when a row moves by
itself.
"""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from agents.alerts.alert_metrics import WAITING, AlertMetric
from agents.commands.lifecycle import BEGINNINGS, FINAL, moved
from agents.commands.target_counters import next_number
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.catalog import COMMANDS, TRANSITIONS, local_ids
from schemas.codec.framing import Codec
from schemas.ids import digest_of_bytes, event_uuid
from schemas.persons import OURSELVES
from schemas.records import Command, CommandRow, Event, Order, Phase, SubjectRow, Transition
from state.storage.table import row_key
from state.tables import Tables

MINUTE_MS = 60_000
WAITS = (1, 2, 9)  # for an acknowledgement, by attempt, in the policy's acknowledge_ms
ATTEMPTS_MAX = len(WAITS)
_CODEC = Codec(local_ids())  # a row's own copy of its command, whatever ids the topics have
_RECORDS = {
    Order.ROLLBACK: "RollbackCommand",
    Order.DEPLOY: "DeployCommand",
    Order.RETRAIN: "RetrainCommand",
    Order.IMPROVE: "ImproveCommand",
}


@dataclass(slots=True)
class CommandEffects:
    """What came of an event: records to write, rows that ended, and values for the alerts.

    issued: commands that went out; observed: (metric, key, value) for rules to look at; halted:
    rollbacks at work that are taken back and stand still while a person is asked whether they may
    be.
    """

    outputs: list[Output] = field(default_factory=list)
    issued: list[Command] = field(default_factory=list)
    ended: list[CommandRow] = field(default_factory=list)
    observed: list[tuple[AlertMetric, str, float]] = field(default_factory=list)
    halted: list[CommandRow] = field(default_factory=list)

    def add(self, more: "CommandEffects") -> None:
        self.outputs += more.outputs
        self.issued += more.issued
        self.ended += more.ended
        self.observed += more.observed
        self.halted += more.halted

    def of(self, subject: str) -> "CommandEffects":
        """What of it is about one subject, the values for alerts left out."""
        return CommandEffects(
            [output for output in self.outputs if output.key == subject],
            [command for command in self.issued if command.subject == subject],
            [row for row in self.ended if row.subject == subject],
            halted=[row for row in self.halted if row.subject == subject],
        )


def begin(
    row: CommandRow,
    event: Event,
    detail: str,
    place: Provenance,
    tables: Tables,
    moves: CommandEffects,
) -> CommandRow:
    """Enters a new row; `row.phase` is where it begins."""
    assert row.phase == BEGINNINGS[event], f"{event} does not begin in {row.phase}"
    return _entered(
        row, Phase.UNKNOWN, event, row.requested_by or OURSELVES, detail, place, tables, moves
    )


def move(
    row: CommandRow,
    event: Event,
    by: str,
    detail: str,
    place: Provenance,
    tables: Tables,
    moves: CommandEffects,
    /,
    **changes: Any,
) -> CommandRow:
    """Moves a row on; AssertionError where its phase does not list the event."""
    phase = moved(row.phase, event)
    assert phase is not None, f"{event} in {row.phase}"
    if row.phase == Phase.PENDING_APPROVAL and row.escalated:
        moves.observed.append((WAITING, row.subject, 0.0))
    after = replace(row, phase=phase, **({"due_at": -1} if phase in FINAL else {}) | changes)
    return _entered(after, row.phase, event, by, detail, place, tables, moves)


def issue(
    row: CommandRow,
    event: Event,
    by: str,
    detail: str,
    place: Provenance,
    tables: Tables,
    moves: CommandEffects,
    /,
    **changes: Any,
) -> None:
    """Sends a command out, with a token of its own, and follows its deadline from now on."""
    attempt = row.attempt + (event == Event.RETRY)
    patience_ms = policy_for(row.subject, tables.policies).acknowledge_ms
    token = _next_token(tables, row.subject, row.target)
    # A deployer that was away for as long as all tries take should not act on what is long past.
    times: dict[str, Any] = {
        "issued_at": place.now,
        "expires_at": place.now + sum(WAITS) * patience_ms,
    }
    changes |= {
        "fencing_token": token,
        "attempt": attempt,
        "due_at": place.now + WAITS[attempt - 1] * patience_ms,
        **times,
    }
    if row.phase == Phase.UNKNOWN:
        row = begin(
            replace(row, phase=BEGINNINGS[event], **changes), event, detail, place, tables, moves
        )
    else:
        row = move(row, event, by, detail, place, tables, moves, **changes)
    command = replace(stored(row), attempt=attempt, fencing_token=token, **times)
    # Each attempt is an event of its own.
    event_id = row.command_id if attempt == 1 else event_uuid("attempt", row.command_id, attempt)
    moves.outputs.append(Output(COMMANDS[row.order], row.subject, event_id, command, place.now))
    moves.issued.append(command)


def due(row: CommandRow, at: int, tables: Tables, **changes: Any) -> CommandRow:
    """Moves nothing on but the moment at which the row is looked at again."""
    row = replace(row, due_at=at, **changes)
    tables.commands.put(row)
    tables.due.put(row.command_id, at)
    return row


def stored(row: CommandRow) -> Command:
    """What a row's command says, without token and moments."""
    assert row.command is not None, f"{row.command_id} was entered without its command"
    return cast("Command", _CODEC.decode(_RECORDS[row.order], row.command, own=True))


def content(command: Command) -> tuple[bytes, str]:
    """A command without token and moments, encoded, and the digest by which people approve it: 64
    hex digits.
    """
    encoded = _CODEC.encode(replace(command, attempt=1, fencing_token=0, issued_at=0, expires_at=0))
    return encoded, digest_of_bytes(encoded)


def rows_of(subject: str, tables: Tables) -> list[CommandRow]:
    """A subject's commands by id: in the order first put they would stand otherwise after a
    restart.
    """
    return sorted(tables.commands.rows_of(subject), key=lambda row: row.command_id)


def rebuild(tables: Tables) -> None:
    """What is derived, after rows were restored; rows of an older Mendstream are due when they
    expire.
    """
    open_rows = [row for row in tables.commands.rows() if row.phase not in FINAL]
    tables.due.rebuild(
        (row.command_id, row.due_at if row.command is not None else row.expires_at)
        for row in open_rows
        if row.due_at >= 0 or row.command is None
    )


def subject_row(subject: str, tables: Tables) -> SubjectRow:
    return tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, 0, {})


def next_rank(tables: Tables, subject: str, target: str) -> int:
    """The number of a new order of a target."""
    row = subject_row(subject, tables)
    rank, orders = next_number(row.orders, target)
    tables.subjects.put(replace(row, orders=orders))
    return rank


def _next_token(tables: Tables, subject: str, target: str) -> int:
    row = subject_row(subject, tables)
    token, tokens = next_number(row.tokens, target)
    tables.subjects.put(replace(row, tokens=tokens))
    return token


def _entered(
    row: CommandRow,
    before: Phase,
    event: Event,
    by: str,
    detail: str,
    place: Provenance,
    tables: Tables,
    moves: CommandEffects,
) -> CommandRow:
    tables.commands.put(row)
    if row.due_at >= 0:
        tables.due.put(row.command_id, row.due_at)
    else:
        tables.due.drop(row.command_id)
    if row.phase == before:
        return row  # a heartbeat
    told = Transition(
        event_id=place.event_id("commander", f"{row.command_id}|{row.attempt}|{event}"),
        command_id=row.command_id,
        attempt=row.attempt,
        subject=row.subject,
        order=row.order,
        before=before,
        event=event,
        after=row.phase,
        by=by,
        detail=detail,
        fencing_token=row.fencing_token,
        moved_at=place.now,
    )
    moves.outputs.append(Output(TRANSITIONS, row.subject, told.event_id, told, place.now))
    if row.phase in FINAL:
        moves.ended.append(row)
    return row
