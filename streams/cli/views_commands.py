"""`mendstream views` and `mendstream rank`: views in Redis for dashboards, and what ranks highest
in them.
"""

import signal
from typing import Annotated, Literal

import typer

from state.stores.redis import RedisStore
from state.stores.views import RANKS, StoreDown
from streams.cli.support.log_lines import log_lines
from streams.cli.support.options import Given, command
from streams.files.rendering import cell, line
from streams.kafka.schema_ids import codec_for
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import introduce
from streams.runtime.settings import Settings
from streams.runtime.terminal import Screen, listed, say
from streams.views.projector import Views

_Name = Literal["trust-scores", "failure-patterns", "lessons", "alerts"]
_SHOWN = {
    "trust-scores": "agent_id overall boost priority trend outcomes",
    "failure-patterns": "pattern status day week month loss last_at",
    "lessons": "tenant category name status outcomes approved",
    "alerts": "rule key state value raised_at",
}
_VIEWS = (
    "Example: **MENDSTREAM_REDIS_URL=redis://localhost:6379/0 mendstream views --bootstrap "
    "kafka:9092**"
)
_RANK = (
    "Examples: **mendstream rank trust-scores --by boost** - **mendstream rank "
    "failure-patterns --top 5 --json**"
)


def register(app: typer.Typer) -> None:
    command(app, "views", epilog=_VIEWS)(views)
    command(app, "rank", epilog=_RANK)(rank)


def views(given: Given) -> None:
    """Keep views of trust, patterns, lessons and alerts in Redis, until Ctrl-C."""
    log_lines(given.verbose)
    settings = given.settings()
    introduce("views", settings.group, settings.slot)
    with Health().serve(settings.http_host, settings.http_port) as health:
        running = Views(settings, codec_for(settings), _store(settings), health)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop())
        running.run()


def rank(
    given: Given,
    name: Annotated[_Name, typer.Argument()],
    by: Annotated[
        str | None, typer.Option(help="What to rank by; the first that the view has.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows.")] = 20,
    json: Annotated[
        bool, typer.Option("--json", help="JSON lines with every field, also at a terminal.")
    ] = False,
) -> None:
    """Show the rows of a view that rank highest."""
    chosen = by or RANKS[name][0]
    if chosen not in RANKS[name]:
        raise MendstreamError(
            f"{name} has no rank {chosen!r}.", f"Its ranks are {', '.join(RANKS[name])}."
        )
    try:
        rows = _store(given.settings()).top(name, chosen, top)
    except StoreDown as error:
        raise MendstreamError(
            f"Redis does not answer: {error}.",
            "Is it running at MENDSTREAM_REDIS_URL? `mendstream table` asks Kafka.",
        ) from error
    console = Screen()
    if json or not console.is_terminal:
        for row in rows:
            say(line(dict(row)))
        return
    fields = _SHOWN[name].split()
    shown = [[cell(field, row[field]) for field in fields] for row in rows]
    listed(console, [field.replace("_", " ") for field in fields], shown, f"{name} by {chosen}")


def _store(settings: Settings) -> RedisStore:
    url = settings.redis_url.get_secret_value()
    if not url:
        raise MendstreamError(
            "No Redis is named.", "Set MENDSTREAM_REDIS_URL, for example redis://localhost:6379/0."
        )
    try:
        return RedisStore(url, settings.group)
    except ValueError as error:
        # What the client says quotes the piece that it stumbled over, which may be half a password.
        raise MendstreamError(
            "MENDSTREAM_REDIS_URL is no address of a Redis.",
            "Write redis://host:6379/0, or rediss://; / and @ in a password as %2F and %40.",
        ) from error
