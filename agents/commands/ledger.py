"""Keeps the book of commands: moves a row on, tells of each move, and knows when a row moves by
itself. Fencing tokens, ranks and locks of targets are counted here too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agents.alerts.alert_metrics import WAITING, AlertMetric
from agents.commands.lifecycle import BEGINNINGS, FINAL, moved
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.catalog import COMMANDS, TRANSITIONS, local_ids, older_command_schemas
from schemas.codec.framing import Codec
from schemas.ids import digest_of_bytes, event_uuid
from schemas.persons import OURSELVES
from schemas.records import Command, CommandRow, Event, Order, Phase, SubjectRow, Transition
from schemas.row_limits import TARGETS_MAX
from state.partition.command_tables import CommandTables
from state.storage.table import row_key

MINUTE_MS = 60_000
WAITS = (1, 2, 9)  # for an acknowledgement, by attempt, in the policy's acknowledge_ms
ATTEMPTS_MAX = len(WAITS)
# Of a row's own copy of its command, whatever ids the topics have, and whichever release wrote it.
_CODEC = Codec(local_ids(), older_command_schemas())
_RECORDS = {
    Order.ROLLBACK: "RollbackCommand",
    Order.DEPLOY: "DeployCommand",
    Order.RETRAIN: "RetrainCommand",
    Order.IMPROVE: "ImproveCommand",
}
FLOOR = ""  # no target has this name


@dataclass(slots=True)
class CommandEffects:
    """Holds what came of an event: records to write, rows that ended, and values for the alerts.

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
        """Returns what of it is about one subject, the values for alerts left out."""
        return CommandEffects(
            [output for output in self.outputs if output.key == subject],
            [command for command in self.issued if command.subject == subject],
            [row for row in self.ended if row.subject == subject],
            halted=[row for row in self.halted if row.subject == subject],
        )


@dataclass(slots=True)
class CommandLedger:
    """The unit of work of one record: where it stands, the tables of commands, what came of it.

    Whatever moves a command writes its row into `tables` and what follows into `effects`.
    """

    place: Provenance
    tables: CommandTables
    effects: CommandEffects = field(default_factory=CommandEffects)

    def begin(
        self,
        row: CommandRow,
        event: Event,
        detail: str,
    ) -> CommandRow:
        """Enters a new row; `row.phase` is where it begins."""
        assert row.phase == BEGINNINGS[event], f"{event} does not begin in {row.phase}"
        return self._entered(row, Phase.UNKNOWN, event, row.requested_by or OURSELVES, detail)

    def move(
        self,
        row: CommandRow,
        event: Event,
        by: str,
        detail: str,
        /,
        **changes: Any,
    ) -> CommandRow:
        """Moves a row on; AssertionError where its phase does not list the event."""
        phase = moved(row.phase, event)
        assert phase is not None, f"{event} in {row.phase}"
        if row.phase == Phase.PENDING_APPROVAL and row.escalated:
            self.effects.observed.append((WAITING, row.subject, 0.0))
        after = replace(row, phase=phase, **({"due_at": -1} if phase in FINAL else {}) | changes)
        return self._entered(after, row.phase, event, by, detail)

    def issue(
        self,
        row: CommandRow,
        event: Event,
        by: str,
        detail: str,
        /,
        **changes: Any,
    ) -> None:
        """Sends a command out, with a token of its own, and follows its deadline from now on."""
        attempt = row.attempt + (event == Event.RETRY)
        patience_ms = policy_for(row.subject, self.tables.policies).acknowledge_ms
        token = self._next_token(row.subject, row.target)
        # A deployer that was away for as long as all tries take should not act on what is past.
        times: dict[str, Any] = {
            "issued_at": self.place.now,
            "expires_at": self.place.now + sum(WAITS) * patience_ms,
        }
        changes |= {
            "fencing_token": token,
            "attempt": attempt,
            "progress": None,
            "due_at": self.place.now + WAITS[attempt - 1] * patience_ms,
            **times,
        }
        if row.phase == Phase.UNKNOWN:
            row = self.begin(replace(row, phase=BEGINNINGS[event], **changes), event, detail)
        else:
            row = self.move(row, event, by, detail, **changes)
        command = replace(stored(row), attempt=attempt, fencing_token=token, **times)
        # Each attempt is an event of its own.
        event_id = (
            row.command_id if attempt == 1 else event_uuid("attempt", row.command_id, attempt)
        )
        self.effects.outputs.append(
            Output(COMMANDS[row.order], row.subject, event_id, command, self.place.now)
        )
        self.effects.issued.append(command)

    def due(self, row: CommandRow, at: int, **changes: Any) -> CommandRow:
        """Moves nothing on but the moment at which the row is looked at again."""
        row = replace(row, due_at=at, **changes)
        self.tables.commands.put(row)
        self.tables.deadlines.put(row.command_id, at)
        return row

    def _next_token(self, subject: str, target: str) -> int:
        row = subject_row(subject, self.tables)
        token, tokens = next_number(row.tokens, target)
        self.tables.subjects.put(replace(row, tokens=tokens))
        return token

    def _entered(
        self,
        row: CommandRow,
        before: Phase,
        event: Event,
        by: str,
        detail: str,
    ) -> CommandRow:
        self.tables.commands.put(row)
        if row.due_at >= 0:
            self.tables.deadlines.put(row.command_id, row.due_at)
        else:
            self.tables.deadlines.drop(row.command_id)
        if row.phase == before:
            return row  # a heartbeat
        told = Transition(
            event_id=self.place.event_id("commander", f"{row.command_id}|{row.attempt}|{event}"),
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
            moved_at=self.place.now,
        )
        self.effects.outputs.append(
            Output(TRANSITIONS, row.subject, told.event_id, told, self.place.now)
        )
        if row.phase in FINAL:
            self.effects.ended.append(row)
        return row


def stored(row: CommandRow) -> Command:
    """Returns what a row's command says, without token and moments."""
    assert row.command is not None, f"{row.command_id} was entered without its command"
    return cast("Command", _CODEC.decode(_RECORDS[row.order], row.command, own=True))


def content(command: Command) -> tuple[bytes, str]:
    """A command without token and moments, encoded, and the digest by which people approve it: 64
    hex digits.
    """
    encoded = _CODEC.encode(replace(command, attempt=1, fencing_token=0, issued_at=0, expires_at=0))
    return encoded, digest_of_bytes(encoded)


def rows_of(subject: str, tables: CommandTables) -> list[CommandRow]:
    """A subject's commands by id: in the order first put they would stand otherwise after a
    restart.
    """
    return sorted(tables.commands.rows_of(subject), key=lambda row: row.command_id)


def rebuild(tables: CommandTables) -> None:
    """Works out what is derived, after rows were restored; rows of an older Mendstream are due when
    they expire.
    """
    open_rows = [row for row in tables.commands.rows() if row.phase not in FINAL]
    tables.deadlines.rebuild(
        (row.command_id, row.due_at if row.command is not None else row.expires_at)
        for row in open_rows
        if row.due_at >= 0 or row.command is None
    )


def subject_row(subject: str, tables: CommandTables) -> SubjectRow:
    return tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, 0, {})


def next_rank(tables: CommandTables, subject: str, target: str) -> int:
    """The number of a new order of a target."""
    row = subject_row(subject, tables)
    rank, orders = next_number(row.orders, target)
    tables.subjects.put(replace(row, orders=orders))
    return rank


def next_number(numbers: Mapping[str, int], target: str) -> tuple[int, dict[str, int]]:
    """The next number of a target, and all numbers with it; the target used longest ago is
    forgotten where it is too many.

    What is forgotten leaves a floor: a target that comes again, or for the first time, goes on
    above every number that was ever given to one that was forgotten, so numbers of a target grow
    whatever is remembered of it.

    >>> next_number({"bot/production": 3}, "bot/production")
    (4, {'bot/production': 4})
    """
    number = max(numbers.get(target, 0), numbers.get(FLOOR, 0)) + 1
    kept = {name: value for name, value in numbers.items() if name != target} | {target: number}
    names = [name for name in kept if name != FLOOR]
    for name in names[: max(0, len(names) - TARGETS_MAX)]:
        kept[FLOOR] = max(kept.get(FLOOR, 0), kept.pop(name))
    return number, kept


def locked(locks: Mapping[str, int], target: str, until: int) -> dict[str, int]:
    """The locks with this one; past the bound those that end first are forgotten."""
    kept = {**locks, target: until}
    names = sorted(kept, key=lambda name: (kept[name], name))
    gone = names[: max(0, len(names) - TARGETS_MAX)]
    return {name: ends for name, ends in kept.items() if name not in gone}
