"""The Faust application: agents that hand commands and alerts over, and commit a record once it is
done with.

It has no tables, no web server and no pickles, and it declares no topics.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from faust.types import EventT, StreamT

from streams.executor.dispatcher import Headers
from streams.executor.faust_credentials import credentials
from streams.executor.faust_transport import Transport
from streams.kafka.admin.acls import executor_group
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.executor")

UNDER_WAY_MAX = (
    256  # records at once; past it topics wait, so that a flood does not fill the memory
)

Take = Callable[[str, bytes | None, bytes | None, Headers], Awaitable[None]]


class Hands:
    """Runs `take` for each record of a topic, several at once, and acknowledges a record when it is
    done with.
    """

    def __init__(
        self,
        take: Take,
        failed: asyncio.Future[None],
        most: int = UNDER_WAY_MAX,
        topic_prefix: str = "",
    ) -> None:
        """failed: gets what keeps records from being done with. most: records under way at once.
        topic_prefix: of the topics at Kafka, of which `take` knows nothing.
        """
        self._prefix = topic_prefix
        self._take, self._failed = take, failed
        self._room = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self, stream: StreamT[Any]) -> None:
        """An agent."""
        assert isinstance(stream, faust.Stream), "an agent is given a stream"
        async for event in stream.noack().events():
            await self._room.acquire()
            task = asyncio.create_task(self._one(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: self._room.release())

    async def leave(self) -> None:
        """Lets go of what is under way; whoever comes next goes on with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _one(self, event: EventT[bytes]) -> None:
        message = event.message
        headers = (
            message.headers.items()
            if isinstance(message.headers, Mapping)
            else message.headers or ()
        )
        try:
            topic = message.topic.removeprefix(self._prefix)
            await self._take(topic, message.key, message.value, [*headers])
        except Exception as error:  # noqa: BLE001 - whoever waits for `failed` raises it, and nothing stays under way unseen
            if not self._failed.done():
                self._failed.set_exception(error)
            return
        event.ack()


class _App(faust.App):
    """Faust's application, without the directory for tables that it would make where it was
    started.
    """

    def _create_directories(self) -> None:
        pass


def application(settings: Settings, hands: Mapping[str, Hands]) -> faust.App:
    """An application to be started in the running loop. hands: by the topic that they take."""
    app = _App(
        executor_group(settings.group),
        broker=";".join(f"kafka://{host}" for host in settings.bootstrap.split(",")),
        broker_credentials=credentials(settings),
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,  # or a rebalance would wait for a rollout of hours
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        broker_session_timeout=settings.session_timeout_ms / 1_000,
        broker_heartbeat_interval=settings.session_timeout_ms / 3_000,
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    for topic, each in hands.items():
        records = app.topic(
            settings.topic(topic),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )
        app.agent(records, name=topic)(each.work)
    return app
