"""`mendstream`, the command line: puts the commands together."""

import sys
import traceback

import typer

from streams.cli import (
    apply_commands,
    approval_commands,
    asyncapi_command,
    audit_command,
    backtest_command,
    config_command,
    conformance_command,
    executor_command,
    keys_command,
    order_commands,
    processor_commands,
    publish_command,
    recommendation_commands,
    redrive_command,
    replay_and_bench_commands,
    skip_command,
    table_command,
    topics_commands,
    views_commands,
    watch_command,
    why_command,
)
from streams.cli import demo_command as demo
from streams.cli.support.options import globals_of
from streams.runtime.redaction import guard, redacted

_HELP = """\
Mendstream mends AI models from a stream: it reads A/B results and model metrics from Kafka, judges
every event, and orders improvement, retraining, rollback and deployment on command topics.
"""
_EPILOG = """\
Begin with **mendstream demo**: it brings its own Kafka and real data. **mendstream dev** runs the
same without data, for yours: **mendstream publish FILE --help** tells how to send it. `mendstream
COMMAND --help` has examples.
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
        processor_commands,
        publish_command,
        watch_command,
        table_command,
        apply_commands,
        recommendation_commands,
        approval_commands,
        order_commands,
        views_commands,
        executor_command,
        topics_commands,
        why_command,
        backtest_command,
        audit_command,
        redrive_command,
        skip_command,
        conformance_command,
        keys_command,
        config_command,
        asyncapi_command,
        replay_and_bench_commands,
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
