"""`mendstream status`, `pending` and `show`: what is going on, what waits for a person, and the
life of one command.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from agents.commands.lifecycle import AT_WORK
from schemas.catalog import (
    TABLES_ALERTS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_SUBJECTS,
)
from schemas.codec.framing import Record
from schemas.records import (
    AlertRow,
    AlertState,
    CommandRow,
    ExperimentRow,
    ExperimentStatus,
    Phase,
    SubjectRow,
)
from streams.cli.support.options import Given, command
from streams.files.rendering import line, plain, short_moment
from streams.history.command_life import (
    CommandLife,
    command_life,
    steps_as_rows,
    what_may_be_done,
)
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.settings import Settings
from streams.runtime.terminal import Screen, listed, say, words

_SHOWN = 12  # rows of each part of the status
_STATUS = "Example: **mendstream status** - or **mendstream status --subject shop --json**"
_PENDING = """\
Example: **mendstream pending**, then **mendstream show 7f3c21** and **mendstream approve 7f3c21
--by bob**
"""
_SHOW = "Example: **mendstream show 7f3c21** - the id, or how it begins."
_Subject = Annotated[str | None, typer.Option(help="Only of this subject.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON, also at a terminal.")]
R = TypeVar("R", bound=Record)


def register(app: typer.Typer) -> None:
    command(app, "status", epilog=_STATUS)(status)
    command(app, "pending", epilog=_PENDING)(pending)
    command(app, "show", epilog=_SHOW)(show)


def status(given: Given, subject: _Subject = None, json: _Json = False) -> None:
    """Say what is going on: what waits for a person, is under way, alarms, is frozen, and runs."""
    parts = parts_of(given.settings(), subject)
    console = Screen()
    if json or not console.is_terminal:
        say(line({name: [plain(row) for row in rows] for name, rows in parts.items()}))
        return
    show_parts(parts, console)


def pending(given: Given, subject: _Subject = None, json: _Json = False) -> None:
    """List the commands that wait for a person, those that lapse first at the top."""
    rows = waiting(_rows(given.settings(), TABLES_COMMANDS, CommandRow, subject))
    console = Screen()
    if json or not console.is_terminal:
        for row in rows:
            say(line(plain(row)))
        return
    if not rows:
        console.print("Nothing waits for a person.")
        return
    _list(console, "waits for a person", rows)
    console.print("mendstream show ID says more; mendstream approve|reject ID --by YOU answers.")


def show(
    given: Given,
    command_id: Annotated[
        str, typer.Argument(help="The command's id, or how it begins.", show_default=False)
    ],
    json: _Json = False,
) -> None:
    """Tell the life of one command: what was ordered, why, each step, and what may be done now."""
    life = command_life(given.settings(), command_id.strip().lower())
    console = Screen()
    if json or not console.is_terminal:
        told = {
            "command": plain(life.row),
            "steps": [plain(one) for one in life.steps],
            "decision": plain(life.decision),
            "may_be_done": what_may_be_done(life.row),
        }
        say(line(told))
        return
    show_life(life, console)


def parts_of(settings: Settings, subject: str | None) -> dict[str, Sequence[Record]]:
    """The rows of each part of the status."""
    commands = _rows(settings, TABLES_COMMANDS, CommandRow, subject)
    subjects = _rows(settings, TABLES_SUBJECTS, SubjectRow, subject)
    experiments = _rows(settings, TABLES_EXPERIMENTS, ExperimentRow, subject)
    alerts = _rows(settings, TABLES_ALERTS, AlertRow, None)
    under_way = [row for row in commands if row.phase in AT_WORK]
    raised = [
        row
        for row in alerts
        if row.state == AlertState.RAISED and (subject is None or row.key.startswith(subject))
    ]
    running = [row for row in experiments if row.status == ExperimentStatus.RUNNING]
    under_way.sort(key=lambda row: row.issued_at)
    raised.sort(key=lambda row: -row.raised_at)
    running.sort(key=lambda row: -row.begun_at)
    return {
        "waits for a person": waiting(commands),
        "under way": under_way,
        "alarms": raised,
        "frozen": [row for row in subjects if row.frozen_by],
        "experiments that run": running,
    }


def waiting(rows: Iterable[CommandRow]) -> list[CommandRow]:
    """Those that a person is asked about, the soonest to lapse first."""
    return sorted(
        (row for row in rows if row.phase == Phase.PENDING_APPROVAL),
        key=lambda row: row.due_at if row.due_at >= 0 else row.expires_at,
    )


def show_parts(parts: dict[str, Sequence[Record]], console: Console) -> None:
    """All of the status for a person."""
    for title, rows in parts.items():
        if not rows:
            console.print(words(f"{title}: nothing\n"))
            continue
        _list(console, title, rows)


def show_life(life: CommandLife, console: Console) -> None:
    """The life of a command for a person."""
    row = life.row
    version = f" to version {row.model_version}" if row.model_version else ""
    console.print(
        words(f"{row.order} of {row.subject}, {row.target}{version}: {row.phase}", "bold")
    )
    console.print(words(row.reason))
    asked = row.requested_by or "Mendstream"
    approved = f", approved by {row.approved_by}" if row.approved_by else ""
    console.print(words(f"asked by {asked}{approved}, token {row.fencing_token}\n"))
    listed(
        console,
        ["when", "what", "who", "said"],
        [[short_moment(at), *more] for at, *more in steps_as_rows(life.steps)],
        f"command {row.command_id}, attempt {row.attempt}",
    )
    if life.decision is not None:
        console.print(
            words(f"why, with its evidence: mendstream why {life.decision.decision_id}\n")
        )
    for one in what_may_be_done(row):
        console.print(words(f"may be done now: {one}"))


def _rows(settings: Settings, topic: str, kind: type[R], subject: str | None) -> list[R]:
    rows = read_table(settings, codec_for(settings), topic).values()
    found = [row for row in rows if isinstance(row, kind)]
    return [row for row in found if subject in (None, getattr(row, "subject", None))]


def _list(console: Console, title: str, rows: Sequence[Record]) -> None:
    columns, shown = _columns(rows[0]), rows[:_SHOWN]
    cells = [[value(row) for value in columns.values()] for row in shown]
    listed(console, [*columns], cells, f"{title}, {len(rows)}")
    if len(rows) > len(shown):
        console.print(words(f"and {len(rows) - len(shown)} more; --json has all\n"))


def _columns(row: Record) -> dict[str, Any]:
    """What of a row is shown, by its heading."""
    return next(columns for kind, columns in _COLUMNS.items() if isinstance(row, kind))


_COLUMNS: dict[type[Record], dict[str, Any]] = {
    CommandRow: {
        "command": lambda row: row.command_id[:12],
        "order": lambda row: str(row.order),
        "subject": lambda row: row.subject,
        "version": lambda row: row.model_version or "",
        "phase": lambda row: str(row.phase),
        "since": lambda row: short_moment(row.issued_at),
        "until": lambda row: short_moment(row.due_at if row.due_at >= 0 else row.expires_at),
        "why": lambda row: row.waits_for or row.reason,
    },
    AlertRow: {
        "rule": lambda row: row.rule,
        "of": lambda row: row.key,
        "since": lambda row: short_moment(row.raised_at),
        "value": lambda row: f"{row.value:.4g}",
    },
    SubjectRow: {"subject": lambda row: row.subject, "by": lambda row: row.frozen_by},
    ExperimentRow: {
        "experiment": lambda row: f"{row.subject}/{row.experiment_id}",
        "since": lambda row: short_moment(row.begun_at) if row.begun_at >= 0 else "no result yet",
        "decided": lambda row: ", ".join(f"{one.variant} {one.order}" for one in row.decided),
        "cannot be judged for": lambda row: ", ".join(
            f"{one.kind.lower()} {one.name}" for one in row.lacks if one.told_at >= 0
        ),
    },
}
