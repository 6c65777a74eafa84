"""Takes commands in: they are looked at, refused or acknowledged, carried out, and answered for.

Nothing that a command or a target does is raised: whoever hands commands over, as Faust does, may
lose one otherwise.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from schemas.catalog import COMMANDS, TOPICS
from schemas.codec.framing import Codec
from schemas.records import Command, FailureCause, Order, Status
from schemas.refusals import DecodeError
from streams.executor.reporter import Publish, StatusReporter
from streams.executor.retry import Clock
from streams.executor.rollout.controller import Carrier, Ending
from streams.executor.targets_config import Sites
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import CARRIED, UNDER_WAY

log = logging.getLogger("mendstream.executor")

ORDERS = {topic: Order(order) for order, topic in COMMANDS.items()}
Headers = Sequence[tuple[str, bytes]]


class CommandRefusal(Protocol):
    """A gate's reason not to let a command pass."""

    @property
    def reason(self) -> str: ...


Alarm = Callable[[str, Command, str, str], None]  # topic, command, reason, sentence
Gate = Callable[
    [str, bytes | None, bytes, Headers, Command], CommandRefusal | None
]  # topic, key, value, headers, command


def open_gate(
    _topic: str, _key: bytes | None, _value: bytes, _headers: Headers, _command: Command
) -> CommandRefusal | None:
    """Lets every command pass: whoever can write to the topic may command."""
    return None


def silent(_topic: str, _command: Command, _reason: str, _sentence: str) -> None:
    """Tells nobody of what a gate did not let pass; the log and the count have it."""


async def answered(
    command: Command, report: StatusReporter, carry_out: Callable[[], Awaitable[Ending]]
) -> Ending:
    """Carries a command out, reports its end, and returns that end.

    It needs neither Kafka nor asyncio's own sleep.
    """
    ending = await _ending(command, report, carry_out)
    await report.tell(
        ending.status,
        ending.detail,
        ending.step,
        cause=ending.cause,
        made_version=ending.made_version,
    )
    return ending


async def _ending(
    command: Command, report: StatusReporter, carry_out: Callable[[], Awaitable[Ending]]
) -> Ending:
    try:
        if command.dry_run:
            return Ending(Status.COMPLETED, "a dry run: nothing was changed", "dry run")
        await report.tell(Status.ACKNOWLEDGED, "", "taken")
        async with report.beating():
            return await carry_out()
    except MendstreamError:
        raise  # Kafka does not take reports, so nobody can be told
    except Exception as error:  # a fault of ours must not be the end of the others
        log.exception("%s broke", command.command_id)
        what = f"the executor broke: {type(error).__name__}: {error}"
        return Ending(Status.FAILED, what, "broken", FailureCause.DEPLOYER)


class Dispatcher:
    """Carries commands out, several at once, each (command_id, attempt) once at a time."""

    def __init__(
        self,
        codec: Codec,
        sites: Sites,
        publish: Publish,
        clock: Clock,
        reporter: str,
        gate: Gate = open_gate,
        alarm: Alarm = silent,
    ) -> None:
        self._codec, self._sites, self._publish, self._clock = codec, sites, publish, clock
        self._reporter, self._gate, self._alarm = reporter, gate, alarm
        self._working: dict[
            tuple[str, int], asyncio.Future[None]
        ] = {}  # bounded by who hands commands over

    async def take(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Returns when the command is at its end and that is told. Raises MendstreamError where it
        cannot be told.
        """
        record = TOPICS[topic].record
        assert record is not None, f"{topic} holds commands"
        try:
            command = self._codec.decode(record, value)
        except DecodeError as error:
            log.error("a record on %s is no command: %s", topic, error.sentence)
            CARRIED.labels(ORDERS[topic], "UNREADABLE").inc()
            return
        assert isinstance(command, Command), f"{record} is a command"
        assert value is not None, "a tombstone is not decoded"
        identity = (command.command_id, command.attempt)
        if (working := self._working.get(identity)) is not None:
            # After a rebalance what is not done comes again, while we go on with it.
            await asyncio.shield(working)
            return
        work = asyncio.ensure_future(self._answer(topic, key, value, headers, command))
        self._working[identity] = work
        try:
            with UNDER_WAY.track_inprogress():
                await work
        finally:
            del self._working[identity]

    async def _answer(
        self, topic: str, key: bytes | None, value: bytes, headers: Headers, command: Command
    ) -> None:
        order = ORDERS[topic]
        if not self._serves(order, command.target):
            log.info(
                "%s %s is for %s, which is not ours",
                order.lower(),
                command.command_id,
                command.target,
            )
            CARRIED.labels(order, "NOT_OURS").inc()
            return
        if (refusal := self._gate(topic, key, value, headers, command)) is not None:
            # Whoever forges a command may give it the id of a real one, which must not be ended by
            # the answer.
            log.error(
                "%s %s is not obeyed, and nobody is answered: %s",
                order.lower(),
                command.command_id,
                refusal,
            )
            CARRIED.labels(order, refusal.reason).inc()
            self._alarm(topic, command, refusal.reason, str(refusal))
            return
        report = StatusReporter(command, self._reporter, self._publish, self._clock)
        ending = await answered(command, report, lambda: self._carry_out(order, command, report))
        CARRIED.labels(order, ending.status).inc()
        log.info(
            "%s %s of %s: %s: %s",
            order.lower(),
            command.command_id,
            command.target,
            ending.status,
            ending.detail,
        )

    def _serves(self, order: Order, target: str) -> bool:
        if order in (Order.RETRAIN, Order.IMPROVE):
            return self._sites.trainer(target) is not None
        return self._sites.target(target) is not None

    async def _carry_out(self, order: Order, command: Command, report: StatusReporter) -> Ending:
        if order in (Order.RETRAIN, Order.IMPROVE):
            trainer = self._sites.trainer(command.target)
            assert trainer is not None, f"{command.target} has a trainer"
            return await trainer.train(command, report.under_way)
        site = self._sites.target(command.target)
        assert site is not None, f"{command.target} is served"
        target, plan = site
        return await Carrier(order, command, target, plan, self._clock, report.under_way).run()
