"""A gateway as a process: views, writer of orders, and the web server around them."""

import asyncio
import hashlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from aiohttp import web

from gateway.api.route_table import ROUTES
from gateway.auth.keys import PublishedKeys, SecretKey
from gateway.auth.tokens import Expected, Verifier
from gateway.orders.fates import FateWatcher
from gateway.orders.order_writer import OrderWriter
from gateway.views.view_feed import ViewFeed
from gateway.views.view_reader import ViewReader
from gateway.web.calls import Gateway, standing
from gateway.web.csrf import origin_of
from gateway.web.cursors import Cursors
from gateway.web.dispatch import Door
from gateway.web.limits import LINE_BYTES_MAX, Limits
from gateway.web_application import application
from schemas.codec.framing import Codec
from streams.runtime.clock import now_ms
from streams.runtime.damaged_files import own_folder
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import GATEWAY_VIEW_AGE
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.gateway")

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Names that the settings had in services whose routes these are; whoever sets them believes
# something to be in force that is not.
_OTHERS_NAMES = {
    "JWT_SECRET_KEY": "MENDSTREAM_JWT_SECRET",
    "CORS_ORIGIN": "MENDSTREAM_CORS_ORIGINS",
    "CORS_ORIGINS": "MENDSTREAM_CORS_ORIGINS",
}
_AGE_SECONDS = 5.0  # between two looks at how old the views are
_CLOSE_SECONDS = 10.0  # for requests under way when the process is asked to end


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that answers. address: where."""

    address: str
    gateway: Gateway
    feed: ViewFeed


def check_settings(
    settings: Settings,
    no_auth: bool,
    published_locally: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Raises MendstreamError for settings with which a gateway must not start.

    published_locally: somebody who started its container says that its port is published to the
    loopback alone, so that with `no_auth` it may listen at other addresses.
    """
    for theirs, ours in _OTHERS_NAMES.items():
        if theirs in environment:
            raise MendstreamError(f"The environment names {theirs}.", f"Ours is {ours}.")
    secret, address = settings.jwt_secret.get_secret_value(), settings.jwt_jwks_url
    if published_locally and not no_auth:
        raise MendstreamError(
            "--published-locally says something of a gateway with --no-auth alone.", "Leave it out."
        )
    if no_auth:
        if settings.gateway_host not in LOOPBACK and not published_locally:
            raise MendstreamError(
                f"--no-auth on {settings.gateway_host} would let everybody in.",
                "It is for 127.0.0.1 alone: leave MENDSTREAM_GATEWAY_HOST as it is; in a container "
                "whose port is published to the loopback alone, add --published-locally.",
            )
        if secret or address:
            raise MendstreamError(
                "--no-auth is given, and so are keys of tokens.", "Leave one of them out."
            )
        return
    if not secret and not address:
        raise MendstreamError(
            "Nothing says by what tokens are to be verified.",
            "Set MENDSTREAM_JWT_JWKS_URL, or MENDSTREAM_JWT_SECRET; for a look of your own, "
            "--no-auth.",
        )
    if secret and address:
        raise MendstreamError(
            "MENDSTREAM_JWT_SECRET and MENDSTREAM_JWT_JWKS_URL are both set, and whoever knows a "
            "public key could sign with it as a secret.",
            "Leave one of them out.",
        )
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise MendstreamError(
            "It is not said who makes the tokens and for whom.",
            "Set MENDSTREAM_JWT_ISSUER and MENDSTREAM_JWT_AUDIENCE.",
        )


@asynccontextmanager
async def running(
    settings: Settings,
    codec: Codec,
    no_auth: bool = False,
    health: Health | None = None,
    published_locally: bool = False,
) -> AsyncIterator[RunningGateway]:
    """A gateway that answers while the block runs. Raises MendstreamError where it cannot start."""
    check_settings(settings, no_auth, published_locally)
    verifier = None if no_auth else _verifier(settings)
    with ExitStack() as stack:
        feed = stack.enter_context(await asyncio.to_thread(_feed, settings, codec, health))
        if feed.failure is not None:
            raise feed.failure
        reader = stack.enter_context(ViewReader(feed.file.path))
        writer = stack.enter_context(OrderWriter(settings, codec))
        gateway = Gateway(
            settings,
            codec,
            feed,
            reader,
            writer,
            FateWatcher(feed, reader),
            Cursors(_cursor_secret(settings)),
        )
        # The port may be any free one, and what browsers call it is known when it is.
        origin = [origin_of(settings.public_origin)] if settings.public_origin else []
        door = Door(verifier, origin, Limits())
        app = application(gateway, door, ROUTES, _origins(settings))
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            max_line_size=LINE_BYTES_MAX,
            handler_cancellation=True,
            shutdown_timeout=_CLOSE_SECONDS,
        )
        await runner.setup()
        try:
            address = await _listen(runner, settings)
            if not origin:
                origin.append(address)
            yield RunningGateway(address, gateway, feed)
        finally:
            await runner.cleanup()


async def serve(
    settings: Settings,
    codec: Codec,
    no_auth: bool,
    health: Health,
    published_locally: bool = False,
) -> None:
    """Answers until SIGTERM or SIGINT. Raises what ended the views."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with running(settings, codec, no_auth, health, published_locally) as one:

        def failed() -> None:
            loop.call_soon_threadsafe(ended.set)

        one.feed.on_failure = failed
        log.info("the gateway is at %s", one.address)
        log.info("/metrics, /live and /ready are at http://%s:%d", settings.http_host, health.port)
        while not ended.is_set() and one.feed.failure is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _AGE_SECONDS)
            await _tell_age(one.gateway)
        if one.feed.failure is not None:
            raise one.feed.failure


def _feed(settings: Settings, codec: Codec, health: Health | None) -> ViewFeed:
    folder = folder_of(settings)
    if not settings.views_directory and (foreign := own_folder(folder.parent)):
        raise MendstreamError(
            f"{folder.parent} cannot hold views: {foreign}.",
            "Set MENDSTREAM_VIEWS_DIRECTORY to a folder of this replica's own.",
        )
    return ViewFeed(settings, codec, folder, health)


def folder_of(settings: Settings) -> Path:
    """The folder of this gateway's views."""
    if settings.views_directory:
        return Path(settings.views_directory)
    name = f"{settings.bootstrap} {settings.group} {settings.slot}"
    own = hashlib.sha256(name.encode()).hexdigest()[:16]
    return Path(gettempdir()) / f"mendstream-{os.geteuid()}" / f"gateway-{own}"


def _verifier(settings: Settings) -> Verifier:
    expected = Expected(settings.jwt_issuer, settings.jwt_audience)
    if settings.jwt_jwks_url:
        return Verifier(PublishedKeys(settings.jwt_jwks_url), expected)
    return Verifier(SecretKey(settings.jwt_secret.get_secret_value()), expected)


def _cursor_secret(settings: Settings) -> bytes:
    """What replicas of one gateway share and callers of them need not know; see web/cursors.py."""
    shared = settings.jwt_secret.get_secret_value() or settings.jwt_jwks_url or settings.group
    return hashlib.sha256(f"cursors {shared}".encode()).digest()


def _origins(settings: Settings) -> list[str]:
    given = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    for origin in given:
        if origin == "*" or origin_of(origin) != origin:
            raise MendstreamError(
                f"{origin!r} among MENDSTREAM_CORS_ORIGINS is no origin.",
                "Write https://host[:port], without a path.",
            )
    return given


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    host = settings.gateway_host
    try:
        await web.TCPSite(runner, host, settings.gateway_port).start()
    except OSError as error:
        raise MendstreamError(
            f"Port {settings.gateway_port} on {host} is taken.",
            "Set MENDSTREAM_GATEWAY_PORT to a free one, or to 0 for any.",
        ) from error
    port = runner.addresses[0][1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def _tell_age(gateway: Gateway) -> None:
    found = await gateway.reader.read(lambda view: standing(view, ["commands"]))
    if found.as_of is not None:
        GATEWAY_VIEW_AGE.set(max(0, now_ms() - found.as_of) / 1_000)
