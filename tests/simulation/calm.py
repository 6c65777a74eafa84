"""A look at a Kafka in memory while nothing happens to it."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from streams.kafka.memory.clients import MemoryAdmin
from streams.kafka.memory.consumer import MemoryConsumer
from streams.kafka.memory.memory_broker import MemoryKafka
from streams.runtime import clock
from streams.runtime.settings import ClientConfig


class _Calm:
    """Nothing happens in between, and readers get all that is there."""

    def step(self, name: str) -> None:
        return

    def happens(self, what: str) -> bool:
        return False

    def below(self, n: int) -> int:
        return n - 1

    def later(self, act: Callable[[], None]) -> None:
        raise AssertionError("nothing is held up here")


class CalmBackend:
    """For readers alone."""

    now_ms = staticmethod(clock.now_ms)
    monotonic = staticmethod(clock.monotonic)

    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka, self._chance = kafka, _Calm()

    def consumer(self, config: ClientConfig) -> Any:
        return MemoryConsumer(self._kafka, self._chance, config)

    def admin(self, config: ClientConfig) -> Any:
        return MemoryAdmin(self._kafka, self._chance)

    def producer(self, config: ClientConfig) -> Any:
        raise AssertionError("a reader writes nothing")

    def rest(self, _seconds: float) -> None:
        """Nothing ever waits here."""

    def thread(self) -> Executor:
        raise AssertionError("a reader has no thread")

    def helper(self) -> Executor:
        raise AssertionError("a reader has no thread")

    def wait(self, future: Future[None], seconds: float) -> bool:
        raise AssertionError("a reader waits for nothing")
