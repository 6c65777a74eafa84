"""The executor as a process: puts its parts together, runs until it is told to stop or cannot
report any more.
"""

import asyncio
import logging
import signal

import aiohttp

from schemas.catalog import ALERTS, COMMANDS, STATUS
from schemas.codec.framing import Codec
from streams.executor.dispatcher import Alarm, Dispatcher, Gate, open_gate, silent
from streams.executor.faust_app import Hands, application
from streams.executor.faust_transport import backlog
from streams.executor.forgery_alerts import Forgeries
from streams.executor.http_client import Caller
from streams.executor.notify.notifier import Notifier
from streams.executor.notify.routes import RoutesFile
from streams.executor.reporter import ToKafka
from streams.executor.retry import SystemClock
from streams.executor.targets_config import TargetsFile, sites_of
from streams.kafka.admin.acls import executor_group
from streams.kafka.admin.topics import check
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import BACKLOG
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.executor")

_TURN_SECONDS = 1.0  # between two looks at Faust, which ends without telling anybody
_LEAVE_SECONDS = 20.0  # for Faust to commit and leave its group; without Kafka it would wait longer


async def serve(
    settings: Settings,
    codec: Codec,
    targets: TargetsFile,
    routes: RoutesFile | None,
    health: Health,
    gate: Gate = open_gate,
) -> None:
    """Returns after SIGTERM or SIGINT. Raises MendstreamError for what keeps it from working."""
    check(admin(settings), settings, (*COMMANDS.values(), STATUS, *((ALERTS,) if routes else ())))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    failed: asyncio.Future[None] = loop.create_future()
    async with aiohttp.ClientSession() as session:
        hands = _hands(
            settings, codec, targets, routes, gate, Caller(session, SystemClock()), failed
        )
        app = application(settings, hands)
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await app.start()
            log.info("carrying commands out, in group %s", executor_group(settings.group))
            log.info(
                "/metrics, /live and /ready are at http://%s:%d", settings.http_host, health.port
            )
            health.ready = True
            while not stopped.done() and not failed.done() and not app.should_stop:
                health.alive()
                BACKLOG.clear()
                for place, offsets in backlog(app).items():
                    topic = place.topic.removeprefix(settings.topic_prefix)
                    BACKLOG.labels(topic, place.partition).set(offsets)
                await asyncio.wait(
                    (stopped, failed), timeout=_TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            stopped.cancel()
            for each in hands.values():
                await each.leave()
            await asyncio.wait((asyncio.ensure_future(app.stop()),), timeout=_LEAVE_SECONDS)
        if failed.done():
            failed.result()
        if not stopping.is_set():
            raise MendstreamError(
                f"Faust ended: {app.crash_reason!r}.",
                "Start it again; what is under way is gone on with.",
            )


def _hands(
    settings: Settings,
    codec: Codec,
    targets: TargetsFile,
    routes: RoutesFile | None,
    gate: Gate,
    caller: Caller,
    failed: asyncio.Future[None],
) -> dict[str, Hands]:
    """Who takes the records of each topic."""
    publish = ToKafka(Publisher(settings, codec, linger_ms=0))
    prefix = settings.topic_prefix
    reporter, told = f"executor-{settings.slot}", dict[str, Hands]()
    alarm: Alarm = silent
    if routes is not None:
        channels = routes.made(caller, settings.public_origin)
        notifier = Notifier(codec, channels, routes.route(), caller.clock)
        alarm = Forgeries(notifier.tell, caller.clock)
        told[ALERTS] = Hands(notifier.take, failed, notifier.most, prefix)
    desk = Dispatcher(
        codec, sites_of(targets, caller), publish, caller.clock, reporter, gate, alarm
    )
    return {
        topic: Hands(desk.take, failed, topic_prefix=prefix) for topic in COMMANDS.values()
    } | told
