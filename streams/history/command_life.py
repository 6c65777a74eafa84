"""Tells the life of one command: its row, each step with who moved it, and its decision."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.commands.lifecycle import FINAL, WAITING
from schemas.catalog import DECISIONS, TABLES_COMMANDS, TRANSITIONS
from schemas.ids import partition_of
from schemas.records import CommandRow, Decision, Event, Phase, Transition
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.kafka.stored_records import naming
from streams.kafka.table_reader import read_table
from streams.runtime.id_prefixes import check_length, only_id
from streams.runtime.settings import Settings

ID_CHARACTERS = 6  # of an id at least
_REMEDY = "`mendstream table commands` shows them."


@dataclass(frozen=True, slots=True)
class CommandLife:
    """A command as it stands, its steps in the order in which they fell, and the decision that it
    rests on; None where retention took that.
    """

    row: CommandRow
    steps: list[Transition]
    decision: Decision | None


def command_life(settings: Settings, command_id: str) -> CommandLife:
    """The life of the command whose id this is, or begins so. Raises MendstreamError if there is
    not exactly one.
    """
    check_length(command_id, ID_CHARACTERS, _REMEDY)
    client, codec = admin(settings), codec_for(settings)
    check(client, settings)
    rows = read_table(settings, codec, TABLES_COMMANDS)
    row = rows[only_id(command_id, rows, "command", TABLES_COMMANDS, _REMEDY)]
    assert isinstance(row, CommandRow), f"{TABLES_COMMANDS} holds rows of commands"
    here = [partition_of(row.subject, settings.partitions)]
    steps = [
        one.record
        for one in naming(settings, codec, client, [TRANSITIONS], here, row.command_id)
        if isinstance(one.record, Transition) and one.record.command_id == row.command_id
    ]
    decisions = [
        one.record
        for one in naming(settings, codec, client, [DECISIONS], here, row.decision_id)
        if isinstance(one.record, Decision) and one.record.decision_id == row.decision_id
    ]
    return CommandLife(row, steps, decisions[0] if decisions else None)


def what_may_be_done(row: CommandRow) -> list[str]:
    """What a person may do with a command as it stands, a command line each."""
    name = row.command_id
    if row.phase == Phase.PENDING_APPROVAL:
        return [f"mendstream {verb} {name} --by YOU" for verb in ("approve", "reject", "cancel")]
    if row.phase in WAITING or (row.phase not in FINAL and row.phase != Phase.COMPENSATING):
        return [f"mendstream cancel {name} --by YOU"]
    if row.phase in (Phase.COMPLETED, Phase.FAILED, Phase.TIMED_OUT) and not row.undone_by:
        return [f"mendstream cancel {name} --by YOU   (undoes it)"]
    return []


def steps_as_rows(steps: Iterable[Transition]) -> list[tuple[int, str, str, str]]:
    """Of each step when it fell, what happened, who moved it, and what is said of it."""
    return [
        (
            one.moved_at,
            f"{one.event} -> {one.after}" if one.event != Event.UNKNOWN else str(one.after),
            one.by,
            one.detail,
        )
        for one in steps
    ]
