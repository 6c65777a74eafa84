"""What changes is told over a WebSocket to who follows it, and to nobody else."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from gateway.live.client_messages import BEARER_PROTOCOL, FOLLOWED, PROTOCOL
from gateway.live.hub import QUEUE_MAX, SOCKETS_MAX, SUBSCRIPTIONS_MAX, Client
from gateway.live.socket import OVER, TOO_MANY
from gateway.web.dispatch import COOKIE
from schemas.catalog import DECISIONS, TABLES_COMMANDS, TRANSITIONS
from schemas.records import Phase
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.gateway.served import Served, token
from tests.support.gateway.world import ALPHA, BRAVO, CODEC, Kept, Tenant, write
from tests.support.samples import sample

pytestmark = pytest.mark.kafka
SECONDS = 20.0
_NUMBERS = count()
Socket = aiohttp.ClientWebSocketResponse


def someone(tenants: tuple[str, ...] = (ALPHA,), **more: Any) -> str:
    return token(f"watcher {next(_NUMBERS)}", tenants, **more)


def opened(served: Served, mine: str, run: Callable[[Socket], Awaitable[None]]) -> None:
    """Runs something with an open socket."""

    async def whole() -> None:
        headers = {"Authorization": f"Bearer {mine}"}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address(served), headers=headers) as socket,
        ):
            await run(socket)

    asyncio.run(asyncio.wait_for(whole(), SECONDS))


def address(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}/ws"


async def next_of(socket: Socket, kind: str) -> dict[str, Any]:
    """The next message of a type; others are passed over."""
    while True:
        message = await socket.receive(SECONDS)
        assert message.type == WSMsgType.TEXT, message
        said: dict[str, Any] = json.loads(message.data)
        if said["type"] == kind:
            return said


def moved(tenant: Tenant, phase: Phase) -> list[Kept]:
    row = replace(tenant.command_row(), phase=phase)
    step = replace(
        sample("Transition"),
        event_id=tenant.id(f"step-{next(_NUMBERS)}"),
        command_id=tenant.id("pending"),
        subject=tenant.subject,
        after=phase,
        by=f"{tenant.name} ann",
        moved_at=now_ms(),
    )
    return [
        Kept(TABLES_COMMANDS, tenant.id("pending"), CODEC.encode(row), tenant.subject),
        Kept(TRANSITIONS, tenant.subject, CODEC.encode(step), tenant.subject),
    ]


def test_a_client_of_the_improvement_orchestrator_is_told_of_its_workflow(
    served: Served, two_tenants: Settings
) -> None:
    alpha = Tenant(ALPHA)

    async def follow(socket: Socket) -> None:
        await socket.send_json({"type": "subscribe", "workflowId": alpha.id("pending")})
        first = await next_of(socket, "subscribed")
        assert first["snapshot"]["command_id"] == alpha.id("pending")
        assert first["position"].startswith("tables.commands.v1@")
        await asyncio.to_thread(write, two_tenants, moved(alpha, Phase.ISSUED))
        told = [await next_of(socket, "update") for _ in range(2)]
        by_event = {message["event"] is None: message for message in told}
        assert by_event[True]["row"]["phase"] == "ISSUED"
        step = by_event[False]
        assert (step["status"], step["phase"], step["by"]) == (
            "RUNNING",
            "ISSUED",
            f"{ALPHA} ann",
        )
        await socket.send_json({"type": "ping"})
        await next_of(socket, "pong")

    opened(served, someone(), follow)


@pytest.mark.parametrize("views", [(*FOLLOWED,)[:6], ("commands", *(*FOLLOWED,)[6:])])
def test_nobody_is_told_of_another_tenant(
    served: Served, two_tenants: Settings, views: tuple[str, ...]
) -> None:
    alpha, bravo = Tenant(ALPHA), Tenant(BRAVO)
    heard: list[str] = []

    async def follow(socket: Socket) -> None:
        await socket.send_json({"type": "subscribe", "workflowId": bravo.id("pending")})
        foreign = await next_of(socket, "subscribed")
        assert foreign["snapshot"] is None, "as if it were on its way"
        for view in views:
            await socket.send_json({"type": "subscribe", "id": view, "view": view})
            await next_of(socket, "subscribed")
        secret = Kept(DECISIONS, bravo.subject, decision(bravo), bravo.subject)
        await asyncio.to_thread(write, two_tenants, [*moved(bravo, Phase.FAILED), secret])
        # What is told of the own tenant comes behind it.
        await asyncio.to_thread(write, two_tenants, moved(alpha, Phase.FAILED))
        while sum(f'"key":"{alpha.id("pending")}"' in text for text in heard) == 0:
            message = await socket.receive(SECONDS)
            heard.append(message.data)
        for _ in range(3):  # and what was on its way
            await socket.send_json({"type": "ping"})
            while json.loads(heard[-1])["type"] != "pong":
                heard.append((await socket.receive(SECONDS)).data)
            heard.append('{"type": "seen"}')

    opened(served, someone(), follow)
    whole = "".join(heard)
    assert f"{ALPHA}-pending" in whole
    assert BRAVO not in whole


def decision(tenant: Tenant) -> bytes:
    made = replace(
        sample("Decision"),
        decision_id=tenant.id(f"decision-{next(_NUMBERS)}"),
        subject=tenant.subject,
        decided_at=now_ms(),
    )
    return CODEC.encode(made)


def test_a_view_is_followed_for_one_subject_or_all_that_begin_so(
    served: Served, two_tenants: Settings
) -> None:
    alpha, bravo = Tenant(ALPHA), Tenant(BRAVO)

    async def follow(socket: Socket) -> None:
        for name, subject in (("own", f"{ALPHA}/*"), ("none", "other/bot")):
            asked = {"type": "subscribe", "id": name, "view": "decisions", "subject": subject}
            await socket.send_json(asked)
            await next_of(socket, "subscribed")
        for tenant in (bravo, alpha):
            kept = Kept(DECISIONS, tenant.subject, decision(tenant), tenant.subject)
            await asyncio.to_thread(write, two_tenants, [kept])
        told = await next_of(socket, "update")
        assert (told["id"], told["row"]["subject"]) == ("own", alpha.subject)
        assert told["position"].startswith("decisions.v1/")
        await socket.send_json({"type": "unsubscribe", "id": "own"})
        await next_of(socket, "unsubscribed")

    opened(served, someone(("*",)), follow)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"type": "subscribe"}',
        '{"type": "subscribe", "view": "commands"}',
        '{"type": "subscribe", "id": "x", "view": "secrets"}',
        '{"type": "subscribe", "workflowId": "x", "view": "commands", "id": "y"}',
        '{"type": "drop"}',
        '{"type": "ping", "more": 1}',
    ],
)
def test_what_is_not_understood_is_said(served: Served, text: str) -> None:
    async def say(socket: Socket) -> None:
        await socket.send_str(text)
        assert (await next_of(socket, "error"))["code"] == "NOT_UNDERSTOOD"

    opened(served, someone(), say)


def test_a_socket_has_a_bound_on_what_it_follows_and_how_much_it_says(served: Served) -> None:
    async def say(socket: Socket) -> None:
        for number in range(SUBSCRIPTIONS_MAX + 1):
            await socket.send_json({"type": "subscribe", "workflowId": f"w{number}"})
            await asyncio.sleep(0.11)  # ten a second are allowed
        assert (await next_of(socket, "error"))["code"] == "TOO_MANY"
        for _ in range(20):
            await socket.send_json({"type": "ping"})
        while (message := await socket.receive(SECONDS)).type == WSMsgType.TEXT:
            pass
        assert message.data == TOO_MANY

    opened(served, someone(), say)


async def refused(session: aiohttp.ClientSession, served: Served, **more: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await session.ws_connect(address(served), **more)
    return raised.value.status


def test_a_page_of_another_site_opens_nothing(served: Served) -> None:
    own, mine = f"http://127.0.0.1:{served.port}", someone()
    cookie = {"Cookie": f"{COOKIE}={mine}"}
    bearer = base64.urlsafe_b64encode(mine.encode()).decode().rstrip("=")
    protocols = (PROTOCOL, f"{BEARER_PROTOCOL}{bearer}")

    async def knock() -> None:
        async with aiohttp.ClientSession() as session:
            evil = {"Origin": "https://evil.example"}
            assert await refused(session, served, headers=cookie | evil) == 403
            assert await refused(session, served, headers=cookie) == 403, "no browser says nothing"
            assert await refused(session, served, headers=evil, protocols=protocols) == 403
            assert await refused(session, served) == 401
            assert await refused(session, served, headers={"Authorization": "Bearer x"}) == 401
            for more in (
                {"headers": cookie | {"Origin": own}},
                {"headers": {"Origin": own}, "protocols": protocols},
            ):
                async with session.ws_connect(address(served), **more) as socket:
                    await socket.send_json({"type": "ping"})
                    await next_of(socket, "pong")
            with_protocol = await session.ws_connect(
                address(served), protocols=protocols, headers={}
            )
            assert with_protocol.protocol == PROTOCOL, "the token is not sent back"
            await with_protocol.close()

    asyncio.run(asyncio.wait_for(knock(), SECONDS))


def test_one_person_has_so_many_sockets(served: Served) -> None:
    headers = {"Authorization": f"Bearer {someone()}"}

    async def knock() -> None:
        async with aiohttp.ClientSession() as session:
            open_ = [
                await session.ws_connect(address(served), headers=headers)
                for _ in range(SOCKETS_MAX)
            ]
            one_more = await session.ws_connect(address(served), headers=headers)
            message = await one_more.receive(SECONDS)
            assert (message.type, message.data) == (WSMsgType.CLOSE, TOO_MANY)
            for socket in open_:
                await socket.close()

    asyncio.run(asyncio.wait_for(knock(), SECONDS))


def test_a_socket_ends_with_its_token(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.live.socket.LEEWAY_SECONDS", 0)
    now = now_ms() // 1_000

    async def wait(socket: Socket) -> None:
        while (message := await socket.receive(SECONDS)).type == WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (WSMsgType.CLOSE, OVER)

    opened(served, someone(iat=now, exp=now + 2), wait)


def test_a_client_that_does_not_read_is_told_to_fetch_again(served: Served) -> None:
    """And loses what waited for it, so that it holds nobody's memory."""
    from gateway.auth.identity import DEVELOPER

    async def flood() -> None:
        client = Client(DEVELOPER)
        for number in range(QUEUE_MAX + 1):
            client.say({"type": "update", "number": number})
        assert client.queue.qsize() == 1
        assert json.loads(client.queue.get_nowait()) == {"type": "resync", "reason": "slow"}

    asyncio.run(flood())
