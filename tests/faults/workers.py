"""Faults 2, 3, 5 and 6: workers that freeze and come back, that share a slot, that come and go."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.load import Recovery, ended_well, under_load
from tests.support.faults.victim import Plan
from tests.support.kafka.running import EAGER, STEADY, Child, Feeder, changed

ALL = "[0, 1, 2, 3]"
# A dead worker is missed after a second and a half, its open transaction ended after three.
BROKER = EAGER | STEADY | {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}
FAST = {"session_timeout_ms": 1_500, "transaction_timeout_ms": 3_000}


class Fleet:
    """Workers under one load; all that still run are killed at the end."""

    def __init__(self, setting: Setting, settings: Settings, load: Feeder) -> None:
        self._directory, self._settings, self.load = setting.directory, settings, load
        self._ends = ExitStack()
        self._workers: list[Child] = []
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever came about: a worker that is frozen would outlast this process."""
        self._ends.close()

    def start(self, slot: str, plan: Plan | None = None) -> Child:
        self._started += 1
        log = self._directory / f"{self._started}-{slot}.log"
        program = plan.program() if plan else ()
        worker = self._ends.enter_context(Child(changed(self._settings, slot=slot), log, *program))
        self._workers.append(worker)
        return worker

    def until(self, condition: Callable[[], bool]) -> None:
        self.load.until(condition, lambda: "\n".join(worker.state for worker in self._workers))

    def more(self, records: int) -> None:
        """Waits until so many records more are sent."""
        begun = self.load.sent
        self.until(lambda: self.load.sent > begun + records)

    def recovered(
        self, end: Callable[[], object], also: Callable[[], bool] = lambda: True
    ) -> float:
        """Ends a fault; the seconds until each partition had a commit. Waits for something else
        too.
        """
        with Recovery(self._settings, every=True) as recovery:
            recovery.ended()
            end()
            self.until(lambda: all((recovery.seen(), also())))
        return recovery.seconds or 0.0

    def ended(self, setting: Setting, runs: int, seconds: list[float]) -> Outcome:
        self.close()
        return Outcome(runs, ended_well(self._settings, self.load, setting.directory), max(seconds))

    def close(self) -> None:
        """Lets the workers leave, so that nobody waits for their sessions."""
        for worker in self._workers:
            if not worker.ended:
                worker.send(signal.SIGTERM)
                worker.wait()
        self._ends.close()


def frozen_at_any_time(setting: Setting) -> Outcome:
    def freeze(fleet: Fleet, worker: Child) -> None:
        fleet.more(1_000)
        worker.send(signal.SIGSTOP)

    return _zombies(setting, None, freeze, may_return=True)


def frozen_before_its_end_txn(setting: Setting) -> Outcome:
    """It wakes up and sends the EndTxn of a transaction that Kafka has aborted meanwhile.

    It freezes at its first commit after it is told to: by a count of its own its successor, which
    begins to count when it joins, might come first, and would freeze before anybody had replaced
    it.
    """

    def freeze(fleet: Fleet, worker: Child) -> None:
        fleet.more(300)
        worker.send(signal.SIGUSR1)

    return _zombies(setting, Plan("offsets", armed=True, signal="SIGSTOP"), freeze)


def _zombies(
    setting: Setting,
    plan: Plan | None,
    freeze: Callable[[Fleet, Child], None],
    may_return: bool = False,
) -> Outcome:
    """Each worker in turn freezes, is replaced, and wakes up; it must then end, having done no
    harm.

    Each of these is waited for before the next begins. A worker that is replaced while it still
    works would share the partitions with its successor, and what it does then depends on who of the
    two is quicker.

    may_return: one that had committed all that it folded may also be let in again, and must then
    restore.
    """
    runs = 12 if setting.full else 1
    with (
        under_load(600 if setting.full else 120, 12, BROKER, **FAST) as (_, settings, load),
        Fleet(setting, settings, load) as fleet,
    ):
        worker = fleet.start("0", plan)
        fleet.until(lambda: bool(worker.restored))
        seconds = []
        for run in range(1, runs + 1):
            freeze(fleet, worker)
            fleet.until(lambda frozen=worker: frozen.stopped)  # type: ignore[misc]
            other = fleet.start(str(run), plan if run < runs else None)
            seconds.append(_woken(fleet, worker, other, may_return))
            worker = other
        return fleet.ended(setting, runs, seconds)


def _woken(fleet: Fleet, frozen: Child, other: Child, may_return: bool) -> float:
    fleet.until(lambda: other.restored[-1:] == [ALL])
    before = len(frozen.restored)

    def returned() -> bool:
        return may_return and len(frozen.restored) > before

    seconds = fleet.recovered(
        lambda: frozen.send(signal.SIGCONT), lambda: frozen.ended or returned()
    )
    if not frozen.ended:
        frozen.send(signal.SIGTERM)
        fleet.until(lambda: frozen.ended)
    assert frozen.wait() in ((0, 1) if returned() else (1,)), frozen.log.read_text()
    return seconds


def one_slot(setting: Setting) -> Outcome:
    """A second worker with the slot of the first; every other time two at once, which may fence
    each other.

    If none is left another is started, as whatever runs them in production would.
    """
    runs = 20 if setting.full else 2
    with (
        under_load(600 if setting.full else 120, 12, STEADY) as (_, settings, load),
        Fleet(setting, settings, load) as fleet,
    ):
        alive = [fleet.start("same")]

        def alone() -> bool:
            alive[:] = [worker for worker in alive if not worker.ended] or [fleet.start("same")]
            return len(alive) == 1 and bool(alive[0].restored)

        seconds = []
        for run in range(runs):
            fleet.until(alone)
            seconds.append(_replaced(fleet, alive, alone, newcomers=1 + run % 2))
        fleet.until(alone)
        return fleet.ended(setting, runs, seconds)


def _replaced(fleet: Fleet, alive: list[Child], alone: Callable[[], bool], newcomers: int) -> float:
    """The seconds from the end of the older on."""
    older = alive[0]
    alive.extend(fleet.start("same") for _ in range(newcomers))
    fleet.until(lambda: older.ended)
    return fleet.recovered(lambda: None, alone)


def one_three_one(setting: Setting) -> Outcome:
    """Two more join; one of them leaves and the other is killed."""
    runs = 6 if setting.full else 1
    with (
        under_load(600 if setting.full else 120, 12, BROKER, **FAST) as (_, settings, load),
        Fleet(setting, settings, load) as fleet,
    ):
        first = fleet.start("first")
        fleet.until(lambda: first.restored[-1:] == [ALL])
        return fleet.ended(setting, runs, [_three_one(fleet, first) for _ in range(runs)])


def _three_one(fleet: Fleet, first: Child) -> float:
    leaves, dies = fleet.start("leaves"), fleet.start("dies")

    def shared() -> bool:
        held = [worker.restored[-1] if worker.restored else "" for worker in (first, leaves, dies)]
        return sorted("".join(held)) == sorted("[0, 1][2][3]")

    fleet.until(shared)
    fleet.more(500)
    leaves.send(signal.SIGTERM)
    assert leaves.wait() == 0, leaves.log.read_text()
    dies.send(signal.SIGKILL)
    dies.wait()
    return fleet.recovered(lambda: None, lambda: first.restored[-1] == ALL)


CASES = (
    Case(
        "a worker frozen past its session wakes up as a zombie",
        frozen_at_any_time,
        5.0,
        quick=False,
    ),
    Case("a zombie between its offsets and its EndTxn", frozen_before_its_end_txn, 5.0),
    Case("two workers with one slot", one_slot, 10.0, quick=False),
    Case("workers 1 -> 3 -> 1 under load", one_three_one, 12.0, quick=False),
)
