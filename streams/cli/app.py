"""`mendstream`, the command line: puts the commands together."""

import sys
import traceback
from collections.abc import Mapping, Sequence

import typer

from streams.cli.support.lazy_group import MARKUP, LazyGroup
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
# By module, what is said of each command where all are listed, which imports none of them: the
# first sentence of its own help.
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "streams.cli.demo_command": {
        "demo": (
            "Run real data through it: a Kafka of its own, a processor, 240 000 records, and "
            "what it orders."
        ),
    },
    "streams.cli.processor_commands": {
        "dev": "Run a development Kafka with its topics, a processor and the pages, until Ctrl-C.",
        "processor": (
            "Run one processor until SIGTERM or Ctrl-C: it finishes its transaction and leaves."
        ),
        "compile": (
            "Compile what a processor runs, and keep it, so that its first start on this "
            "machine is quick."
        ),
    },
    "streams.cli.publish_command": {
        "publish": "Publish a file of experiment results or model metrics.",
    },
    "streams.cli.planning_commands": {
        "init": "Write a first spec and policy, after a few questions.",
        "plan": "Say how many units and days an experiment will need, before it starts.",
    },
    "streams.cli.ingest_command": {
        "ingest": (
            "Make results and metrics of the events on topics of yours, each once, until Ctrl-C."
        ),
    },
    "streams.cli.watch_command": {
        "watch": "Show the records of a topic, decoded, and follow it.",
    },
    "streams.cli.overview_commands": {
        "status": (
            "Say what is going on: what waits for a person, is under way, alarms, is frozen, and "
            "runs."
        ),
        "pending": "List the commands that wait for a person, those that lapse first at the top.",
        "show": (
            "Tell the life of one command: what was ordered, why, each step, and what may be done "
            "now."
        ),
    },
    "streams.cli.table_command": {
        "table": "Show a rolling table as it stands.",
    },
    "streams.cli.apply_commands": {
        "spec": "What experiments compare, and how.",
        "policy": "How much Mendstream may do by itself.",
    },
    "streams.cli.recommendation_commands": {
        "recommend": "Track a recommendation of an agent.",
        "outcome": "Say what came of the recommendations of a run, or of one of them.",
        "initialise-trust": "Begin an agent's trust anew: what was known of it is forgotten.",
    },
    "streams.cli.approval_commands": {
        "approve": "Approve a command that waits for a person.",
        "reject": "Reject a command that waits for a person.",
        "cancel": "Take a command back.",
        "freeze": "Leave a subject, a tenant or everything to people.",
        "unfreeze": "Let automation act again.",
    },
    "streams.cli.order_commands": {
        "rollback": "Order a rollback; it is issued at once.",
        "deploy": "Order a deployment.",
        "retrain": "Order a retraining.",
        "improve": "Order an improvement.",
    },
    "streams.cli.views_commands": {
        "views": "Keep views of trust, patterns, lessons and alerts in Redis, until Ctrl-C.",
        "rank": "Show the rows of a view that rank highest.",
    },
    "streams.cli.executor_command": {
        "executor": (
            "Carry commands out at your targets and tell of alerts, until SIGTERM or Ctrl-C."
        ),
    },
    "streams.cli.topics_commands": {
        "topics": "The topics, as they should be and as they are.",
    },
    "streams.cli.why_command": {
        "why": (
            "Say why a decision was made and what would have changed it, make it again from log "
            "and journal, and compare it with what stands. Of an experiment: say where it stands, "
            "why nothing is decided yet, and what would end that."
        ),
    },
    "streams.cli.backtest_command": {
        "backtest": (
            "Fold the recorded log under another policy, and print which decisions would "
            "differ, and when."
        ),
    },
    "streams.cli.audit_command": {
        "audit": (
            "Check journal, offsets, fates, dead letters, commands and replay of a "
            "deployment, at work or at rest."
        ),
    },
    "streams.cli.repair_commands": {
        "redrive": "Write dead letters back to their inputs, after what made them bad was mended.",
        "skip": "Pass over records that cannot be fetched.",
    },
    "streams.cli.conformance_command": {
        "conformance": (
            "Try a deployer: duplicates, stale tokens, expiry, signatures, aborted "
            "transactions, a crash."
        ),
    },
    "streams.cli.settings_commands": {
        "config": "Show the settings in force; secrets are stars.",
        "keys": "The keys that commands are signed with.",
    },
    "streams.cli.interface_commands": {
        "gateway": "Answer over HTTP: views of the tables, orders of people as records.",
        "openapi": "Print the OpenAPI 3.1 document of the gateway's routes.",
        "asyncapi": (
            "Print an AsyncAPI 3 document of all topics, records and operations, with these "
            "settings."
        ),
    },
    "streams.cli.replay_and_bench_commands": {
        "replay": (
            "Fold log and journal again, and print the same commands and table digests as the "
            "run itself."
        ),
        "bench": "Measure the processor against plain consuming of the same topic.",
    },
}


# What help lists together, by task.
PANELS: Mapping[str, Sequence[str]] = {
    "See it run": ("demo", "dev"),
    "Begin an experiment": ("init", "plan", "spec", "policy", "publish", "ingest"),
    "Look at it": ("status", "pending", "show", "why", "table", "watch", "rank"),
    "Say what you want": (
        *("approve", "reject", "cancel", "freeze", "unfreeze"),
        *("rollback", "deploy", "retrain", "improve"),
        *("recommend", "outcome", "initialise-trust"),
    ),
    "Keep it running": ("processor", "executor", "gateway", "views", "compile", "topics", "config"),
    "Check it, and mend it": ("audit", "replay", "backtest", "redrive", "skip", "bench"),
    "Build on it": ("keys", "conformance", "openapi", "asyncapi"),
}


class _Commands(LazyGroup):
    """The commands of `mendstream`."""

    modules = COMMANDS
    panels = PANELS


def application() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="mendstream",
        cls=_Commands,
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=MARKUP,
    )
    globals_of(app)
    return app


def main() -> None:
    guard()
    try:
        application()()
    except Exception:  # noqa: BLE001 - a fault of ours: told whole, but for secrets
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(1)
