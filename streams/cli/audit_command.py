"""`mendstream audit`: whether a deployment keeps its promises."""

from typing import Annotated

import typer
from rich.console import Console

from streams.cli.support.options import Given, command
from streams.cli.support.output import progress
from streams.files.rendering import line, moment
from streams.operations.audit.audit import Audit, audit
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.terminal import Screen, say, words
from streams.runtime.visible_text import clean

_EPILOG = """\
Example: **mendstream audit --quick** beside running workers; **mendstream audit** at rest, where it
compares every byte; **mendstream audit --quick --every 300 || notify** until something is found.

Ends with 0 where nothing was found, with 1 where something was. It reads only, and joins no group.
"""


def register(app: typer.Typer) -> None:
    command(app, "audit", epilog=_EPILOG)(run)


def run(
    given: Given,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without folding everything again.")
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(min=1.0, help="Again after so many seconds, until something is found."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="A JSON object on one line for each audit.")
    ] = False,
) -> int:
    """Check journal, offsets, fates, dead letters, commands and replay of a deployment, at work or
    at rest.
    """
    settings = given.settings()
    while True:
        began = now_ms()
        with progress("looking") as told:
            found = audit(settings, quick, told)
        if json:
            say(line({"at": moment(began)} | found.as_json()))
        else:
            _show(found, Screen())
        if found.found or every is None:
            return 1 if found.found else 0
        wait_until(lambda: False, every)


def _show(audit: Audit, console: Console) -> None:
    for check in audit.checks:
        verdict = (
            f"{check.found} found" if check.found else "sound" if check.looked_at else "not checked"
        )
        style = "bold red" if check.found else "green" if check.looked_at else "yellow"
        console.print(
            words(f"{check.name:<13} ")
            .append(f"{verdict:<12} ", style=style)
            .append(clean(check.looked_at))
        )
        for sentence in check.findings:
            console.print(words(f"  {sentence}"), soft_wrap=True)
        if check.found > len(check.findings):
            console.print(f"  ... and {check.found - len(check.findings)} more")
        for sentence in check.unchecked:
            console.print(words(f"  not checked: {sentence}", style="yellow"), soft_wrap=True)
    console.print(f"{audit.found} found" if audit.found else "nothing found")
