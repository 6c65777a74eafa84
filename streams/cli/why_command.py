"""`mendstream why`: a decision made again, with the evidence as it stood; where an experiment
stands of which nothing is decided.
"""

from typing import Annotated, Any

import typer
from rich.console import Console

from agents.experiments.verdicts.progress_wording import gain_needs
from schemas.catalog import TABLES_ARMS, TABLES_EXPERIMENTS
from schemas.codec.framing import Record
from schemas.records import Decision, ExperimentRow, Verdict
from streams.cli.support.options import Given, command
from streams.cli.support.output import JsonFile, progress, shown, write
from streams.files.rendering import plain
from streams.history.explain import Explanation, explain
from streams.history.record_diff import leaves
from streams.history.standing import ExperimentStanding, standing_of
from streams.kafka.stored_records import Stored
from streams.runtime.terminal import Screen, table, words

_ACROSS = 4  # rows beside each other: as many as a screen of 100 characters holds
_NOTHING = (
    "What would have changed it: no number of units and no single setting of its experiment; "
    "`mendstream backtest --policy FILE` tries another policy on the whole log."
)
_EPILOG = """\
Examples: **mendstream why 0b1f2c3d** - the id, or how it begins, from **mendstream watch
decisions**; **mendstream why 0b1f2c3d --proof** with its evidence. **mendstream why shop/checkout**
- an experiment, also one of which nothing is decided.

Ends with 0 where the decision made again is byte-equal to the one that stands, with 1 where it
differs.
"""


def register(app: typer.Typer) -> None:
    command(app, "why", epilog=_EPILOG)(why)


def why(
    given: Given,
    name: Annotated[
        str,
        typer.Argument(
            metavar="DECISION_ID|SUBJECT/EXPERIMENT",
            help="The id of a decision, or its beginning; or an experiment.",
            show_default=False,
        ),
    ],
    proof: Annotated[
        bool, typer.Option("--proof", help="Show the evidence too, and the tables as they stood.")
    ] = False,
    json: JsonFile = None,
) -> int:
    """Say why a decision was made and what would have changed it, make it again from log and
    journal, and compare it with what stands. Of an experiment: say where it stands, why nothing is
    decided yet, and what would end that.
    """
    if "/" in name:
        standing = standing_of(given.settings(), name.strip())
        show_standing(standing, Screen(), proof)
        write(json, {"why": standing.sentences, "rows": plain(_rows(standing))})
        return 0
    with progress("looking") as told:
        found = explain(given.settings(), name.strip().lower(), told)
    show(found, Screen(), proof)
    write(json, report(found))
    return 1 if found.differences else 0


def show_standing(standing: ExperimentStanding, console: Console, proof: bool = False) -> None:
    """Where an experiment stands, for a person."""
    for sentence in standing.sentences:
        console.print(words(sentence))
    if not proof:
        console.print("--proof shows the rows that it follows from.")
        return
    console.print()
    for topic, rows in _rows(standing).items():
        _down(console, topic, rows)


def _rows(standing: ExperimentStanding) -> dict[str, list[Record]]:
    return {TABLES_ARMS: list(standing.arms), TABLES_EXPERIMENTS: [standing.experiment]}


def report(found: Explanation) -> dict[str, Any]:
    """All of it for a program."""
    again = found.again
    return {
        "why": because(found),
        "what_would_change_it": what_would_change(found),
        "now": found.now,
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
            "changes": plain(again.changes),
        },
    }


def because(found: Explanation) -> str:
    """Why it was decided, in a sentence."""
    decision = found.decisions[0].record
    assert isinstance(decision, Decision)
    rows = found.again.rows.get(TABLES_EXPERIMENTS, []) if found.again is not None else []
    needs = [
        sentence
        for row in rows
        if isinstance(row, ExperimentRow) and decision.verdict == Verdict.GAIN
        for sentence in gain_needs(row)
    ]
    return " ".join([f"Why: {_ended(decision.reason)}", *needs])


def what_would_change(found: Explanation) -> str:
    """What would have given another verdict, in a sentence."""
    changes = found.again.changes if found.again is not None else []
    if not changes:
        return _NOTHING
    phrases = "; or ".join(f"{one.phrase} ({one.then})" for one in changes)
    return _ended(f"What would have changed it: {phrases}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def show(found: Explanation, console: Console, proof: bool = False) -> None:
    """What a person asked for; with `proof` all of it."""
    console.print(words(because(found), style="bold"))
    console.print(words(what_would_change(found)))
    if found.now is not None:
        console.print(words(f"Now: {found.now}"))
    if proof:
        _prove(found, console)
    if found.again is None:
        console.print(
            "Neither log nor journal gives this decision: they were folded to their end without "
            "it.\n"
        )
    _verdict(found, console)
    if not proof:
        console.print("--proof shows the evidence, and the tables as they stood.")


def _prove(found: Explanation, console: Console) -> None:
    """The decision with its evidence, and the tables as they stood."""
    decision = found.decisions[0].record
    assert isinstance(decision, Decision)
    fields = table()
    for name, value in leaves(decision):
        if value not in (None, "") and not name.startswith(("reason", "evidence")):
            fields.add_row(name.replace("_", " "), shown(name, value))
    for each in (*found.decisions, *found.commands):
        fields.add_row("stands at", each.place)
    console.print(fields)
    if decision.evidence:
        _down(console, "evidence", list(decision.evidence))
    if found.again is not None:
        console.print(
            f"The tables as they stood after {found.again.after}, transaction "
            f"{found.again.transaction}:\n"
        )
        for topic, rows in found.again.rows.items():
            _down(console, topic, rows)


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
