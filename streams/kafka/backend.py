"""Holds what the engine meets the world by: the clients of Kafka, the clock, the thread that ends
transactions.

The real backend is librdkafka. A simulation registers another under a bootstrap name of its own,
and runs the same engine on a log in memory. With either, topics have the prefix of the settings
(streams/kafka/prefixed.py); whoever makes a client of Kafka asks the backend for it.
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


class KafkaBackend(Protocol):
    """Makes clients that take librdkafka's configuration and answer as its own do."""

    def consumer(self, config: ClientConfig) -> Consumer: ...
    def producer(self, config: ClientConfig) -> Producer: ...
    def admin(self, config: ClientConfig) -> AdminClient: ...
    def now_ms(self) -> int: ...
    def monotonic(self) -> float: ...
    def rest(self, seconds: float) -> None: ...

    def thread(self) -> Executor:
        """Returns an executor with one thread of its own."""
        ...

    def helper(self) -> Executor:
        """Returns one for work beside reading, which touches nothing that others see."""
        ...

    def wait(self, future: Future[None], seconds: float) -> bool:
        """Waits for the future, and returns True if it was done within the time."""
        ...


class Librdkafka:
    """The real backend."""

    consumer: Callable[[ClientConfig], Consumer] = staticmethod(Consumer)
    producer: Callable[[ClientConfig], Producer] = staticmethod(Producer)
    admin: Callable[[ClientConfig], AdminClient] = staticmethod(AdminClient)
    now_ms = staticmethod(clock.now_ms)
    monotonic = staticmethod(clock.monotonic)
    rest = staticmethod(clock.rest)

    def thread(self) -> Executor:
        return ThreadPoolExecutor(1, "commit")

    def helper(self) -> Executor:
        return ThreadPoolExecutor(1, "helper")

    def wait(self, future: Future[None], seconds: float) -> bool:
        return bool(wait((future,), seconds).done)


@dataclass(frozen=True, slots=True)
class PrefixedBackend:
    """A backend where the topics of an installation have a prefix."""

    backend: KafkaBackend
    names: Names

    def consumer(self, config: ClientConfig) -> Consumer:
        return cast(Consumer, PrefixedConsumer(self.backend.consumer, self.names, config))

    def producer(self, config: ClientConfig) -> Producer:
        return cast(Producer, PrefixedProducer(self.backend.producer(config), self.names))

    def admin(self, config: ClientConfig) -> AdminClient:
        return cast(AdminClient, PrefixedAdmin(self.backend.admin(config), self.names))

    def now_ms(self) -> int:
        return self.backend.now_ms()

    def monotonic(self) -> float:
        return self.backend.monotonic()

    def rest(self, seconds: float) -> None:
        self.backend.rest(seconds)

    def thread(self) -> Executor:
        return self.backend.thread()

    def helper(self) -> Executor:
        return self.backend.helper()

    def wait(self, future: Future[None], seconds: float) -> bool:
        return self.backend.wait(future, seconds)


_REAL: KafkaBackend = Librdkafka()
_OTHERS: dict[str, KafkaBackend] = {}


def backend_of(settings: Settings) -> KafkaBackend:
    """Returns the backend of the settings' bootstrap, for topics with the settings' prefix."""
    found = _OTHERS.get(settings.bootstrap, _REAL)
    return PrefixedBackend(found, Names(settings.topic_prefix)) if settings.topic_prefix else found


def register_backend(bootstrap: str, other: KafkaBackend) -> None:
    """Uses another backend for this bootstrap name from here on."""
    _OTHERS[bootstrap] = other


def remove_backend(bootstrap: str) -> None:
    """Takes back what `register_backend` did."""
    del _OTHERS[bootstrap]
