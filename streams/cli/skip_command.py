"""`mendstream skip`: past records that Kafka cannot give out any more."""

from typing import Annotated

import typer

from schemas.catalog import INPUTS
from streams.cli.approval_commands import By, Why
from streams.cli.support.options import Given, command
from streams.operations.skip import skip
from streams.runtime.terminal import say

_EPILOG = """\
Example: **mendstream skip experiments.results 3 4711 --by ann --why "the disk of broker 2 is
lost"**

For records that a worker cannot fetch, because their batch is damaged on every replica: it ends
there at each start and names the offset. Stop the workers first. What is skipped is lost; a dead
letter with the reason SKIPPED, your name and your words stands for each offset.
"""


def register(app: typer.Typer) -> None:
    command(app, "skip", epilog=_EPILOG)(run)


def run(
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
    count = skip(given.settings(), name, partition, offset, offset if to is None else to, by, why)
    say(
        f"{count} offsets of {name}/{partition} skipped; workers go on at "
        f"{(offset if to is None else to) + 1}"
    )
