"""A Kafka in memory where nothing goes wrong, and a worker on it that is turned by hand: the whole
engine in process.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from schemas.catalog import TOPICS
from schemas.codec.framing import Record
from state.partition.partition_state import PartitionState
from streams.engine import group_membership
from streams.engine.processor import Processor
from streams.engine.quarantine import BlackBox
from streams.engine.topology import DECIDING
from streams.kafka.admin.topics import partitions_of
from streams.kafka.backend import register_backend, remove_backend
from streams.kafka.memory.clients import MemoryAdmin, MemoryProducer
from streams.kafka.memory.consumer import MemoryConsumer
from streams.kafka.memory.log import Entry, Fate
from streams.kafka.memory.memory_broker import MemoryKafka
from streams.runtime.settings import ClientConfig, Settings
from tests.support.at_once import AtOnce
from tests.support.builders import CODEC, NOON

_NUMBERS = count()
TURNS_MAX = 500  # of a worker until what is waited for; more would never end


class Still:
    """One partition of every topic, unless settings say more.

    now: the broker's clock, ms; it moves on with each turn of a worker. consumer: what clients read
    with.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.consumer: type[MemoryConsumer] = MemoryConsumer
        self.now = NOON
        self.kafka = MemoryKafka(
            {settings.topic(t.name): partitions_of(t, settings) for t in TOPICS.values()},
            lambda: self.now,
        )

    def send(self, topic: str, record: Record | bytes | None, key: str | None = None) -> int:
        """Appends a record; returns its offset."""
        value = (
            CODEC.encode(record) if record is not None and not isinstance(record, bytes) else record
        )
        place = self.settings.topic(topic), 0
        self.kafka.write(place, None if key is None else key.encode(), value)
        return len(self.kafka.logs[place].entries) - 1

    def values(self, topic: str) -> list[bytes | None]:
        """What stands on a topic, transaction markers aside."""
        return [entry.value for entry in self.entries(topic)]

    def entries(self, topic: str) -> list[Entry]:
        """The same, with their keys and headers."""
        log = self.kafka.logs[self.settings.topic(topic), 0]
        return [entry for entry in log.entries if entry.fate == Fate.COMMITTED]

    def records(self, topic: str) -> list[Any]:
        name = TOPICS[topic].record
        assert name is not None
        return [
            CODEC.decode(name, value, own=True) for value in self.values(topic) if value is not None
        ]

    def worker(self, box: BlackBox | None = None) -> "Turned":
        return Turned(Processor(self.settings, CODEC, box=box, topology=DECIDING), self)


class Turned:
    """A worker that takes a turn when it is told to; it is started by its first, and just dropped
    where it is to crash.
    """

    def __init__(self, worker: Processor[PartitionState], still: Still) -> None:
        self.worker, self._still = worker, still

    def until(self, condition: Callable[[], bool], turn_ms: int = 200) -> None:
        """Raises what ends the worker. turn_ms: how far the clock moves on with each turn."""
        for _ in range(TURNS_MAX):
            self.worker._turn()
            self.worker._transactions.join()
            self._still.now += turn_ms
            if condition():
                return
        raise AssertionError("it never came about")

    def takes_in(self, topic: str) -> None:
        """Takes turns until everything on a topic is committed."""
        group = self._still.kafka.group(self._still.settings.group)
        place = self._still.settings.topic(topic), 0
        self.until(lambda: group.offsets.get(place, 0) >= self._still.kafka.logs[place].last_end)


@contextmanager
def still(**settings: Any) -> Iterator[Still]:
    """A Kafka in memory under an address of its own."""
    chosen = Settings(
        bootstrap=f"still:{next(_NUMBERS)}",
        **{"partitions": 1, "commit_ms": 1, "dedupe_window": 1_000} | settings,
    )
    made = Still(chosen)
    no_gc = SimpleNamespace(collect=lambda: 0, freeze=lambda: None, set_threshold=lambda *_: None)
    register_backend(chosen.bootstrap, _StillBackend(made))
    try:
        with patch.object(group_membership, "gc", no_gc):
            yield made
    finally:
        remove_backend(chosen.bootstrap)


class _StillBackend:
    """Everything at once, in one thread."""

    def __init__(self, still: Still) -> None:
        self._still = still

    def consumer(self, config: ClientConfig) -> Any:
        return self._still.consumer(self._still.kafka, self, config)

    def producer(self, config: ClientConfig) -> Any:
        return MemoryProducer(self._still.kafka, self, config)

    def admin(self, config: ClientConfig) -> Any:
        return MemoryAdmin(self._still.kafka, self)

    def now_ms(self) -> int:
        return self._still.now

    def monotonic(self) -> float:
        return self._still.now / 1_000

    def rest(self, _seconds: float) -> None:
        """Nothing to wait for."""

    def thread(self) -> Executor:
        return AtOnce()

    def helper(self) -> Executor:
        return AtOnce()

    def wait(self, future: Future[None], _seconds: float) -> bool:
        return future.done()

    def step(self, _name: str) -> None:
        """Nobody else acts."""

    def happens(self, _what: str) -> bool:
        return False

    def below(self, n: int) -> int:
        return n - 1

    def later(self, act: Callable[[], None]) -> None:
        act()
