"""What executors are tested with: commands, a clock that is turned, a target in memory, and one
that dies with its executor.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from schemas.records import (
    Command,
    DeployCommand,
    ImproveCommand,
    Order,
    RetrainCommand,
    RollbackCommand,
)
from streams.executor.placement import Target, TargetState, fence
from streams.executor.rollout.controller import Carrier, Ending
from streams.executor.rollout.promotion import Traffic
from streams.executor.rollout.state_machine import RolloutPlan
from tests.support.builders import NOON

TYPES: dict[Order, type[Command]] = {
    Order.DEPLOY: DeployCommand,
    Order.ROLLBACK: RollbackCommand,
    Order.RETRAIN: RetrainCommand,
    Order.IMPROVE: ImproveCommand,
}
SHOP = "shop/production"
_DAYS_MAX = 10
_TURNS = 20  # of the event loop, in which whoever was woken comes to rest again


def command(order: Order, token: int = 1, **fields: Any) -> Command:
    given: dict[str, Any] = {
        "command_id": f"{order.lower()}-{token}",
        "subject": "shop",
        "target": SHOP,
        "variant": "b",
        "model_version": "v2",
        "reason": "because",
        "evidence": (),
        "decision_id": "d",
        "fencing_token": token,
        "issued_at": NOON,
        "expires_at": NOON + 3_600_000,
    }
    return TYPES[order](**given | fields)


class TurnedClock:
    """Goes on to the next moment that somebody waits for once everybody rests; things can be set to
    happen at one.
    """

    def __init__(self, now: int = NOON) -> None:
        self.began = self._now = now
        self._number = count()
        self._waiting: list[tuple[int, int]] = []
        self._happens: dict[tuple[int, int], Callable[[], None]] = {}

    def now_ms(self) -> int:
        return self._now

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """seconds: from here on."""
        self._happens[self._wait(seconds)] = happens

    async def rest(self, seconds: float) -> None:
        mine = self._wait(seconds)
        try:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            while self._waiting[0] != mine:
                if (happens := self._happens.pop(self._waiting[0], None)) is not None:
                    self._now = heapq.heappop(self._waiting)[0]
                    happens()
                await asyncio.sleep(0)
            self._now = max(self._now, mine[0])
            assert self._now < self.began + _DAYS_MAX * 86_400_000, "it goes on for ever"
        finally:
            self._waiting.remove(mine)
            heapq.heapify(self._waiting)

    def _wait(self, seconds: float) -> tuple[int, int]:
        mine = self._now + int(seconds * 1_000), next(self._number)
        heapq.heappush(self._waiting, mine)
        return mine


class MemoryTarget:
    """A target that forgets with its process. sick: whether its candidate is; away: raised instead
    of any answer.
    """

    def __init__(self, **standing: Any) -> None:
        self.placed: dict[str, TargetState] = {SHOP: TargetState(**standing)}
        self.effects: list[TargetState] = []
        self.sick: Callable[[TargetState], bool] = lambda _: False
        self.away: Exception | None = None

    async def read(self, name: str) -> TargetState:
        self._answer()
        return self.placed.get(name, TargetState())

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        self._answer()
        stands = self.placed.get(name, TargetState())
        fence(name, stands, wanted)
        if stands not in (expected, wanted):
            return False
        if replace(stands, finished=()) != replace(wanted, finished=()):
            self.effects.append(wanted)
        self.placed[name] = wanted
        return True

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        self._answer()
        return not self.sick(self.placed[name])

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away


class Killed(BaseException):
    """The executor is no more."""


class Mortal:
    """A target whose executor dies at its nth write, before the write or after it."""

    def __init__(self, target: Target, dies_at: int, after: bool) -> None:
        self._target, self._left, self._after = target, dies_at, after

    async def read(self, name: str) -> TargetState:
        return await self._target.read(name)

    def share(self, placed: TargetState) -> float:
        return self._target.share(placed)

    async def healthy(self, name: str) -> bool:
        return await self._target.healthy(name)

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        done = await self._target.write(name, expected, wanted)
        if self._left == 0:
            raise Killed
        return done


class Carried:
    """What carrying a command out told, and how it ended."""

    def __init__(
        self, order: Order, given: Command, target: Target, plan: RolloutPlan, clock: TurnedClock
    ) -> None:
        self.told: list[tuple[str, str]] = []
        self.traffic: list[Traffic] = []
        self._carrier = Carrier(order, given, target, plan, clock, self._say)

    async def _say(self, detail: str, step: str, traffic: Traffic | None = None) -> None:
        self.told.append((detail, step))
        self.traffic += [traffic] if traffic else []

    async def run(self) -> Ending:
        return await self._carrier.run()

    def ending(self) -> Ending:
        return asyncio.run(self.run())


def carried(
    order: Order,
    given: Command,
    target: Target,
    plan: RolloutPlan,
    clock: TurnedClock | None = None,
) -> Ending:
    return Carried(order, given, target, plan, clock or TurnedClock()).ending()
