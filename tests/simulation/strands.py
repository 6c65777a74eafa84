"""Threads of which one runs at a time: whoever runs decides at each of its steps, by the seed, who
runs next.
"""

import threading
from collections.abc import Callable

import numpy as np

_STUCK_SECONDS = 60.0  # real ones; a strand that computes for so long is a hang


class Killed(BaseException):
    """What a killed process sees: nothing any more. No Exception, so that nothing of the engine
    catches it.
    """


class Strand:
    """A thread of a worker."""

    def __init__(self, owner: str, work: Callable[[], None]) -> None:
        self.owner = owner
        self.killed = False
        self.frozen = False
        self.at = "begin"
        self._work = work
        self.turn = threading.Semaphore(0)


class Strands:
    """All threads of a world. `step` is called by the one that runs."""

    def __init__(self, rng: np.random.Generator, steps: int) -> None:
        """steps: of all strands together, after which the world is stopped."""
        self._rng = rng
        self._all: list[Strand] = []
        self.running: Strand | None = None
        self._over = threading.Event()
        self._left = steps
        self.steps = 0
        self.errors: list[BaseException] = []
        self.between: Callable[[], None] = lambda: None  # what else happens at a step

    def spawn(self, owner: str, work: Callable[[], None]) -> None:
        strand = Strand(owner, work)
        self._all.append(strand)
        threading.Thread(target=self._live, args=(strand,), daemon=True).start()

    def run(self) -> None:
        """Runs all strands until each has ended. Raises what ended one, and AssertionError if they
        never end.
        """
        self._pass_on()
        assert self._over.wait(_STUCK_SECONDS), (
            f"a strand hangs at {self.running and self.running.at}"
        )
        if self.errors:
            raise self.errors[0]

    def step(self, name: str) -> None:
        strand = self.running
        assert strand is not None
        strand.at = name
        self.steps += 1
        if self.steps > self._left:
            self.errors.append(
                AssertionError(
                    f"no end after {self._left} steps; {[(s.owner, s.at) for s in self._all]}"
                )
            )
            self._kill_all()
        self.between()
        following = self._next(strand)
        if following is not strand:
            self.running = following
            following.turn.release()
            strand.turn.acquire()
        if strand.killed:
            raise Killed

    def of(self, owner: str) -> list[Strand]:
        return [strand for strand in self._all if strand.owner == owner]

    def kill(self, owner: str) -> None:
        """The worker's threads end where they stand."""
        for strand in self.of(owner):
            strand.killed, strand.frozen = True, False

    def freeze(self, owner: str, frozen: bool) -> None:
        for strand in self.of(owner):
            strand.frozen = frozen

    def _kill_all(self) -> None:
        for strand in self._all:
            strand.killed, strand.frozen = True, False

    def _next(self, strand: Strand) -> Strand:
        """Mostly the same goes on: a change of threads costs more than a step."""
        if not strand.frozen and not strand.killed and self._rng.random() < 0.7:
            return strand
        ready = [each for each in self._all if not each.frozen] or self._all
        return ready[int(self._rng.integers(len(ready)))]

    def _live(self, strand: Strand) -> None:
        strand.turn.acquire()
        try:
            if not strand.killed:
                strand._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever runs the world
            self.errors.append(error)
            self._kill_all()
        self._all.remove(strand)
        self._pass_on()

    def _pass_on(self) -> None:
        if not self._all:
            self._over.set()
            return
        ready = [each for each in self._all if not each.frozen] or self._all
        self.running = ready[int(self._rng.integers(len(ready)))]
        self.running.turn.release()
