"""One world: a partition that folds what people, automation and deployers say, and executors that
carry its commands out.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from schemas.catalog import STATUS
from schemas.ids import event_uuid
from schemas.records import (
    Approver,
    Command,
    CommandStatus,
    DeployCommand,
    FailureCause,
    Order,
    Policy,
    RollbackCommand,
    Status,
)
from streams.executor.dispatcher import answered
from streams.executor.reporter import StatusReporter
from streams.executor.rollout.controller import Carrier, Ending
from streams.executor.rollout.state_machine import Promotion, RolloutPlan, RolloutStrategy
from tests.lives.chance import Chance
from tests.lives.scene import Clock, Scene, Tasks
from tests.support.builders import NOON
from tests.support.life import Life

SUBJECTS = ("bot", "acme/bot")
TARGETS = ("bot/production", "acme/bot/production")
BASELINE = "v0"  # of both targets at first
PERSONS = ("ann", "bob")
POLICY = Policy(
    event_id="p",
    policy_id="p",
    commands_per_hour=1_000,
    subjects_share=1.0,
    approvers=(Approver("ann"), Approver("bob")),
)
PLAN = RolloutPlan(
    RolloutStrategy.CANARY, bake_seconds=20.0, settle_seconds=5.0, promotion=Promotion.HEALTH
)


class _Quiet(StatusReporter):
    """Without a heartbeat, which would need a task of its own: a rollout here tells of each step
    within minutes.
    """

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        yield


class Executor:
    """Carries out what it is given, each attempt once at a time; what it had not done when it died
    comes again.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.tasks = Tasks(world.clock)
        self.under_way: dict[tuple[str, int], Command] = {}

    def take(self, command: Command) -> None:
        identity = (command.command_id, command.attempt)
        if identity not in self.under_way:
            self.under_way[identity] = command
            self.tasks.begin(self._work(command))

    def die(self) -> list[Command]:
        """Gives what was not done."""
        self.tasks.drop()
        left, self.under_way = [*self.under_way.values()], {}
        return left

    async def _work(self, command: Command) -> None:
        report = _Quiet(command, "executor", self._world.hears, self._world.clock)

        async def carried() -> Ending:
            if not isinstance(command, DeployCommand | RollbackCommand):
                return await self._trained()
            order = Order.DEPLOY if isinstance(command, DeployCommand) else Order.ROLLBACK
            return await Carrier(
                order, command, self._world.scene, PLAN, self._world.clock, report.under_way
            ).run()

        await answered(command, report, carried)
        self.under_way.pop((command.command_id, command.attempt), None)

    async def _trained(self) -> Ending:
        rng = self._world.rng
        await self._world.clock.rest(rng.choice((1, 60, 1_800)))
        if rng.random() < 0.3:
            return Ending(Status.FAILED, "no data", cause=rng.choice(list(FailureCause)[:2]))
        return Ending(Status.COMPLETED, "trained")


class World:
    """Everything there is; each part of it may be late, deaf or dead, and `settle` lets all of it
    come to rest.
    """

    def __init__(self, seed: int) -> None:
        self.rng = Chance(seed)
        self.clock = Clock(NOON)
        self.life = Life(POLICY)
        self.scene = Scene(TARGETS, BASELINE, self.clock, self.rng)
        self.scene.mark = lambda: len(self.life.outputs)
        self.executors = [Executor(self), Executor(self)]
        self.inbox: list[Command] = []  # issued, and taken by no executor yet
        self.said: list[CommandStatus] = []  # by executors, and not yet at the processor
        self.deaf, self.late = (
            False,
            False,
        )  # executors take nothing; statuses come late, twice, and out of order
        self._seen = 0

    async def hears(self, status: CommandStatus) -> None:
        self.said.append(status)

    def advance(self, ms: int) -> None:
        """Time goes on: executors work, statuses arrive, the partition ticks at the end."""
        moment = self.clock.now + ms
        while True:
            self._deliver()
            due = min(
                (at for at in map(self._next, self.executors) if at is not None), default=None
            )
            if due is None or due > moment:
                break
            for executor in self.executors:
                executor.tasks.until(max(due, self.clock.now))
        self.clock.now = max(self.clock.now, moment)
        self.life.now = self.clock.now
        if ms:
            self.life.wait(0)
            self._deliver()

    def tell(self, status: CommandStatus) -> None:
        self._sync()
        self.life.send(STATUS, [status])

    def kill(self) -> None:
        """An executor dies; what it had not done comes again, to whoever takes it."""
        self.inbox += self.rng.choice(self.executors).die()

    def rebalance(self) -> None:
        """What one has under way comes to the other as well, while the first goes on."""
        first, second = self.rng.shuffled(self.executors)
        for command in list(first.under_way.values()):
            second.take(command)

    def calm(self) -> None:
        self.scene.calm()
        self.deaf = self.late = False

    @property
    def at_rest(self) -> bool:
        return not (self.inbox or self.said or any(len(one.tasks) for one in self.executors))

    def act(self, what: Any) -> None:
        """Something that the processor is told, now."""
        self._sync()
        what()
        self._collect()

    def _sync(self) -> None:
        self.life.now = max(self.life.now, self.clock.now)

    def _next(self, executor: Executor) -> int | None:
        return executor.tasks.next_at()

    def _collect(self) -> None:
        news, self._seen = self.life.outputs[self._seen :], len(self.life.outputs)
        self.inbox += [one.record for one in news if isinstance(one.record, Command)]

    def _deliver(self) -> None:
        self._sync()
        while True:
            self._collect()
            if not self.deaf:
                for command in self.inbox:
                    self.rng.choice(self.executors).take(command)
                self.inbox = []
            for executor in self.executors:
                executor.tasks.until(self.clock.now)
            sent = self._arriving()
            if not sent:
                return
            for status in sent:
                self.life.send(STATUS, [status])

    def _arriving(self) -> list[CommandStatus]:
        if not self.late:
            sent, self.said = self.said, []
            return sent
        sent = [one for one in self.said if self.rng.random() < 0.2]
        self.said = [one for one in self.said if one not in sent]
        return self.rng.shuffled(sent)

    def status(self, command: Command, status: Status, **fields: Any) -> CommandStatus:
        """A status of somebody's own making."""
        said = self.life.status(command, status, **fields)
        assert said.event_id != event_uuid("status"), "each is a record of its own"
        return said
