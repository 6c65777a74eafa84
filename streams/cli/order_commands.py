"""Lets people order by themselves: a rollback, a deployment, a retraining, an improvement."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from schemas.catalog import REQUESTS, TABLES_COMMANDS
from schemas.records import CommandRow, Order, Request, RequestKind
from schemas.validation.requests_and_recommendations import check_request
from streams.cli.approval_commands import ANSWER_SECONDS, By, Subject, Why, publish, request
from streams.cli.support.options import Given, command
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.operations.known_names import UnknownName, unknown_name
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.runtime.terminal import say

_ORDER = """\
Example: **mendstream {example}**

A rollback is issued at once. The others are issued where the policy says AUTO and wait for another
person otherwise. For an hour (a policy's manual_lock_ms) automation then leaves the target to
people.
"""
_EXAMPLES = {
    "rollback": 'rollback support-bot --variant b --by ann --why "it swears"',
    "deploy": 'deploy support-bot --version v7 --by ann --why "the canary was good"',
    "retrain": 'retrain support-bot --version v6 --by ann --why "the words have changed"',
    "improve": 'improve support-bot --version v6 --strategy "shorter prompts" --by ann',
}
_LOOK = (
    "a like command may be open, or no processor is running: look at `mendstream watch decisions`"
)
_Variant = Annotated[str | None, typer.Option(help="The variant of an experiment.")]
_Experiment = Annotated[str | None, typer.Option(help="The experiment.")]
_Version = Annotated[str | None, typer.Option(help="The model version that it is about.")]
_To = Annotated[str | None, typer.Option(help="The model version that is to be in service.")]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Also for a subject or version that nobody ever saw.")
]
_Environment = Annotated[str, typer.Option(help="Where it acts.")]


def register(app: typer.Typer) -> None:
    command(app, "rollback", epilog=_epilog("rollback"))(
        _placed(RequestKind.ROLLBACK, "Order a rollback; it is issued at once.")
    )
    command(app, "deploy", epilog=_epilog("deploy"))(
        _placed(RequestKind.DEPLOY, "Order a deployment.")
    )
    command(app, "retrain", epilog=_epilog("retrain"))(retrain)
    command(app, "improve", epilog=_epilog("improve"))(improve)


def _epilog(verb: str) -> str:
    return _ORDER.format(example=_EXAMPLES[verb])


def _placed(kind: RequestKind, doc: str) -> Callable[..., None]:
    """A command that changes what is in service somewhere."""

    def ordered(
        given: Given,
        subject: Subject,
        by: By,
        variant: _Variant = None,
        experiment: _Experiment = None,
        version: _Version = None,
        to_version: _To = None,
        environment: _Environment = "production",
        why: Why = "",
        yes: Yes = False,
    ) -> None:
        place = {
            "variant": variant,
            "experiment_id": experiment,
            "model_version": version,
            "to_version": to_version,
        }
        _order(given, request(subject, kind, by, why, environment=environment, **place), yes)

    ordered.__doc__ = doc
    return ordered


def retrain(
    given: Given,
    subject: Subject,
    by: By,
    version: _Version = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Order a retraining."""
    _order(given, request(subject, RequestKind.RETRAIN, by, why, model_version=version), yes)


def improve(
    given: Given,
    subject: Subject,
    by: By,
    version: _Version = None,
    strategy: Annotated[str, typer.Option(help="What is to be tried.")] = "",
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Order an improvement."""
    _order(
        given,
        request(subject, RequestKind.IMPROVE, by, why, model_version=version, strategy=strategy),
        yes,
    )


def _order(given: Given, asks: Request, yes: bool) -> None:
    settings = given.settings()
    faults = check_request(asks)
    if not yes and not faults:
        _sure(_unknown(settings, asks))
    before = set(read_table(settings, codec_for(settings), TABLES_COMMANDS))
    publish(settings, REQUESTS, asks.subject, asks, faults)
    found: list[CommandRow] = []

    def ordered() -> bool:
        rows = read_table(settings, codec_for(settings), TABLES_COMMANDS)
        news = [row for key, row in rows.items() if key not in before]
        found[:] = [
            r
            for r in news
            if isinstance(r, CommandRow)
            and (r.subject, r.order) == (asks.subject, Order(asks.kind))
        ]
        return bool(found)

    if not wait_until(ordered, ANSWER_SECONDS):
        say(f"{asks.event_id}: asked; no command yet ({_LOOK})")
    for row in found:
        say(
            f"{row.command_id}: {row.phase}"
            + (f", because {row.waits_for}" if row.waits_for else "")
        )


def _unknown(settings: Settings, asks: Request) -> UnknownName | None:
    """What nobody ever saw of an order. Where the tables cannot be read nothing is doubted: a
    rollback does not wait for them.
    """
    try:
        return unknown_name(settings, codec_for(settings), asks)
    except MendstreamError as error:
        say(f"not looked at whether {asks.subject} is known: {error}", err=True)
        return None


def _sure(unknown: UnknownName | None) -> None:
    """Asks whether what nobody ever saw is meant. Raises MendstreamError where there is nobody to
    ask, or it is not.
    """
    if unknown is None:
        return
    told = unknown.sentence()
    if not sys.stdin.isatty():
        raise MendstreamError(told, "Nothing was ordered; --yes orders it all the same.")
    if not typer.confirm(f"{told} Order it all the same?"):
        raise MendstreamError("Nothing was ordered.", "Name what is meant, and ask again.")
