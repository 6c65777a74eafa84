"""`mendstream`, the command line: puts the commands together."""

import sys
import traceback

import typer

from streams.console import (
    advise,
    apply,
    asyncapi,
    audit,
    backtest,
    configuration,
    conformance,
    executor,
    keys,
    later,
    orders,
    people,
    publish,
    redrive,
    run,
    skip,
    table,
    topics,
    views,
    watch,
    why,
)
from streams.console.given import globals_of
from streams.demo import command as demo
from streams.redaction import guard, redacted

_HELP = """\
Mendstream mends AI models from a stream: it reads A/B results and model metrics from Kafka, judges every event, and orders
improvement, retraining, rollback and deployment on command topics.
"""
_EPILOG = """\
Begin with **mendstream demo**: it brings its own Kafka and real data. **mendstream dev** runs the same without data, for
yours: **mendstream publish FILE --help** tells how to send it. `mendstream COMMAND --help` has examples.
"""


def application() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="mendstream",
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        add_completion=False,
    )
    globals_of(app)
    for module in (
        demo,
        run,
        publish,
        watch,
        table,
        apply,
        advise,
        people,
        orders,
        views,
        executor,
        topics,
        why,
        backtest,
        audit,
        redrive,
        skip,
        conformance,
        keys,
        configuration,
        asyncapi,
        later,
    ):
        module.register(app)
    return app


def main() -> None:
    guard()
    try:
        application()()
    except Exception:  # noqa: BLE001 - a fault of ours: told whole, but for secrets
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(1)
