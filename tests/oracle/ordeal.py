"""What is done to the workers while the generator writes, and what the oracle says of it
afterwards.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from streams.kafka.admin.topics import create
from streams.kafka.admin_types import NewTopic
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.oracle.fleet import Fleet, Worker
from tests.oracle.group import Group
from tests.oracle.java import Generator, Verdict, verify
from tests.oracle.topology import DATA, ECHO, GROUP, MINS, OUTPUTS, SUMS
from tests.support.kafka.logs import messages
from tests.support.kafka.running import EAGER

SESSION_MS, TRANSACTION_MS = 3_000, 5_000
SOON_SECONDS = (
    2.0  # within which a kill at any time comes: a start with its restore takes about as long
)
BROKER = EAGER | {
    # A transaction past its time-out is aborted within a second, not within ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A number of workers, and what happens to them, one after the other.

    kills: points of a commit at which one kills itself, "" for any time. zombies: points at which
    one freezes, until the others have its partitions. replaced: points at which one freezes, and
    another is started under its name.
    """

    workers: int
    kills: tuple[str, ...] = ()
    zombies: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


FULL = (
    Stage(1, kills=("begun", "outputs", "rows", "offsets", "committed", ""), replaced=("offsets",)),
    Stage(3, kills=("offsets", "rows", ""), zombies=("offsets", "outputs"), replaced=("rows",)),
    Stage(1, kills=("offsets", "outputs", ""), replaced=("begun",)),
    Stage(3, kills=("offsets", "", ""), zombies=("rows",), replaced=("offsets",)),
    Stage(1, kills=("offsets", "")),
)
CONTROL = FULL[:2]  # the same, but no longer than it takes to be refused
SHORT = (Stage(2, kills=("offsets",), zombies=("offsets",)),)
SHORTEST = (Stage(1, kills=("offsets",)),)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, and what came of it.

    echoes: what a read_committed reader counts, of which `records` are right. crashes: ends of
    workers by themselves, but for zombies. recovery: the longest time from a kill, or a freeze,
    until all that was there then was committed.
    """

    kind: str
    records: int
    echoes: int
    kills: int
    zombies: int
    rescalings: int
    crashes: int
    kill_recovery_seconds: float
    zombie_recovery_seconds: float
    seconds: float
    verdict: Verdict


def undergo(kind: str, stages: tuple[Stage, ...], directory: Path, seed: int, say: Say) -> Outcome:
    """Runs `engine` or `control` through the stages on a Kafka of its own."""
    began = monotonic()
    with EmbeddedKafka(settings=BROKER) as kafka:
        settings = Settings(
            bootstrap=kafka.bootstrap,
            group=GROUP,
            session_timeout_ms=SESSION_MS,
            transaction_timeout_ms=TRANSACTION_MS,
        )
        _topics(settings)
        with Fleet(kind, settings, directory) as fleet:
            ordeal = Ordeal(fleet, Group(settings), seed, say)
            with Generator(kafka.bootstrap, directory):
                for stage in stages:
                    ordeal.undergo(stage)
            ordeal.recovered(monotonic())
            fleet.scale(0)
        say("all of it is committed; the oracle judges")
        verdict = verify(kafka.bootstrap, directory)
        return Outcome(
            kind,
            len(messages(settings, DATA)),
            len(messages(settings, ECHO)),
            fleet.kills,
            ordeal.zombies,
            len(stages) - 1,
            fleet.crashes,
            round(ordeal.kill_seconds, 2),
            round(ordeal.zombie_seconds, 2),
            round(monotonic() - began, 1),
            verdict,
        )


class Ordeal:
    """Does one fault after the other, each once the one before it is over."""

    def __init__(self, fleet: Fleet, group: Group, seed: int, say: Say) -> None:
        self._fleet, self._group, self._say = fleet, group, say
        self._rng = np.random.default_rng(seed)
        self.zombies = 0
        self.kill_seconds = self.zombie_seconds = 0.0

    def undergo(self, stage: Stage) -> None:
        self._say(f"{stage.workers} workers")
        self._fleet.scale(stage.workers)
        self.recovered(monotonic())
        for point in stage.kills:
            self._kill(point) if point else self._kill_twice()
        for point in stage.zombies:
            self._zombie(point, replaced=False)
        for point in stage.replaced:
            self._zombie(point, replaced=True)

    def recovered(self, since: float) -> float:
        """Waits until all that is there is committed and everybody works; returns the seconds from
        `since` on.
        """
        ends = self._group.ends()
        self._fleet.until(lambda: self._group.past(ends), f"{ends} is committed")
        seconds = monotonic() - since
        self._fleet.until(self._fleet.at_work, "all workers are at work")
        return seconds

    def _kill(self, point: str) -> None:
        slot, worker = self._one()
        worker.order(signal.SIGKILL, point)
        self._fleet.until(
            lambda: worker.code is not None, f"worker {slot} comes to the point {point!r}"
        )
        self._killed(f"worker {slot} killed at the point {point!r}", monotonic())

    def _kill_twice(self) -> None:
        """At any time, and again soon after, when it may still be starting or restoring."""
        slot, worker = self._one()
        for _ in range(2):
            self._fleet.for_a_while(self._rng.uniform(0.0, SOON_SECONDS))
            worker = self._fleet.slots[slot]
            worker.send(signal.SIGKILL)
            self._fleet.until(partial(_has_ended, worker), "a process ends that is killed")
        self._killed(f"worker {slot} killed at any time, twice", monotonic())

    def _killed(self, what: str, since: float) -> None:
        seconds = self.recovered(since)
        self.kill_seconds = max(self.kill_seconds, seconds)
        self._say(f"{what}; recovered in {seconds:.1f} s")

    def _zombie(self, point: str, replaced: bool) -> None:
        slot, worker = self._one()
        worker.order(signal.SIGSTOP, point)
        self._fleet.until(lambda: worker.frozen, f"worker {slot} comes to the point {point!r}")
        since, ends = monotonic(), self._group.ends()
        if replaced:
            self._fleet.replace(slot)
        self._fleet.until(lambda: self._group.past(ends), f"others go on to {ends}")
        self.zombie_seconds = max(self.zombie_seconds, monotonic() - since)
        self._fleet.until(
            lambda: monotonic() - since > 2 * SESSION_MS / 1_000, "its session is over"
        )
        worker.doomed = True
        worker.send(signal.SIGCONT)
        self._fleet.until(
            lambda: worker.code is not None, f"worker {slot} learns that it is a zombie"
        )
        self.zombies += 1
        self.recovered(monotonic())
        self._say(
            f"worker {slot} frozen at the point {point!r}{', replaced' if replaced else ''}, "
            "continued, and ended"
        )

    def _one(self) -> tuple[int, Worker]:
        slots = sorted(self._fleet.slots)
        slot = slots[int(self._rng.integers(len(slots)))]
        return slot, self._fleet.slots[slot]


def _topics(settings: Settings) -> None:
    """The test's own and the changelogs, beside those that the engine wants to see."""
    client = admin(settings)
    create(client, settings)
    plain = [NewTopic(topic, settings.partitions, 1) for topic in (DATA, *OUTPUTS)]
    tables = [
        NewTopic(topic, settings.partitions, 1, config={"cleanup.policy": "compact"})
        for topic in (MINS, SUMS)
    ]
    for made in client.create_topics([*plain, *tables], operation_timeout=30.0).values():
        made.result()


def _has_ended(worker: Worker) -> bool:
    return worker.code is not None
