"""Takes alerts, and tells of each in the channels of its routes, until every one of them has it or
never will.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from schemas.codec.framing import Codec
from schemas.records import Alert
from schemas.refusals import DecodeError
from streams.executor.dispatcher import Headers
from streams.executor.notify.channel import Channel, ChannelRefused
from streams.executor.retry import Clock, NotNow, persist
from streams.runtime.metrics import NOTIFICATIONS

log = logging.getLogger("mendstream.notifier")

GIVE_UP_SECONDS = 86_400.0  # an alert that nobody could be told of for a day is news no more
# alerts that wait for one channel; storms are one alert, so this is a channel that is down for long
LANE_MAX = 1_000

Route = Callable[[Alert], Sequence[str]]  # the names of the channels that an alert goes to


class _Lane:
    """One channel: alerts in the order they came, so that what is resolved is not raised again by a
    late try.
    """

    def __init__(self, name: str, channel: Channel, clock: Clock) -> None:
        self._name, self._channel, self._clock = name, channel, clock
        self._turn = asyncio.Lock()  # hands itself on in the order in which it was asked for
        self._waiting = 0

    async def tell(self, alert: Alert) -> None:
        if self._waiting >= LANE_MAX:
            self._count("GIVEN_UP", alert, f"{LANE_MAX} alerts wait already")
            return
        self._waiting += 1
        try:
            async with self._turn:
                await self._deliver(alert)
        finally:
            self._waiting -= 1

    async def _deliver(self, alert: Alert) -> None:
        try:
            await persist(
                lambda: self._channel.send(alert),
                self._clock,
                GIVE_UP_SECONDS,
                lambda error: self._count("FAILED", alert, str(error)),
            )
        except NotNow as error:
            self._count("GIVEN_UP", alert, str(error))
        except ChannelRefused as error:
            self._count("REFUSED", alert, str(error))
        except Exception:  # a fault of ours in one channel must not silence the others
            log.exception("%s broke at alert %s", self._name, alert.alert_id)
            NOTIFICATIONS.labels(self._name, "REFUSED").inc()
        else:
            NOTIFICATIONS.labels(self._name, "SENT").inc()
            log.info("%s has alert %s, %s", self._name, alert.alert_id, alert.state.lower())

    def _count(self, outcome: str, alert: Alert, sentence: str) -> None:
        NOTIFICATIONS.labels(self._name, outcome).inc()
        log.warning("%s, alert %s: %s: %s", self._name, alert.alert_id, outcome.lower(), sentence)


class Notifier:
    """channels: by name."""

    def __init__(
        self, codec: Codec, channels: Mapping[str, Channel], route: Route, clock: Clock
    ) -> None:
        self._codec, self._route, self._clock = codec, route, clock
        self._lanes = {name: _Lane(name, channel, clock) for name, channel in channels.items()}
        self.most = (
            LANE_MAX * len(self._lanes) + 1
        )  # alerts under way at once: a full lane must not stop the others

    async def take(
        self, topic: str, _key: bytes | None, value: bytes | None, _headers: Headers
    ) -> None:
        """As `tell`, for a record."""
        try:
            alert = self._codec.decode("Alert", value)
        except DecodeError as error:
            log.error("a record on %s is no alert: %s", topic, error.sentence)
            return
        assert isinstance(alert, Alert), "it was decoded as one"
        await self.tell(alert)

    async def tell(self, alert: Alert) -> None:
        """Returns when each channel has the alert, or never will."""
        at = alert.raised_at if alert.resolved_at is None else alert.resolved_at
        if self._clock.now_ms() - at > GIVE_UP_SECONDS * 1_000:
            log.info("alert %s is older than a day: nobody is told", alert.alert_id)
            return
        await asyncio.gather(*(self._lanes[name].tell(alert) for name in self._route(alert)))
