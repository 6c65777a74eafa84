"""`mendstream redrive` and `mendstream skip`: what people do about records that were not taken
in.
"""

from typing import Annotated

import typer
from rich.console import Console

from schemas.catalog import INPUTS, POLICIES
from streams.cli.approval_commands import By, Why
from streams.cli.support.options import Given, command
from streams.files.rendering import line
from streams.operations.redrive import Redriven, Wanted, survey
from streams.operations.redrive import redrive as write_back
from streams.operations.skip import skip as pass_over
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, say, table

_REDRIVE = """\
Example: **mendstream redrive --reason NOT_A_RATE --dry-run**, then without **--dry-run**;
**mendstream watch dead-letters --no-follow** lists the letters with reason and offset.

A letter is redriven once, whatever dies and however often this is run. A record that is refused
again is a new letter, whose header mendstream-redriven says how many times it was written back.
"""
_SKIP = """\
Example: **mendstream skip experiments.results 3 4711 --by ann --why "the disk of broker 2 is
lost"**

For records that a worker cannot fetch, because their batch is damaged on every replica: it ends
there at each start and names the offset. Stop the workers first. What is skipped is lost; a dead
letter with the reason SKIPPED, your name and your words stands for each offset.
"""


def register(app: typer.Typer) -> None:
    command(app, "redrive", epilog=_REDRIVE)(redrive)
    command(app, "skip", epilog=_SKIP)(skip)


def redrive(
    given: Given,
    reason: Annotated[
        list[str] | None, typer.Option(help="Only letters with this reason. Repeatable.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Only letters of this input, with or without .v1. Repeatable."),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only this partition of the dead letters.")
    ] = None,
    from_offset: Annotated[
        int, typer.Option(min=0, help="Only from this offset of the dead letters on.")
    ] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be redriven.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON object instead of a table.")] = False,
) -> None:
    """Write dead letters back to their inputs, after what made them bad was mended."""
    settings = given.settings()
    if partition is not None and partition >= settings.partitions:
        raise MendstreamError(
            f"There is no partition {partition} of the dead letters.",
            f"Name one below {settings.partitions}.",
        )
    reasons = frozenset(each.upper() for each in reason or ())
    wanted = Wanted(reasons, frozenset(map(_named, topic or ())), partition, from_offset, limit)
    found = survey(settings, wanted) if dry_run else write_back(settings, wanted)
    if json:
        say(line(report(found, dry_run)))
    else:
        _show(found, dry_run, Screen())


def skip(
    given: Given,
    topic: Annotated[
        str, typer.Argument(help="The input, with or without .v1.", show_default=False)
    ],
    partition: Annotated[int, typer.Argument(min=0, show_default=False)],
    offset: Annotated[
        int, typer.Argument(min=0, help="Where the worker ends.", show_default=False)
    ],
    by: By,
    why: Why,
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="The last offset to skip; absent: that one.")
    ] = None,
) -> None:
    """Pass over records that cannot be fetched."""
    name = f"{topic}.v1" if f"{topic}.v1" in INPUTS else topic
    count = pass_over(
        given.settings(), name, partition, offset, offset if to is None else to, by, why
    )
    say(
        f"{count} offsets of {name}/{partition} skipped; workers go on at "
        f"{(offset if to is None else to) + 1}"
    )


def report(found: Redriven, dry_run: bool) -> dict[str, object]:
    """All of it for a program."""
    return {
        "dry_run": dry_run,
        "redriven": found.counts.total(),
        "letters": [
            {"topic": t, "reason": r, "count": n} for (t, r), n in sorted(found.counts.items())
        ],
        "redriven_before": found.before,
        "already": found.already,
        "left_out": found.left_out,
        "foreign": found.foreign,
    }


def _named(topic: str) -> str:
    for name in (topic, f"{topic}.v1"):
        if name in (*INPUTS, POLICIES):
            return name
    raise MendstreamError(
        f"{topic!r} is no input.", f"The inputs are {', '.join((*INPUTS, POLICIES))}."
    )


def _show(found: Redriven, dry_run: bool, console: Console) -> None:
    if found.counts:
        drawn = table("topic", "reason", "letters")
        for (topic, reason), count in sorted(found.counts.items()):
            drawn.add_row(topic, reason, str(count))
        console.print(drawn)
    console.print(
        f"{found.counts.total()} "
        f"{'would be redriven; nothing was written' if dry_run else 'redriven'}"
    )
    for count, what in (
        (found.before, "of them had been redriven before and were refused again"),
        (found.already, "were redriven by an earlier run and are left alone"),
        (
            found.left_out,
            "are too large for a dead letter: their bytes lie in their input, at the offset they "
            "name",
        ),
        (
            found.foreign,
            "records on the topic are no dead letters of ours, or reviews, which are said anew",
        ),
    ):
        if count:
            console.print(f"{count} {what}")
