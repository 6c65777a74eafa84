"""What executors act on in the search: a clock that the search turns, tasks that wait on it, and
targets that misbehave.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from itertools import count
from typing import Any

from streams.executor.placement import TargetState, Unreachable, Unusable, fence
from tests.lives.chance import Chance


class _Nap:
    """Awaited: nothing until a moment, ms."""

    def __init__(self, until: int) -> None:
        self.until = until

    def __await__(self) -> Generator[_Nap]:
        yield self


class Clock:
    """Of the broker and of all executors; only the search turns it."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    async def rest(self, seconds: float) -> None:
        await _Nap(self.now + int(seconds * 1_000))


class Tasks:
    """Coroutines that rest on the clock, without an event loop: who is due goes on, and time goes
    on when nobody is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._number = clock, count()
        self._waiting: list[tuple[int, int, Coroutine[Any, Any, None]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def next_at(self) -> int | None:
        """When somebody goes on; None where nobody waits."""
        return self._waiting[0][0] if self._waiting else None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        heapq.heappush(self._waiting, (self._clock.now, next(self._number), work))

    def until(self, moment: int) -> None:
        """Lets everybody go on whose time comes before a moment; the clock stands there in the
        end.
        """
        while self._waiting and self._waiting[0][0] <= moment:
            at, _, work = heapq.heappop(self._waiting)
            self._clock.now = max(self._clock.now, at)
            try:
                nap = work.send(None)
            except StopIteration:
                continue
            heapq.heappush(self._waiting, (nap.until, next(self._number), work))
        self._clock.now = max(self._clock.now, moment)

    def drop(self) -> None:
        """Everybody dies where he is."""
        for _, _, work in self._waiting:
            work.close()
        self._waiting.clear()


class Scene:
    """Targets by name, each with one baseline at first, that compare and set what stands. slow_ms:
    of one request at most; lost: the share of answers that do not come back; lies: whether what is
    read may be something else.
    """

    def __init__(self, names: tuple[str, ...], baseline: str, clock: Clock, rng: Chance) -> None:
        self.placed = {name: TargetState(baseline=baseline) for name in names}
        self.effects: list[
            tuple[int, str, TargetState, TargetState]
        ] = []  # mark, target, what stood, what stands
        self.mark: Callable[[], int] = lambda: (
            0
        )  # what tells an effect's place among other things that happen
        self.sick: set[str] = set()  # versions that do not do their work
        self.away: set[str] = set()
        self.slow_ms, self.lost, self.lies = 0, 0.0, False
        self._clock, self._rng = clock, rng

    def calm(self) -> None:
        """Everything answers at once and truly."""
        self.away.clear()
        self.slow_ms, self.lost, self.lies = 0, 0.0, False

    async def read(self, name: str) -> TargetState:
        await self._asked(name)
        stands = self.placed[name]
        if self.lies and self._rng.random() < 0.3:
            return replace(
                stands,
                share=self._rng.choice((0, 50, 100)),
                step=self._rng.choice((0, 3)),
                since=self._rng.choice((0, stands.since)),
            )
        return stands

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        await self._asked(name)
        stands = self.placed[name]
        fence(name, stands, wanted)
        if stands not in (expected, wanted):
            return False
        if not (self.lies and self._rng.random() < 0.3):
            if replace(stands, finished=()) != replace(wanted, finished=()):
                self.effects.append((self.mark(), name, stands, wanted))
            self.placed[name] = wanted
        if self._rng.random() < self.lost:
            raise Unreachable(f"{name} did not answer")
        return True

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        await self._asked(name)
        return self.placed[name].candidate not in self.sick

    async def _asked(self, name: str) -> None:
        if self.slow_ms:
            await self._clock.rest(self._rng.below(self.slow_ms + 1) / 1_000)
        if name in self.away:
            kind: Callable[[str], Unusable] = self._rng.choice((Unreachable, Unusable))
            raise kind(f"{name} is away")
