"""`mendstream gateway`, `openapi`, `asyncapi`: the interfaces that programs of others build on."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.support.log_lines import log_lines
from streams.cli.support.options import Given, command
from streams.cli.support.with_parent import end_with_parent
from streams.kafka.schema_ids import codec_for
from streams.operations.asyncapi.document import text_of
from streams.runtime.health import Health
from streams.runtime.metrics import introduce
from streams.runtime.terminal import say

_GATEWAY = """\
Examples: **mendstream gateway --no-auth** - for a look of your own, on this machine alone;
**MENDSTREAM_JWT_JWKS_URL=https://login.example/keys MENDSTREAM_JWT_ISSUER=https://login.example
MENDSTREAM_JWT_AUDIENCE=ops mendstream gateway**

It answers at MENDSTREAM_GATEWAY_HOST and MENDSTREAM_GATEWAY_PORT, 127.0.0.1:3010; /docs lists the
routes.
"""
_AUTOGROUP = Path("/proc/self/autogroup")
_YIELDS = 10  # by how much a gateway beside other work is nicer than they are
_BANNER = (
    "NO AUTHENTICATION: whoever reaches this port on this machine may order and approve as "
    "'developer'."
)


def register(app: typer.Typer) -> None:
    command(app, "gateway", epilog=_GATEWAY)(gateway)
    command(app, "openapi", epilog="Example: **mendstream openapi > openapi.yaml**")(openapi)
    command(
        app, "asyncapi", epilog="Example: **mendstream asyncapi --partitions 12 > asyncapi.yaml**"
    )(asyncapi)


def gateway(
    given: Given,
    no_auth: Annotated[
        bool,
        typer.Option("--no-auth", help="Ask nobody who he is; on the loopback alone."),
    ] = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
    yielding: Annotated[bool, typer.Option("--yielding", hidden=True)] = False,
    published_locally: Annotated[
        bool,
        typer.Option(
            "--published-locally",
            help="With --no-auth in a container: its port is published to the loopback alone, so "
            "it may listen at every address of the container's own.",
        ),
    ] = False,
) -> None:
    """Answer over HTTP: views of the tables, orders of people as records."""
    from gateway.gateway_process import (  # a web server that no other command runs
        check_settings,
        serve,
    )

    log_lines(given.verbose)
    if yielding:
        _give_way()
    if until_stdin_closes:
        end_with_parent()
    settings = given.settings()
    check_settings(settings, no_auth, published_locally)
    if no_auth:
        say(_BANNER, err=True)
    introduce("gateway", settings.group, settings.slot)
    with Health().serve(settings.http_host, settings.http_port) as health:
        asyncio.run(serve(settings, codec_for(settings), no_auth, health, published_locally))


def _give_way() -> None:
    """Leaves the machine to whatever else runs on it, which is not to become slower by pages.

    Where Linux shares a machine out by sessions (autogroup, see sched(7)), niceness counts within
    one alone, and a session of its own has another.
    """
    os.nice(_YIELDS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text(str(_YIELDS))


def openapi(_given: Given) -> None:
    """Print the OpenAPI 3.1 document of the gateway's routes."""
    from gateway.api.route_table import ROUTES  # as above
    from gateway.web.openapi import text

    say(text(ROUTES), end="")


def asyncapi(given: Given) -> None:
    """Print an AsyncAPI 3 document of all topics, records and operations, with these settings."""
    say(text_of(given.settings()), end="")
