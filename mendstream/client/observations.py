"""Sends results of experiments and metrics of models, each an observation of its own.

A record is checked by the processor's own rules before it is sent, so that what would become a dead
letter is an exception where it was made.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mendstream.client.connection import connection_of
from mendstream.client.exceptions import InvalidRecord, Undelivered
from mendstream.client.observed_records import Moment, metric_of, result_of
from mendstream.client.send_queue import FLUSH_SECONDS, OnError, SendQueue, closed_in_the_end
from mendstream.client.wire import Wire
from schemas.catalog import METRICS, RESULTS
from schemas.records import ExperimentResult, ModelMetric
from schemas.refusals import Reason

CHECK_SECONDS = 10.0
Observation = ExperimentResult | ModelMetric


class Observer:
    """What Results and Metrics have in common: one topic, its record, and a queue."""

    _topic: str
    _record: type[Observation]

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
        """Connects; what is None comes from the environment, by the processor's names.

        bootstrap: host:port of Kafka. on_error: is given each record that was not delivered, in a
        thread that observes, flushes or closes; without it they are raised there. topic_prefix:
        what the installation has in front of its topics. registry_url, registry_auth: of a Schema
        Registry, and user:password for it; without one schema ids are local. kafka: more of
        librdkafka's configuration, security for one. check_seconds: for which Kafka is waited for;
        0: it is not looked for, and a topic that is not there is told when a record is not
        delivered. queue_seconds: how long `observe` waits for room in a full queue.
        delivery_seconds: how long Kafka is tried for a record.

        Raises ClientError where Kafka or the registry does not answer, lacks the topic, or the
        configuration makes no connection.
        """
        connection = connection_of(bootstrap, topic_prefix, registry_url, registry_auth, kafka)
        self._name = connection.topic(self._topic)
        self._wire = Wire(connection, {self._record.__name__: self._topic})
        self._queue = SendQueue(connection, on_error, queue_seconds, delivery_seconds)
        closed_in_the_end(self, self._queue)
        if check_seconds > 0:
            self._queue.require(self._name, check_seconds)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Waits until Kafka has acknowledged every record.

        Raises DeliveryFailed for what Kafka did not take, unless `on_error` was told of it, and
        FlushTimedOut for what is still under way after so many seconds.
        """
        self._queue.flush(seconds)

    def again(self, undelivered: Undelivered) -> str:
        """Sends a record again that was not delivered, with the id that it had."""
        record = undelivered.record
        assert isinstance(record, ExperimentResult | ModelMetric), f"{record} was observed"
        return self.send(record)

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Waits as `flush` does, and gives up what is still under way; raises DeliveryFailed for
        all that was not delivered, unless `on_error` was told of it.
        """
        self._queue.close(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def offer(self, record: Observation) -> bool:
        """Queues a record that was checked; where the queue is full it returns False at once.

        For programs that may not wait; raises what `observe` does.
        """
        value = self._encoded(record)
        return self._queue.offer(record.event_id, self._name, record.subject, value, record)

    def send(self, record: Observation) -> str:
        """Queues a record that was checked; returns its event id, raises what `observe` does."""
        value = self._encoded(record)
        self._queue.send(record.event_id, self._name, record.subject, value, record)
        return record.event_id

    def _encoded(self, record: Observation) -> bytes:
        try:
            return self._wire.encode(record)
        except UnicodeEncodeError as error:
            sentence = f"{error.object[:40]!r} cannot be written as UTF-8"
            raise InvalidRecord(Reason.BAD_UTF8, sentence) from error


class Results(Observer):
    """Sends results of experiments to `experiments.results.v1`."""

    _topic, _record = RESULTS, ExperimentResult

    def observe(
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
        """Queues one observation of one metric of one unit, and returns its event id.

        subject: [tenant/]model line. value: of a rate 1 for a hit and 0 for none, of a count the
        events, else the number. unit_id: a hash of the unit, never a person. occurred_at,
        assigned_at: a datetime with a time zone, or milliseconds since 1970; now, and occurred_at,
        where absent. covariate: a number known of the unit before it was exposed.

        event_id: what makes this event the same when it is told again. A UUID is taken as it is, of
        any other text (an order's number) a UUID is made together with subject, experiment and
        metric; absent: a random one. The same id is counted once.

        Raises InvalidRecord for what the processor would refuse, DeliveryFailed for earlier records
        that Kafka did not take, before it takes this one, and Undelivered where this one cannot
        be queued.
        """
        return self.send(
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


class Metrics(Observer):
    """Sends metrics of live models to `models.metrics.v1`."""

    _topic, _record = METRICS, ModelMetric

    def observe(
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
        """Queues one observation of one metric of a live version, and returns its event id.

        value: of one prediction, or the sum over `count` of them; sum_squares: of their squares,
        where there are several. The rest, and what is raised, is as in `Results.observe`.
        """
        return self.send(
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
