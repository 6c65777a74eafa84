"""A Kafka that is reached through a proxy of ours, which knows requests by their kind and can hold
them up.

Holding one up is what a slow network does to it: its sender's connection breaks and the sender asks
again, while the request itself arrives at the broker later, on the connection that it was sent on.
"""

import asyncio
import struct
import threading
import weakref
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.embedded.storage import HOST, claimed
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.support.kafka.running import SECONDS, SMALL

END_TXN = 26
TXN_OFFSET_COMMIT = 28
REFUSED = (47, 90)  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED

T = TypeVar("T")
_HEAD = struct.Struct(">ihhi")  # length, kind of request, its version, correlation id
_ANSWER = struct.Struct(
    ">iiih"
)  # length, correlation id, throttle time, error: the answer to an EndTxn
_GONE = (ConnectionError, asyncio.IncompleteReadError)


class Request(NamedTuple):
    kind: int
    correlation: int
    frame: bytes

    def aborting(self) -> "Request":
        """The EndTxn that would have aborted: its last byte says what is wanted."""
        assert self.kind == END_TXN
        return self._replace(frame=self.frame[:-1] + b"\x00")


@dataclass(slots=True)
class _Held:
    """A request on its way, and the connection to the broker on which it will arrive."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    at: float


class Proxy:
    """Passes everything on to a port of this machine. A context manager; the steps below are for
    one request each.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        self._server: asyncio.Server | None = None
        self._hold: int | None = None  # a kind of request, of which the next is held up
        self._then_stop: int | None = None
        self._held: _Held | None = None
        self._stopped: tuple[Request, asyncio.StreamWriter] | None = None
        self.seen: list[
            tuple[float, int]
        ] = []  # when requests of the kinds looked for came, and which

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def listen(self, port: int) -> None:
        self._do(self._listen(port))

    def hold(self, kind: int, then_stop: int | None = None) -> None:
        """Holds up the next request of a kind and breaks its sender's connection; then stops one of
        another kind.
        """
        self._hold, self._then_stop, self.seen = kind, then_stop, []

    @property
    def held(self) -> bool:
        return self._held is not None

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def arrive(self, abort: bool = False) -> int:
        """Lets the held request arrive, or its like that aborts; returns the broker's error
        code.
        """
        held, self._held = self._held, None
        assert held is not None, "nothing is held"
        request = held.request.aborting() if abort else held.request
        return self._do(self._answer(held, request))

    def go_on(self) -> None:
        """Lets the stopped request go."""
        self._loop.call_soon_threadsafe(self._go_on)

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(SECONDS)

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            # whoever is at the other end may be gone, and would never take what waits
            writer.transport.abort()
        await asyncio.sleep(0)  # lets the loop close them

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            broker_reader, broker_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.close()
            return
        self._writers.update((writer, broker_writer))
        answers = asyncio.create_task(_copy(broker_reader, writer))
        held = False
        try:
            held = await self._pass_on(reader, broker_reader, broker_writer)
        except _GONE:
            pass
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            writer.close()
            if not held:
                broker_writer.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        broker_reader: asyncio.StreamReader,
        broker: asyncio.StreamWriter,
    ) -> bool:
        """Passes requests on until one is held up: True, and the connection to the broker must
        stay.
        """
        while True:
            request = await _request(reader)
            if request.kind in (END_TXN, TXN_OFFSET_COMMIT):
                self.seen.append((monotonic(), request.kind))
            if request.kind == self._hold:
                self._hold = None
                self._held = _Held(request, broker_reader, broker, monotonic())
                return True
            if self._held is not None and request.kind == self._then_stop:
                self._then_stop = None
                self._stopped = (
                    request,
                    broker,
                )  # those behind it overtake it; librdkafka knows answers by number
                continue
            broker.write(request.frame)
            await broker.drain()

    def _go_on(self) -> None:
        if self._stopped is not None:
            (request, broker), self._stopped = self._stopped, None
            broker.write(request.frame)

    async def _answer(self, held: _Held, request: Request) -> int:
        held.writer.write(request.frame)
        while True:
            length = await held.reader.readexactly(4)
            frame = length + await held.reader.readexactly(int.from_bytes(length, "big"))
            if int.from_bytes(frame[4:8], "big", signed=True) == request.correlation:
                held.writer.close()
                return int(_ANSWER.unpack_from(frame)[3])


async def _request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readexactly(_HEAD.size)
    length, kind, _, correlation = _HEAD.unpack(head)
    return Request(kind, correlation, head + await reader.readexactly(length + 4 - _HEAD.size))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_GONE):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def kafka_behind_proxy(**settings: Any) -> Iterator[tuple[Proxy, Settings]]:
    """A broker whose advertised address is the proxy's, so that every request of every client
    passes through it.
    """
    door, client, internal, controller = claimed((0, 0, 0, 0))
    addresses: Mapping[str, str] = {
        "listeners": f"CLIENT://{HOST}:{client},INTERNAL://{HOST}:{internal},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"CLIENT://{HOST}:{door},INTERNAL://{HOST}:{internal}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    with Proxy(client) as proxy:
        # Whoever asks whether Kafka is ready is told the proxy's address and goes there next.
        proxy.listen(door)
        with EmbeddedKafka(port=client, settings=addresses):
            chosen = Settings(bootstrap=f"{HOST}:{door}", **(SMALL | settings))
            create(admin(chosen), chosen)
            yield proxy, chosen
