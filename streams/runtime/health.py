"""/metrics, /live and /ready over HTTP, from a thread of its own so that a long fold does not
silence them.
"""

import asyncio
import threading
from types import TracebackType

from aiohttp import web
from prometheus_client.exposition import generate_latest

from streams.runtime.clock import monotonic
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import REGISTRY

STALLED_SECONDS = 60.0  # a loop that has not turned for so long is stuck


class Health:
    """The state of the loop, and the server that passes it on.

    ready: partitions are assigned and restored. preparing: machine code is compiled or partitions
    are restored, which may take longer than a turn of the loop; it cannot hang unseen, because
    compiling ends and reading gives up by itself when nothing comes. live: the loop turns, or it
    is preparing.
    """

    def __init__(self) -> None:
        self.ready = False
        self.preparing = False
        self._beat = monotonic()
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def alive(self) -> None:
        self._beat = monotonic()

    def live(self) -> bool:
        return self.preparing or monotonic() - self._beat < STALLED_SECONDS

    def serve(self, host: str, port: int) -> "Health":
        """Starts serving; port 0 takes any free one. Raises MendstreamError if the port is
        taken.
        """
        started = threading.Event()
        failure: list[OSError] = []
        self._thread = threading.Thread(
            target=self._run, args=(host, port, started, failure), name="health"
        )
        self._thread.start()
        started.wait()
        if failure:
            raise MendstreamError(
                f"Port {port} on {host} is taken.",
                "Set MENDSTREAM_HTTP_PORT to a free one, or to 0 for any.",
            )
        return self

    def __enter__(self) -> "Health":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self, host: str, port: int, started: threading.Event, failure: list[OSError]) -> None:
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._app(), access_log=None)
        try:
            loop.run_until_complete(runner.setup())
            site = web.TCPSite(runner, host, port)
            loop.run_until_complete(site.start())
            self.port = runner.addresses[0][1]
            self._loop = loop
        except OSError as error:
            failure.append(error)
        finally:
            started.set()  # whatever happened: somebody waits
        if not failure:
            loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        return app

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), content_type="text/plain", charset="utf-8"
        )

    async def _live(self, _request: web.Request) -> web.Response:
        return _answer(self.live())

    async def _ready(self, _request: web.Request) -> web.Response:
        return _answer(self.ready)


def _answer(good: bool) -> web.Response:
    return web.Response(text="yes\n" if good else "no\n", status=200 if good else 503)
