"""`mendstream asyncapi`: the topics, records and operations for tools of others."""

import typer

from streams.cli.support.options import Given, command
from streams.operations.asyncapi.document import text_of
from streams.runtime.terminal import say


def register(app: typer.Typer) -> None:
    command(
        app, "asyncapi", epilog="Example: **mendstream asyncapi --partitions 12 > asyncapi.yaml**"
    )(asyncapi)


def asyncapi(given: Given) -> None:
    """Print an AsyncAPI 3 document of all topics, records and operations, with these settings."""
    say(text_of(given.settings()), end="")
