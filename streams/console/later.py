"""`mendstream replay` and `mendstream bench`: imported when they are asked for."""

from pathlib import Path
from typing import Annotated

import typer

from streams.console.given import Given, command

_Json = Annotated[Path | None, typer.Option("--json", help="Write the figures into this file too.")]


def register(app: typer.Typer) -> None:
    command(app, "replay", epilog="Example: **mendstream replay --json replay.json**")(replay)
    command(app, "bench", epilog="Example: **mendstream bench --records 200000**")(bench)


def replay(given: Given, json: _Json = None) -> int:
    """Fold log and journal again, and print the same commands and table digests as the run itself."""
    from streams.replay import main

    return main(given.settings(), json)


def bench(
    given: Given,
    records: Annotated[int, typer.Option(min=1_000, help="How many records.")] = 1_000_000,
    json: _Json = None,
) -> int:
    """Measure the processor against plain consuming of the same topic."""
    from streams.bench import main

    return main(given.settings() if "bootstrap" in given.settings().model_fields_set else None, records, json)
