"""`mendstream why`: a decision made again, with the evidence as it stood."""

from typing import Annotated, Any

import typer
from rich.console import Console

from schemas.codec.framing import Record
from schemas.records import Decision
from streams.cli.support.options import Given, command
from streams.cli.support.output import JsonFile, progress, shown, write
from streams.files.rendering import plain
from streams.history.explain import Explanation, explain
from streams.history.record_diff import leaves
from streams.kafka.stored_records import Stored
from streams.runtime.terminal import Screen, table, words

_ACROSS = 4  # rows beside each other: as many as a screen of 100 characters holds
_EPILOG = """\
Example: **mendstream why 0b1f2c3d** - the id, or how it begins, from **mendstream watch
decisions**.

Ends with 0 where the decision made again is byte-equal to the one that stands, with 1 where it
differs.
"""


def register(app: typer.Typer) -> None:
    command(app, "why", epilog=_EPILOG)(why)


def why(
    given: Given,
    decision_id: Annotated[
        str, typer.Argument(help="The id of a decision, or its beginning.", show_default=False)
    ],
    json: JsonFile = None,
) -> int:
    """Make a decision again from log and journal, show its evidence as it stood, and compare it
    with what stands.
    """
    with progress("looking") as told:
        found = explain(given.settings(), decision_id.strip().lower(), told)
    show(found, Screen())
    write(json, report(found))
    return 1 if found.differences else 0


def report(found: Explanation) -> dict[str, Any]:
    """All of it for a program."""
    again = found.again
    return {
        "equal": not found.differences,
        "differences": plain(found.differences),
        "decisions": [_stored(each) for each in found.decisions],
        "commands": [_stored(each) for each in found.commands],
        "replayed": again
        and {
            "transaction": again.transaction,
            "after": again.after,
            "decision": plain(again.decision.record),
            "command": again.command and plain(again.command.record),
            "rows": plain(again.rows),
        },
    }


def show(found: Explanation, console: Console) -> None:
    """All of it for a person."""
    decision = found.decisions[0].record
    assert isinstance(decision, Decision)
    console.print(words(decision.reason, style="bold"))
    fields = table()
    for name, value in leaves(decision):
        if value not in (None, "") and not name.startswith(("reason", "evidence")):
            fields.add_row(name.replace("_", " "), shown(name, value))
    for each in (*found.decisions, *found.commands):
        fields.add_row("stands at", each.place)
    console.print(fields)
    if decision.evidence:
        _down(console, "evidence", list(decision.evidence))
    if found.again is None:
        console.print(
            "Neither log nor journal gives this decision: they were folded to their end without "
            "it.\n"
        )
    else:
        console.print(
            f"The tables as they stood after {found.again.after}, transaction "
            f"{found.again.transaction}:\n"
        )
        for topic, rows in found.again.rows.items():
            _down(console, topic, rows)
    _verdict(found, console)


def _verdict(found: Explanation, console: Console) -> None:
    if not found.differences:
        with_it = found.again is not None and found.again.command is not None
        what = "decision and command" if with_it else "decision; no command was written with it"
        console.print(words(f"byte-equal: {what}", style="bold green"))
        return
    differing = table("where", "field", "stored", "replayed", title="differs")
    for each in found.differences:
        differing.add_row(
            each.where, each.field, *(str(plain(side)) for side in (each.stored, each.replayed))
        )
    console.print(differing)
    console.print(words(f"{len(found.differences)} differences", style="bold red"))


def _down(console: Console, title: str, rows: list[Record]) -> None:
    """Records beside each other, their fields from top to bottom; what is null in all of them is
    left out.
    """
    for start in range(0, len(rows), _ACROSS):
        sides = [dict(leaves(row)) for row in rows[start : start + _ACROSS]]
        drawn = table(title=title)
        for name in dict.fromkeys(name for side in sides for name in side):
            values = [side.get(name) for side in sides]
            if any(value is not None for value in values):
                drawn.add_row(name, *(shown(name, value) for value in values))
        console.print(drawn)


def _stored(each: Stored) -> dict[str, Any]:
    return {
        "place": each.place,
        "key": each.key,
        "value": each.value.hex(),
        "record": plain(each.record),
    }
