"""A world of workers, a Kafka in memory and a seed: kills, freezes, rebalances, lost and delayed
requests, late input.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from schemas.catalog import TICKS, TOPICS
from schemas.codec.framing import Codec
from streams.engine import group_membership
from streams.engine.processor import Processor
from streams.engine.topology import Topology
from streams.engine.transaction import Crash
from streams.kafka.admin.topics import partitions_of
from streams.kafka.backend import register_backend, remove_backend
from streams.kafka.memory.clients import MemoryAdmin, MemoryProducer
from streams.kafka.memory.consumer import MemoryConsumer
from streams.kafka.memory.log import TopicPartitionKey
from streams.kafka.memory.memory_broker import MemoryKafka
from streams.runtime.settings import ClientConfig, Settings
from tests.simulation.strands import Killed, Strands
from tests.support.at_once import AtOnce

PARTITIONS = 2
GROUP = "simulated"
NOON = 1_700_000_000_000  # ms
_MOST_STEPS = 60_000
# A restore has the collector look at all there is, which takes longer than a whole run.
_NO_GC = SimpleNamespace(collect=lambda: 0, freeze=lambda: None, set_threshold=lambda *_: None)
_RARE = 0.04  # of a chance that a request is lost or held up
Sent = tuple[TopicPartitionKey, bytes | None]


@dataclass(frozen=True, slots=True)
class Faults:
    """How many of each may happen in a run; when, the seed says."""

    kills: int = 3
    freezes: int = 2
    expiries: int = 2
    time_outs: int = 1
    requests: int = 3


class World:
    """One run. `settings` are those of a worker; each has a slot and a bootstrap name of its
    own.
    """

    def __init__(
        self,
        seed: int,
        topology: Topology[Any],
        codec: Codec,
        inputs: list[Sent],
        workers: int,
        faults: Faults,
    ):
        self.rng = np.random.default_rng(seed)
        self.strands = Strands(self.rng, _MOST_STEPS)
        self.strands.between = self._between
        self._settings = {f"w{n}": _settings(seed, n) for n in range(workers)}
        counts = {
            topic.name: partitions_of(topic, self._settings["w0"]) for topic in TOPICS.values()
        }
        self.kafka = MemoryKafka(counts, self.now_ms)
        self._topology, self._codec = topology, codec
        self.inputs = inputs
        self._left = {"kill": faults.kills, "freeze": faults.freezes, "expire": faults.expiries}
        self._left |= {"time out": faults.time_outs, "request": faults.requests}
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._processors: dict[str, Processor[Any]] = {}
        self._thaw: dict[str, int] = {}
        self.happened: list[str] = []
        self._done = False

    def run(self) -> Settings:
        """Runs until all is taken in; returns settings to look at what stands."""
        for name, settings in self._settings.items():
            register_backend(settings.bootstrap, _WorkerBackend(self, name))
            self.strands.spawn(name, partial(self._supervise, name))
        try:
            with patch.object(group_membership, "gc", _NO_GC):
                self.strands.run()
            for transactional_id in self.kafka.transactions:  # what the last crash left open
                self.kafka.time_out(transactional_id)
        finally:
            for settings in self._settings.values():
                remove_backend(settings.bootstrap)
        return self._settings["w0"]

    def now_ms(self) -> int:
        return NOON + self.strands.steps

    # What the memory clients ask of chance.

    def step(self, name: str) -> None:
        self.strands.step(name)

    def happens(self, what: str) -> bool:
        if not self._left["request"] or self.rng.random() > _RARE:
            return False
        self._note("request", what)
        return True

    def below(self, n: int) -> int:
        return int(self.rng.integers(n)) if n > 1 else 0

    def later(self, act: Callable[[], None]) -> None:
        self._later.append((self.strands.steps + int(self.rng.integers(200)), act))

    def _supervise(self, name: str) -> None:
        """A worker, started again whenever it ends before all is done."""
        while not self._done:
            try:
                self._work(name)
            except Crash:
                pass
            except Killed:
                if self.strands.errors:
                    raise
            for strand in self.strands.of(name):  # a process takes all its threads with it
                strand.killed = strand is not self.strands.running

    def _work(self, name: str) -> None:
        worker = Processor(self._settings[name], self._codec, topology=self._topology)
        self._processors[name] = worker
        if self._done:  # while it was being made
            worker.stop()
        worker.run()

    def _between(self) -> None:
        """What happens to the world at a step, beside what the workers do."""
        now = self.strands.steps
        for due in [each for each in self._later if each[0] <= now]:
            self._later.remove(due)
            due[1]()
        for name in [name for name, until in self._thaw.items() if until <= now]:
            del self._thaw[name]
            self.strands.freeze(name, frozen=False)
        if self.inputs and self.rng.random() < 0.1:
            for _ in range(1 + int(self.rng.integers(8))):
                if self.inputs:
                    place, value = self.inputs.pop(0)
                    self.kafka.write(place, None, value)
        if self.rng.random() < 0.03:
            self._fault()
        if now % 50 == 0 and not self._done and self._all_in():
            self._done = True
            self._thaw = dict.fromkeys(self._thaw, 0)
            for worker in self._processors.values():
                worker.stop()
        if now % 50 == 0 and self._done:
            self._end_what_was_left_open()

    def _end_what_was_left_open(self) -> None:
        """As Kafka does in time: a worker that is still restoring waits for it."""
        for name, settings in self._settings.items():
            transactional_id = f"{GROUP}-{settings.slot}"
            if not self.strands.of(name) and transactional_id in self.kafka.transactions:
                self.kafka.time_out(transactional_id)

    def _fault(self) -> None:
        kind = ("kill", "freeze", "expire", "time out")[int(self.rng.integers(4))]
        name = f"w{int(self.rng.integers(len(self._settings)))}"
        if not self._left[kind] or self._done or not self.strands.of(name):
            return
        group = self.kafka.group(GROUP)
        instance = transactional_id = f"{group.name}-{self._settings[name].slot}"
        if kind == "kill":
            self._note(kind, f"{name} at {[strand.at for strand in self.strands.of(name)]}")
            self.strands.kill(name)
        elif kind == "freeze" and len(self._settings) > len(self._thaw) + 1:
            self._note(kind, name)
            self.strands.freeze(name, frozen=True)
            self._thaw[name] = self.strands.steps + int(self.rng.integers(50, 1_500))
        elif kind == "expire" and instance in group.members:
            self._note(kind, instance)
            group.expire(instance)
        elif kind == "time out" and transactional_id in self.kafka.transactions:
            self._note(kind, transactional_id)
            self.kafka.time_out(transactional_id)

    def _note(self, kind: str, what: str) -> None:
        self._left[kind] -= 1
        self.happened.append(f"{self.strands.steps}: {kind} {what}")

    def _all_in(self) -> bool:
        offsets = self.kafka.group(GROUP).offsets
        wanted = [topic for topic in self._topology.inputs if topic != TICKS]
        return not self.inputs and all(
            offsets.get((topic, p), 0) >= self.kafka.logs[topic, p].last_end
            for topic in wanted
            for p in range(PARTITIONS)
        )


def _settings(seed: int, number: int) -> Settings:
    return Settings(
        bootstrap=f"memory:{seed}/{number}",
        group=GROUP,
        slot=str(number),
        partitions=PARTITIONS,
        commit_ms=5,
        batch=50,
        dedupe_window=1_000,
    )


class _WorkerBackend:
    """The backend that one worker uses."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def consumer(self, config: ClientConfig) -> Any:
        return MemoryConsumer(self._world.kafka, self._world, config)

    def producer(self, config: ClientConfig) -> Any:
        return MemoryProducer(self._world.kafka, self._world, config)

    def admin(self, config: ClientConfig) -> Any:
        return MemoryAdmin(self._world.kafka, self._world)

    def now_ms(self) -> int:
        return self._world.now_ms()

    def monotonic(self) -> float:
        return self._world.strands.steps / 1_000

    def rest(self, _seconds: float) -> None:
        """Here markers are written with the end of a transaction."""

    def thread(self) -> Executor:
        return _StrandExecutor(self._world, self._name)

    def helper(self) -> Executor:
        return AtOnce()

    def wait(self, future: Future[None], seconds: float) -> bool:
        deadline = self.monotonic() + seconds
        while not future.done():
            self._world.step("wait for a commit")
            if self.monotonic() > deadline:
                return False
        return True


class _StrandExecutor(Executor):
    """Each call is a strand of its worker."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn())
            except Exception as error:  # noqa: BLE001 - the future carries it, as an executor's does
                future.set_exception(error)

        self._world.strands.spawn(self._name, work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        return
