"""Carries one command out at a target: reads what stands, makes the next move, waits, looks
again.
"""

from dataclasses import dataclass
from typing import Protocol

from schemas.records import Command, FailureCause, Order, Status
from streams.executor.placement import (
    PlacementPhase,
    StaleToken,
    Target,
    TargetState,
    Unreachable,
    Unusable,
)
from streams.executor.retry import Clock
from streams.executor.rollout.promotion import (
    Traffic,
    traffic_at,
    waiting_traffic,
    waits_for_verdict,
)
from streams.executor.rollout.state_machine import (
    RolloutEvent,
    RolloutPlan,
    begun,
    describe,
    ended,
    look,
    moved,
    under_way,
)
from streams.files.rendering import moment

LOOK_SECONDS = (
    5.0  # between two looks at the health of a candidate; small against every time of baking
)
REST_SECONDS = (
    1.0  # after a move that came sooner than any plan has it, or that somebody else's came before
)
# writes refused in a row because others wrote: each means that somebody got on, so it is a fault
_CONTENDED_MAX = 100
_QUICK_MAX = (
    9  # moves without a rest: the longest ramp has six steps, one begins it and one ends it
)
_MOVES_MAX = 64  # of one command: more means that the target does not keep what is written
_LOST_MAX = 3  # writes that were taken and did not stand
_AHEAD_MS = 5 * 60_000  # clocks of executors differ by less


class Say(Protocol):
    """Tells what is under way; step: what tells it from all else that is told of the command."""

    async def __call__(self, detail: str, step: str, traffic: Traffic | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a command. step: tells this end from others of the same attempt."""

    status: Status
    detail: str
    step: str = "end"
    cause: FailureCause = FailureCause.UNKNOWN
    made_version: str | None = None  # of a training


class Carrier:
    """One command on its way. `run` makes its effect once, whoever began it, and tells each
    step.
    """

    def __init__(
        self,
        order: Order,
        command: Command,
        target: Target,
        plan: RolloutPlan,
        clock: Clock,
        say: Say,
    ) -> None:
        self._order, self._command, self._name = order, command, command.target
        self._target, self._plan, self._clock, self._say = target, plan, clock, say
        self._sent = False  # a write, which may have come through even if no answer did
        self._began = False  # a write of ours stood
        self._whole = False  # and nothing was begun since that may be half done
        self._refused = self._moves = self._lost = 0
        self._last: tuple[TargetState, TargetState] | None = (
            None  # what stood, and what was written in its place
        )

    async def run(self) -> Ending:
        while True:
            try:
                if (ending := await self._turn()) is not None:
                    return ending
            except StaleToken as error:
                if not self._began:
                    return Ending(Status.REFUSED, str(error), "stale")
            except Unusable as error:
                if not self._began and not (self._sent and isinstance(error, Unreachable)):
                    return Ending(Status.FAILED, str(error), "unusable", FailureCause.DEPLOYER)
                # A candidate may have its share, so to give up would leave it unwatched.
                await self._say(str(error), "out of reach")
                await self._clock.rest(LOOK_SECONDS)

    async def _turn(self) -> Ending | None:
        """One move. None: go on."""
        standing = await self._target.read(self._name)
        if (end := ended(standing, self._command)) is not None:
            if standing.command_id == self._command.command_id and not self._whole:
                # A target of several requests may hold the end while what leads to it was refused,
                # or died on the way.
                await self._write(standing, standing)
                return None
            return Ending(end.status, end.detail, cause=end.cause)
        if self._moves and not await self._keeps(standing):
            what = f"{self._name} takes what is written, and something else stands there afterwards"
            return Ending(Status.FAILED, what, "not kept", FailureCause.DEPLOYER)
        if under_way(standing, self._command):
            if standing.since > self._clock.now_ms() + _AHEAD_MS:
                raise Unusable(
                    f"{self._name} tells of a step from {moment(standing.since)}, which is yet to "
                    "come"
                )
            wanted = await self._next(standing)
        elif self._began and self._last is not None and standing != self._last[0]:
            return Ending(
                Status.FAILED, _superseded(standing), "superseded", FailureCause.SUPERSEDED
            )
        elif (
            self._clock.now_ms() >= self._command.expires_at
        ):  # and not begun by anybody: then it would go on
            return expired(self._command)
        else:
            wanted = begun(standing, self._order, self._command, self._plan, self._clock.now_ms())
        if wanted is not None:
            await self._write(standing, wanted)
        return None

    async def _next(self, standing: TargetState) -> TargetState | None:
        """The next move of a rollout, once there is one; None: something else stands by then."""
        if not self._whole and not await self._write(standing, standing):
            # Whoever made it so may have died or failed between two requests of one write, so it
            # was to be made whole first.
            return None
        share, plan = self._target.share(standing), self._plan
        await self._say(
            describe(standing), f"step {standing.step}", traffic_at(standing, share, plan)
        )
        proved, waiting = not waits_for_verdict(standing, self._command, plan), False
        while True:
            event = look(
                standing, await self._target.healthy(self._name), plan, self._clock.now_ms()
            )
            if event is not None and (proved or event == RolloutEvent.SICK):
                return moved(standing, event, self._clock.now_ms())
            if event is not None and not waiting:
                waiting, tried = True, self._command.experiment_id
                what = f"{describe(standing)}, until a verdict on {tried}"
                await self._say(
                    what, f"step {standing.step} waits", waiting_traffic(standing, share, plan)
                )
            await self._clock.rest(LOOK_SECONDS)
            if await self._target.read(self._name) != standing:
                return None

    async def _keeps(self, standing: TargetState) -> bool:
        """Returns whether the target can be worked with, by what stands after a write; rests where
        it does not look like it.
        """
        lost = self._last is not None and standing == self._last[0] != self._last[1]
        self._lost += lost
        if lost or self._moves > _QUICK_MAX:
            await self._clock.rest(LOOK_SECONDS)
        return self._lost <= _LOST_MAX and self._moves <= _MOVES_MAX

    async def _write(self, standing: TargetState, wanted: TargetState) -> bool:
        self._sent, self._whole = True, False
        if await self._target.write(self._name, standing, wanted):
            self._began, self._whole, self._refused, self._last = True, True, 0, (standing, wanted)
            self._moves += 1
            return True
        self._refused += 1
        if self._refused > 1:
            await self._clock.rest(REST_SECONDS)
        if self._refused > _CONTENDED_MAX:
            raise Unusable(f"{self._name} was changed by others {self._refused} times in a row")
        return False


def expired(command: Command) -> Ending:
    return Ending(Status.REFUSED, f"expired at {moment(command.expires_at)}", "expired")


def _superseded(standing: TargetState) -> str:
    by = "a rollback" if standing.phase == PlacementPhase.ROLLED_BACK else "another"
    return f"superseded by {by}, command {standing.command_id}: share={standing.share}%"
