"""`mendstream replay` and `mendstream bench`, with `bench latency`: imported when they are asked
for.
"""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.support.options import Given, command, default
from streams.runtime.errors import MendstreamError

_Json = Annotated[Path | None, typer.Option("--json", help="Write the figures into this file too.")]


def register(app: typer.Typer) -> None:
    command(app, "replay", epilog="Example: **mendstream replay --json replay.json**")(replay)
    group = typer.Typer(epilog="Example: **mendstream bench --records 200000**")
    default(group, bench)
    command(group, "latency", epilog="Example: **mendstream bench latency --rate 1000**")(latency)
    app.add_typer(group, name="bench")


def replay(given: Given, json: _Json = None) -> int:
    """Fold log and journal again, and print the same commands and table digests as the run
    itself.
    """
    from streams.cli.support.output import progress
    from streams.history.replay import replayed, show

    with progress("reading the journal") as told:
        found = replayed(given.settings(), told)
    return show(found, json)


def bench(
    given: Given,
    records: Annotated[int, typer.Option(min=1_000, help="How many records.")] = 1_000_000,
    json: _Json = None,
) -> int:
    """Measure the processor against plain consuming of the same topic."""
    from streams.bench.pace import main

    return main(
        given.settings() if "bootstrap" in given.settings().model_fields_set else None,
        records,
        json,
    )


def latency(
    given: Given,
    rate: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Records a second beside it [default: 1000, 20000]."),
    ] = None,
    json: _Json = None,
) -> int:
    """Measure how soon a command follows on an event, and on an approval, with a broker of its
    own.
    """
    from streams.bench.latency import RATES, main

    if "bootstrap" in given.settings().model_fields_set:
        fault = "the probes are results that prove harm, and a Kafka of yours is named."
        raise MendstreamError(
            fault,
            "Name none (--bootstrap, MENDSTREAM_BOOTSTRAP): the bench brings a broker of its own.",
        )
    return main(json, tuple(rate or RATES))
