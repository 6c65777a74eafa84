"""The workers of one run, and what starts them again when they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.oracle.worker import AT_WORK
from tests.support.kafka.console import ROOT, environment

SECONDS = 90.0  # the deadline of everything that is waited for; most of it takes a few
MOST_CRASHES = 60  # a fleet that ends by itself so often does not get over what is done to it


class Worker:
    """One process in a slot."""

    def __init__(self, kind: str, settings: Settings, log: Path) -> None:
        self.log = log
        self.doomed = False  # whether it is to end by itself
        given = {
            f"MENDSTREAM_{name.upper()}": str(getattr(settings, name))
            for name in settings.model_fields_set
        }
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.oracle.worker", kind],
                cwd=ROOT,
                env=environment(given),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """How it ended; None: it has not."""
        return self._process.poll()

    @property
    def at_work(self) -> bool:
        """Whether it has committed something."""
        return AT_WORK in self.log.read_text()

    @property
    def frozen(self) -> bool:
        if self.code is not None:
            return False
        return (
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
            is not None
        )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def order(self, number: signal.Signals, point: str) -> None:
        """Has it send itself a signal when a commit next comes to a point."""
        assert self._process.stdin is not None, "it is how the child is told"
        self._process.stdin.write(f"{number.name} {point}\n".encode())
        self._process.stdin.flush()

    def leave(self) -> None:
        """Asks it to finish and leave."""
        assert self._process.stdin is not None, "its end is how the child is told"
        self._process.stdin.close()

    def end(self) -> None:
        if self.code is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class Fleet:
    """Slots with a worker each. Leaving it kills them all.

    crashes: ends of workers that nobody killed and that were not zombies.
    """

    def __init__(self, kind: str, settings: Settings, directory: Path) -> None:
        self._kind, self._settings, self._directory = kind, settings, directory
        self.slots: dict[int, Worker] = {}
        self._apart: list[Worker] = []  # zombies that another has replaced, and those that leave
        self._started = 0
        self.kills = 0
        self.crashes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (*self.slots.values(), *self._apart):
            worker.end()

    def scale(self, count: int) -> None:
        """Starts workers, or asks the last to leave, and waits for either."""
        leaving = [self.slots.pop(slot) for slot in list(self.slots) if slot >= count]
        self._apart += leaving
        for worker in leaving:
            worker.leave()
        self.until(
            lambda: all(worker.code is not None for worker in leaving),
            f"{len(leaving)} workers leave",
        )
        for slot in range(count):
            if slot not in self.slots:
                self._start(slot)
        self.until(self.at_work, f"{count} workers are at work")

    def at_work(self) -> bool:
        return all(worker.at_work for worker in self.slots.values())

    def replace(self, slot: int) -> None:
        """Starts another in a slot whose worker is taken for dead, and which goes on by itself."""
        self._apart.append(self.slots[slot])
        self._start(slot)

    def tend(self) -> None:
        """Starts again what has ended. AssertionError if that happens too often."""
        for slot, worker in list(self.slots.items()):
            if (code := worker.code) is None:
                continue
            worker.end()
            self.kills += code == -signal.SIGKILL
            self.crashes += code != -signal.SIGKILL and not worker.doomed
            assert self.crashes <= MOST_CRASHES, (
                f"workers end by themselves: {worker.log.read_text()[-2000:]}"
            )
            self._start(slot)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        """Waits for a condition while the workers are tended."""

        def holds() -> bool:
            self.tend()
            return condition()

        assert wait_until(holds, seconds), f"it never came about within {seconds:g} s that {what}"

    def for_a_while(self, seconds: float) -> None:
        """Lets things happen."""

        def never() -> bool:
            self.tend()
            return False

        wait_until(never, seconds)

    def _start(self, slot: int) -> None:
        self._started += 1
        settings = Settings(**self._settings.model_dump(exclude_unset=True) | {"slot": str(slot)})
        self.slots[slot] = Worker(
            self._kind, settings, self._directory / f"{slot}-{self._started}.log"
        )
