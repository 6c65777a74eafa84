"""Commands for programs of asyncio: the handler is a coroutine, and Kafka's waits are threads'."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mendstream.client.connection import connection_of
from mendstream.client.deployer import CHECK_SECONDS, ORDERS
from mendstream.client.exceptions import ClientError
from mendstream.client.following import LOOK_SECONDS, CommandIntake, OnRefused
from mendstream.client.handling import AsyncHandler, CommandEnd, ending_of
from schemas.records import Command


class AsyncCommands:
    """Follows the command topics, and obeys each command once, as `Commands` does."""

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        state: str | Path,
        reporter: str,
        keys: str | Path | None = None,
        obeys: str | None = None,
        scheme_1_until_ms: int | None = None,
        orders: Sequence[str] = ORDERS,
        group: str | None = None,
        on_refused: OnRefused | None = None,
        topic_prefix: str | None = None,
        registry_url: str | None = None,
        registry_auth: str | None = None,
        kafka: Mapping[str, Any] | None = None,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """Takes what `Commands` takes, and connects with `async with` or `await open()`.

        on_refused: is called in a thread that waits for Kafka.
        """
        self._connection = connection_of(
            bootstrap, topic_prefix, registry_url, registry_auth, kafka
        )
        self._following = (state, reporter, orders, group, on_refused, check_seconds)
        self._opening = (keys, obeys, scheme_1_until_ms, check_seconds)
        self._opened: CommandIntake | None = None

    async def open(self) -> Self:
        """Connects. Raises ClientError as `Commands` does."""
        if self._opened is None:
            self._opened = await asyncio.to_thread(self._connect)
        return self

    async def follow(self, handler: AsyncHandler) -> None:
        """Has a handler carry out each command that is to be, one after the other, until `stop`.

        It is as in `Commands.follow`, but a coroutine of this loop. Where `follow` is cancelled so
        is the handler, and its command comes again.
        """
        follower = self._follower()
        while not follower.stopping:
            command = await asyncio.to_thread(follower.next)
            if command is not None:
                ending = await self._carried_out(follower, handler, command)
                await asyncio.to_thread(follower.end, ending)

    async def report(
        self,
        detail: str = "",
        *,
        traffic_share: float | None = None,
        share_from: int | None = None,
        share_until: int | None = None,
    ) -> None:
        """Says that the command goes on, as `Commands.report`."""
        report = self._follower().report
        await asyncio.to_thread(report, detail, traffic_share, share_from, share_until)

    def stop(self) -> None:
        """Lets `follow` return once the command that is under way has ended."""
        self._follower().stop()

    async def close(self) -> None:
        """Leaves the consumer group. What was not answered comes again."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _connect(self) -> CommandIntake:
        follower = CommandIntake(self._connection, *self._following)
        follower.open(*self._opening)
        return follower

    def _follower(self) -> CommandIntake:
        if self._opened is None:
            raise ClientError("It is not open: use it in `async with`, or await open() first.")
        return self._opened

    async def _carried_out(
        self, follower: CommandIntake, handler: AsyncHandler, command: Command
    ) -> CommandEnd:
        running = asyncio.ensure_future(handler(command))
        try:
            while not (await asyncio.wait((running,), timeout=LOOK_SECONDS))[0]:
                await asyncio.to_thread(follower.keep)
        except BaseException:
            running.cancel()
            raise
        return ending_of(running.result, command)
