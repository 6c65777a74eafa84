"""Where the engine meets the world: the clients of Kafka, the clock, the thread that ends
transactions.

There is one real door, librdkafka's. A simulation opens another under a bootstrap name of its own,
and runs the same engine on a log in memory. Behind either, topics have the prefix of the settings
(streams/kafka/prefixed.py); whoever makes a client of Kafka asks the door for it.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol, cast

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from streams.kafka.prefixed import Names, PrefixedAdmin, PrefixedConsumer, PrefixedProducer
from streams.runtime import clock
from streams.runtime.settings import ClientConfig, Settings


class Door(Protocol):
    """Clients take librdkafka's configuration and answer as its do."""

    def consumer(self, config: ClientConfig) -> Consumer: ...
    def producer(self, config: ClientConfig) -> Producer: ...
    def admin(self, config: ClientConfig) -> AdminClient: ...
    def now_ms(self) -> int: ...
    def monotonic(self) -> float: ...
    def rest(self, seconds: float) -> None: ...

    def thread(self) -> Executor:
        """One thread of its own."""
        ...

    def wait(self, future: Future[None], seconds: float) -> bool:
        """Waits for the future, and returns True if it was done within the time."""
        ...


class Librdkafka:
    """The real door."""

    consumer: Callable[[ClientConfig], Consumer] = staticmethod(Consumer)
    producer: Callable[[ClientConfig], Producer] = staticmethod(Producer)
    admin: Callable[[ClientConfig], AdminClient] = staticmethod(AdminClient)
    now_ms = staticmethod(clock.now_ms)
    monotonic = staticmethod(clock.monotonic)
    rest = staticmethod(clock.rest)

    def thread(self) -> Executor:
        return ThreadPoolExecutor(1, "commit")

    def wait(self, future: Future[None], seconds: float) -> bool:
        return bool(wait((future,), seconds).done)


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A door behind which the topics of an installation have a prefix."""

    door: Door
    names: Names

    def consumer(self, config: ClientConfig) -> Consumer:
        return cast(Consumer, PrefixedConsumer(self.door.consumer, self.names, config))

    def producer(self, config: ClientConfig) -> Producer:
        return cast(Producer, PrefixedProducer(self.door.producer(config), self.names))

    def admin(self, config: ClientConfig) -> AdminClient:
        return cast(AdminClient, PrefixedAdmin(self.door.admin(config), self.names))

    def now_ms(self) -> int:
        return self.door.now_ms()

    def monotonic(self) -> float:
        return self.door.monotonic()

    def rest(self, seconds: float) -> None:
        self.door.rest(seconds)

    def thread(self) -> Executor:
        return self.door.thread()

    def wait(self, future: Future[None], seconds: float) -> bool:
        return self.door.wait(future, seconds)


_REAL: Door = Librdkafka()
_OTHERS: dict[str, Door] = {}


def door(settings: Settings) -> Door:
    """The door to the topics of the settings' prefix at their bootstrap."""
    found = _OTHERS.get(settings.bootstrap, _REAL)
    return Prefixed(found, Names(settings.topic_prefix)) if settings.topic_prefix else found


def open_door(bootstrap: str, other: Door) -> None:
    """From here on this bootstrap name leads through another door."""
    _OTHERS[bootstrap] = other


def close_door(bootstrap: str) -> None:
    del _OTHERS[bootstrap]
