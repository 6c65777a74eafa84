"""One WebSocket: who opens it, what it says, and when it is closed."""

import asyncio
import base64
import binascii
import json
from collections import deque
from contextlib import suppress

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from gateway.auth.identity import Identity, Scope, Way
from gateway.auth.tokens import LEEWAY_SECONDS
from gateway.live.client_messages import (
    BEARER_PROTOCOL,
    MESSAGE_BYTES_MAX,
    MESSAGES,
    PROTOCOL,
    Ping,
    Subscribe,
    error,
)
from gateway.live.hub import SUBSCRIPTIONS_MAX, Client, Hub
from gateway.views import positions
from gateway.views.positions import PositionError
from gateway.web.calls import Gateway
from gateway.web.dispatch import AT_LEAST_SECONDS, Door
from gateway.web.problems import Problem
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.metrics import GATEWAY_SOCKETS

HEARTBEAT_SECONDS = 20.0  # between two pings; a client that answers none is gone
MESSAGES_MAX = 10  # of one client in a second
_SEND_SECONDS = 10.0  # until which a client takes a message, or it is gone
OVER, TOO_MANY, RESTART = 4401, 4429, 1012


class Sockets:
    """Opens sockets. origins: of other sites whose pages may, with a token of their own."""

    def __init__(self, gateway: Gateway, door: Door, hub: Hub, origins: frozenset[str]) -> None:
        self._gateway, self._door, self._hub, self._origins = gateway, door, hub, origins
        self._open: set[web.WebSocketResponse] = set()

    async def close(self) -> None:
        """Tells every client to come again, here or at another replica."""
        for socket in [*self._open]:
            await socket.close(code=RESTART, message=b"restart")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers `GET /ws`. Raises Problem for who may not."""
        identity = await self._identity(request)
        client = Client(identity)
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=HEARTBEAT_SECONDS,
            compress=False,
            max_msg_size=MESSAGE_BYTES_MAX,
        )
        await socket.prepare(request)
        if not self._hub.enter(client):
            await socket.close(code=TOO_MANY, message=b"too many sockets")
            return socket
        self._open.add(socket)
        GATEWAY_SOCKETS.inc()
        try:
            await self._live(socket, client)
        finally:
            GATEWAY_SOCKETS.dec()
            self._open.discard(socket)
            self._hub.leave(client)
        return socket

    async def _identity(self, request: web.Request) -> Identity:
        identity = await self._door.identity(_with_bearer(request))
        await self._door.limits.spend(f"{identity.issuer} {identity.name}", writes=False)
        self._check_origin(request, identity.way)
        if not identity.may(Scope.READ):
            raise Problem(
                403, "SCOPE_MISSING", "This needs the scope 'read'.", "Ask who gives out tokens."
            )
        return identity

    def _check_origin(self, request: web.Request, way: Way) -> None:
        """A page of any site may open a socket, and the browser sends the cookie with it."""
        origin = request.headers.get("Origin")
        own = origin in self._door.origins
        fine = own if origin is not None else way != Way.COOKIE
        if way == Way.BEARER:
            fine = origin is None or own or origin in self._origins
        if not fine:
            raise Problem(
                403, "OTHER_SITE", "This page is of another site.", "Use the gateway's own pages."
            )

    async def _live(self, socket: web.WebSocketResponse, client: Client) -> None:
        """Reads and writes at once, or a client that closes would be kept waiting."""
        tasks = {
            asyncio.create_task(self._read(socket, client)),
            asyncio.create_task(self._write(socket, client)),
            asyncio.create_task(self._expire(socket, client.identity)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            with suppress(ConnectionError, TimeoutError):
                task.result()

    async def _read(self, socket: web.WebSocketResponse, client: Client) -> None:
        heard: deque[float] = deque(maxlen=MESSAGES_MAX)
        async for message in socket:
            now = monotonic()
            if len(heard) == MESSAGES_MAX and now - heard[0] < 1.0:
                await socket.close(code=TOO_MANY, message=b"too many messages")
                return
            heard.append(now)
            if message.type != WSMsgType.TEXT:
                client.say(error("NOT_UNDERSTOOD", "Messages are texts."))
                continue
            await self._heard(client, message.data)

    async def _heard(self, client: Client, text: str) -> None:
        try:
            said = MESSAGES.validate_python(json.loads(text))
        except (ValidationError, ValueError, RecursionError):
            client.say(error("NOT_UNDERSTOOD", "This is no subscribe, unsubscribe or ping."))
            return
        if isinstance(said, Ping):
            client.say({"type": "pong"})
        elif isinstance(said, Subscribe):
            await self._subscribe(client, said)
        else:
            self._hub.unfollow(client, said.name)
            client.say({"type": "unsubscribed", "id": said.id, "workflowId": said.workflow_id})

    async def _subscribe(self, client: Client, said: Subscribe) -> None:
        if len(client.subscriptions) >= SUBSCRIPTIONS_MAX and (
            said.name not in client.subscriptions
        ):
            client.say(error("TOO_MANY", f"More than {SUBSCRIPTIONS_MAX} subscriptions."))
            return
        if said.from_ is not None and not await self._reached(said.from_):
            client.say(error("BEHIND", "This replica is not as far as `from`."))
            return
        await self._hub.follow(client, said)

    async def _reached(self, wanted: str) -> bool:
        try:
            places, records = positions.read(wanted)
        except PositionError:
            return False
        return await self._gateway.fates.reached(places, records, AT_LEAST_SECONDS)

    async def _write(self, socket: web.WebSocketResponse, client: Client) -> None:
        while True:
            message = await client.queue.get()
            await asyncio.wait_for(socket.send_str(message.decode()), _SEND_SECONDS)

    async def _expire(self, socket: web.WebSocketResponse, identity: Identity) -> None:
        """Closes the socket when its token is over."""
        if identity.expires_at is None:
            await asyncio.Event().wait()
            return
        await asyncio.sleep(max(0.0, identity.expires_at + LEEWAY_SECONDS - now_ms() / 1_000))
        await socket.close(code=OVER, message=b"the token is over")


def _with_bearer(request: web.Request) -> web.Request:
    """The request with the token of its subprotocol as a header: a browser cannot set that one."""
    if "Authorization" in request.headers:
        return request
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    for name in (each.strip() for each in offered):
        if name.startswith(BEARER_PROTOCOL):
            token = _decoded(name.removeprefix(BEARER_PROTOCOL))
            headers = request.headers.copy()
            headers["Authorization"] = f"Bearer {token}"
            return request.clone(headers=headers)
    return request


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
