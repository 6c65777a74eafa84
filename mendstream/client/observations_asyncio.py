"""Results and Metrics for programs of asyncio: no call keeps the loop waiting for Kafka."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from mendstream.client.exceptions import ClientError, Undelivered
from mendstream.client.observations import (
    CHECK_SECONDS,
    Metrics,
    Observation,
    Observer,
    Results,
)
from mendstream.client.observed_records import Moment, metric_of, result_of
from mendstream.client.send_queue import FLUSH_SECONDS, OnError

S = TypeVar("S", bound=Observer)


class AsyncObserver(Generic[S]):
    """What AsyncResults and AsyncMetrics have in common: a plain sender, whose waits are those of
    threads.
    """

    _plain: type[S]

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        on_error: OnError | None = None,
        topic_prefix: str | None = None,
        registry_url: str | None = None,
        registry_auth: str | None = None,
        kafka: Mapping[str, Any] | None = None,
        check_seconds: float = CHECK_SECONDS,
        queue_seconds: float = 30.0,
        delivery_seconds: float = 120.0,
    ) -> None:
        """Takes what `Results` takes, and connects with `async with` or `await open()`.

        on_error: is called in the loop's thread or in one that waits for Kafka, so it must neither
        block nor touch what belongs to the loop.
        """
        self._given: dict[str, Any] = {
            "bootstrap": bootstrap,
            "on_error": on_error,
            "topic_prefix": topic_prefix,
            "registry_url": registry_url,
            "registry_auth": registry_auth,
            "kafka": kafka,
            "check_seconds": check_seconds,
            "queue_seconds": queue_seconds,
            "delivery_seconds": delivery_seconds,
        }
        self._opened: S | None = None

    async def open(self) -> Self:
        """Connects. Raises ClientError as `Results` does."""
        if self._opened is None:
            self._opened = await asyncio.to_thread(lambda: self._plain(**self._given))
        return self

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Waits until Kafka has acknowledged every record; raises as `Results.flush`."""
        await asyncio.to_thread(self._sender().flush, seconds)

    async def again(self, undelivered: Undelivered) -> str:
        """Sends a record again that was not delivered, with the id that it had."""
        return await asyncio.to_thread(self._sender().again, undelivered)

    async def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Waits, gives up what is left and tells of it, as `Results.close`."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close, seconds)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _sender(self) -> S:
        if self._opened is None:
            raise ClientError("It is not open: use it in `async with`, or await open() first.")
        return self._opened

    async def _send(self, record: Observation) -> str:
        """Queues a record; where the queue is full a thread waits for room."""
        sender = self._sender()
        if not sender.offer(record):
            await asyncio.to_thread(sender.send, record)
        return record.event_id


class AsyncResults(AsyncObserver[Results]):
    """Sends results of experiments, as `Results` does."""

    _plain = Results

    async def observe(
        self,
        subject: str,
        experiment_id: str,
        variant: str,
        metric: str,
        value: float,
        *,
        unit_id: str | None = None,
        segment: str | None = None,
        occurred_at: Moment | None = None,
        assigned_at: Moment | None = None,
        covariate: float | None = None,
        event_id: str | None = None,
    ) -> str:
        """Queues one observation of one metric of one unit, and returns its event id, as
        `Results.observe`.
        """
        return await self._send(
            result_of(
                subject,
                experiment_id,
                variant,
                metric,
                value,
                unit_id=unit_id,
                segment=segment,
                occurred_at=occurred_at,
                assigned_at=assigned_at,
                covariate=covariate,
                event_id=event_id,
            )
        )


class AsyncMetrics(AsyncObserver[Metrics]):
    """Sends metrics of live models, as `Metrics` does."""

    _plain = Metrics

    async def observe(
        self,
        subject: str,
        model_version: str,
        metric: str,
        value: float,
        *,
        count: int = 1,
        sum_squares: float | None = None,
        segment: str | None = None,
        occurred_at: Moment | None = None,
        event_id: str | None = None,
    ) -> str:
        """Queues one observation of one metric of a live version, and returns its event id, as
        `Metrics.observe`.
        """
        return await self._send(
            metric_of(
                subject,
                model_version,
                metric,
                value,
                count=count,
                sum_squares=sum_squares,
                segment=segment,
                occurred_at=occurred_at,
                event_id=event_id,
            )
        )
