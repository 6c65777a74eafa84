"""Where the engine meets the world: the clients of Kafka, the clock, the thread that ends
transactions.

There is one real door, librdkafka's. A simulation opens another under a bootstrap name of its own,
and runs the same engine on a log in memory.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import Protocol

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

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
        """Whether it was done within the time."""
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


_REAL: Door = Librdkafka()
_OTHERS: dict[str, Door] = {}


def door(settings: Settings) -> Door:
    """The door to the Kafka at the settings' bootstrap."""
    return _OTHERS.get(settings.bootstrap, _REAL)


def open_door(bootstrap: str, other: Door) -> None:
    """From here on this bootstrap name leads through another door."""
    _OTHERS[bootstrap] = other


def close_door(bootstrap: str) -> None:
    del _OTHERS[bootstrap]
