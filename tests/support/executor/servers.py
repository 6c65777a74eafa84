"""Real servers on this machine for the time of a test, and a client's session beside them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from aiohttp import web

from streams.executor.http_client import Caller
from tests.support.executor.fakes import TurnedClock

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorded:
    """What a server was asked; the answers in `first` are given before it does its work."""

    asked: list[Asked] = field(default_factory=list)
    first: list[web.StreamResponse] = field(default_factory=list)

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.asked.append(
            Asked(request.method, request.path_qs, dict(request.headers), await request.read())
        )
        return self.first.pop(0) if self.first else await handler(request)


class Receiver(Recorded):
    """Takes whatever is posted to it."""

    def app(self) -> web.Application:
        async def take(_: web.Request) -> web.Response:
            return web.Response()

        app = web.Application(middlewares=[self.middleware])
        app.router.add_post("/{path:.*}", take)
        return app


@dataclass(frozen=True)
class Running:
    url: str
    caller: Caller
    clock: TurnedClock


@asynccontextmanager
async def serving(app: web.Application, timeout_seconds: float = 10.0) -> AsyncIterator[Running]:
    """The application on a free port, and a caller whose clock is turned."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = TurnedClock()
    try:
        async with aiohttp.ClientSession() as session:
            host, port = runner.addresses[0][:2]
            yield Running(f"http://{host}:{port}", Caller(session, clock, timeout_seconds), clock)
    finally:
        await runner.cleanup()


def served(
    app: web.Application, test: Callable[[Running], Awaitable[T]], timeout_seconds: float = 10.0
) -> T:
    """What a coroutine gives while the application runs."""

    async def run() -> T:
        async with serving(app, timeout_seconds) as running:
            return await test(running)

    return asyncio.run(run())


@contextmanager
def apart(app: web.Application) -> Iterator[str]:
    """The application's address while it runs in a thread, beside a test that waits for another
    process.
    """
    loop, ready, address = asyncio.new_event_loop(), threading.Event(), list[str]()
    stopping = asyncio.Event()

    async def run() -> None:
        async with serving(app) as running:
            address.append(running.url)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="server")
    thread.start()
    try:
        assert ready.wait(10), "the server did not start"
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()
