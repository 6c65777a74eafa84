"""Tells on commands.status.v1 how far a command is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypedDict, Unpack

from schemas.catalog import STATUS
from schemas.ids import event_uuid
from schemas.records import Command, CommandStatus, FailureCause, Status
from streams.executor.retry import Clock
from streams.executor.rollout.promotion import Traffic
from streams.kafka.publisher import Publisher
from streams.runtime.metrics import REPORTED
from streams.runtime.redaction import redacted

HEARTBEAT_SECONDS = (
    30.0  # half of the minute that is promised, so that a slow moment of Kafka's is no silence
)
DETAIL_MAX = 500  # characters; a sentence, not an answer of somebody's server


class MoreOfStatus(TypedDict, total=False):
    """What a status says where there is anything to say."""

    cause: FailureCause
    made_version: str | None
    progress: float | None


class Publish(Protocol):
    """Returns when Kafka has it. Raises MendstreamError where it cannot be had."""

    async def __call__(self, status: CommandStatus) -> None: ...


class ToKafka:
    """Publishes one status at a time: the publisher blocks, so it works in a thread, and has one
    caller.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher, self._turn = publisher, asyncio.Lock()

    async def __call__(self, status: CommandStatus) -> None:
        async with self._turn:
            await asyncio.to_thread(self._send, status)

    def _send(self, status: CommandStatus) -> None:
        self._publisher.publish(STATUS, status.subject, status)
        self._publisher.flush()


class StatusReporter:
    """Reports the statuses of one command. A status that is reported twice has the same event_id,
    and so is one event.
    """

    def __init__(self, command: Command, reporter: str, publish: Publish, clock: Clock) -> None:
        self._command, self._reporter, self._publish, self._clock = (
            command,
            reporter,
            publish,
            clock,
        )
        self._detail = ""

    async def tell(
        self,
        status: Status,
        detail: str,
        step: str,
        traffic: Traffic | None = None,
        **more: Unpack[MoreOfStatus],
    ) -> None:
        command = self._command
        await self._publish(
            CommandStatus(
                event_id=event_uuid("status", command.command_id, command.attempt, status, step),
                command_id=command.command_id,
                attempt=command.attempt,
                subject=command.subject,
                status=status,
                fencing_token=command.fencing_token,
                detail=redacted(detail)[:DETAIL_MAX],
                reported_at=self._clock.now_ms(),
                reporter=self._reporter,
                traffic_share=traffic.share if traffic else None,
                share_from=traffic.begins if traffic else None,
                share_until=traffic.ends if traffic else None,
                **more,
            )
        )
        REPORTED.labels(status).inc()

    async def under_way(
        self,
        detail: str,
        step: str,
        traffic: Traffic | None = None,
        progress: float | None = None,
    ) -> None:
        self._detail = detail
        await self.tell(Status.IN_PROGRESS, detail, step, traffic, progress=progress)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """A heartbeat each half minute, for as long as the block lasts."""
        heart = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            heart.cancel()
            with suppress(asyncio.CancelledError):
                await heart

    async def _beat(self) -> None:
        while True:
            await self._clock.rest(HEARTBEAT_SECONDS)
            moment = int(self._clock.now_ms() // (HEARTBEAT_SECONDS * 1_000))
            await self.tell(Status.IN_PROGRESS, self._detail, f"beat {moment}")
