"""Hands records to Kafka and remembers each until Kafka has acknowledged it.

A record leaves it in one of two ways: acknowledged, or as an `Undelivered` that the program
is given. librdkafka makes batches, retries, and keeps the order and number of records by itself.
"""

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mendstream.client.connection import Connection
from mendstream.client.exceptions import (
    ClientError,
    DeliveryFailed,
    FlushTimedOut,
    LastError,
    Undelivered,
    sentence_of,
    told,
)
from mendstream.client.time_and_ids import monotonic
from schemas.codec.framing import Record

log = logging.getLogger("mendstream.client")

OnError = Callable[[Undelivered], None]
QUEUE_FULL = "QUEUE_FULL"
FLUSH_SECONDS = 60.0
ABANDONED_SECONDS = 10.0  # what a program that ends without closing waits at most
_WAIT_SECONDS = 0.1  # how often a full queue is looked at again


@dataclass(frozen=True, slots=True)
class Sending:
    """One record on its way."""

    event_id: str
    topic: str
    record: Record
    size: int


class SendQueue:
    """on_error: is given each record that was not delivered, in a thread of the program's that
    sends, flushes or closes; without it they are raised there, as DeliveryFailed.

    queue_seconds: how long a record waits for room in the queue. delivery_seconds: how long Kafka
    is tried for a record. May be used by several threads.
    """

    def __init__(
        self,
        connection: Connection,
        on_error: OnError | None = None,
        queue_seconds: float = 30.0,
        delivery_seconds: float = 120.0,
    ) -> None:
        self._connection, self._on_error = connection, on_error
        self._queue_seconds, self._delivery_seconds = queue_seconds, delivery_seconds
        self._heard, self._lock, self._closed = LastError(), Lock(), False
        self._pending: dict[int, Sending] = {}  # bounded by librdkafka's queue
        self._failed: list[Undelivered] = []  # bounded by it too: whoever sends is told first
        self._number = 0
        try:
            self._producer = Producer(
                connection.client(
                    {"enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"},
                    {
                        "partitioner": "murmur2_random",  # as Java's default
                        "message.timeout.ms": round(delivery_seconds * 1_000),
                        "error_cb": self._heard,
                    },
                )
            )
        except KafkaException as error:
            raise ClientError(
                f"The configuration makes no connection: {error.args[0].str()}."
            ) from error

    def require(self, topic: str, seconds: float) -> None:
        """Raises ClientError unless Kafka answers within so many seconds and has the topic.

        All topics are asked for: asking for one by its name could create it.
        """
        try:
            known = self._producer.list_topics(timeout=seconds).topics
        except KafkaException as error:
            self._producer.poll(0)
            code = self._heard.error or error.args[0]
            raise ClientError(told(sentence_of(code, self._connection, topic))) from error
        if topic not in known:
            absent = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
            raise ClientError(told(sentence_of(absent, self._connection, topic)))

    def send(self, event_id: str, topic: str, key: str, value: bytes, record: Record) -> None:
        """Queues a record, and waits while the queue is full.

        Raises DeliveryFailed for earlier records before it takes this one, and Undelivered where
        it cannot be queued; with an `on_error` it raises neither.
        """
        fault = self._taken(event_id, topic, key, value, record, self._queue_seconds)
        if fault is not None:
            if self._on_error is None:
                raise fault
            self._on_error(fault)

    def offer(self, event_id: str, topic: str, key: str, value: bytes, record: Record) -> bool:
        """As `send`, but where the queue is full it takes nothing and returns False at once."""
        fault = self._taken(event_id, topic, key, value, record, 0.0)
        if fault is None or fault.reason == QUEUE_FULL:
            return fault is None
        if self._on_error is None:
            raise fault
        self._on_error(fault)
        return True

    def _taken(
        self, event_id: str, topic: str, key: str, value: bytes, record: Record, seconds: float
    ) -> Undelivered | None:
        """Why a record was not queued; None where it was."""
        self.tell()
        sending = Sending(event_id, topic, record, len(value))
        with self._lock:
            if self._closed:
                raise ClientError("It is closed: what sends has to be made anew.")
            self._number += 1
            number = self._number
            self._pending[number] = sending
        fault = self._queued(number, key, value, seconds)
        if fault is not None:
            with self._lock:
                self._pending.pop(number, None)
        return fault

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Waits until Kafka has acknowledged everything, or given it up.

        Raises DeliveryFailed for what was given up unless `on_error` was told of it, and
        FlushTimedOut, always, for what is still under way.
        """
        self._producer.flush(seconds)
        self.tell()
        with self._lock:
            pending = tuple(each.event_id for each in self._pending.values())
        if pending:
            why = f" (last it said: {self._heard.error.str()})" if self._heard.error else ""
            raise FlushTimedOut(pending, seconds, self._connection.bootstrap, why)

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Flushes for so many seconds, gives up what is left, and tells of it as `flush` does.

        Nothing can be sent afterwards; closing twice does nothing more.
        """
        with self._lock:
            self._closed = True
        if self._pending:
            self._producer.flush(seconds)
        if self._pending:
            self._producer.purge()
            self._producer.flush(_WAIT_SECONDS)
        self.tell()

    def tell(self) -> None:
        """Takes in what Kafka said since, and tells of what was not delivered."""
        self._producer.poll(0)
        with self._lock:
            failed, self._failed = self._failed, []
        if not failed:
            return
        if self._on_error is None:
            raise DeliveryFailed(tuple(failed))
        for each in failed:
            self._on_error(each)

    def abandon(self) -> None:
        """Closes for a program that did not, and logs what it will never be told of."""
        if self._closed and not self._pending and not self._failed:
            return
        self._on_error = _logged
        self.close(ABANDONED_SECONDS)

    def _queued(self, number: int, key: str, value: bytes, seconds: float) -> Undelivered | None:
        deadline, sending = monotonic() + seconds, self._pending[number]
        while True:
            try:
                self._producer.produce(
                    sending.topic, value, key, on_delivery=partial(self._delivered, number)
                )
                return None
            except BufferError:
                if monotonic() >= deadline:
                    return self._undelivered(sending, None)
                self._producer.poll(_WAIT_SECONDS)
            except KafkaException as error:
                return self._undelivered(sending, error.args[0])

    def _delivered(self, number: int, error: KafkaError | None, message: Message) -> None:
        with self._lock:
            sending = self._pending.pop(number)
            if error is not None:
                self._failed.append(self._undelivered(sending, error))

    def _undelivered(self, sending: Sending, error: KafkaError | None) -> Undelivered:
        if error is None:
            reason = QUEUE_FULL
            sentence = (
                f"the queue of {len(self._pending)} records stayed full for "
                f"{self._queue_seconds:g} s, because Kafka at {self._connection.bootstrap} takes "
                "them more slowly than they come, or not at all"
            )
        else:
            reason = error.name()
            sentence = sentence_of(
                error, self._connection, sending.topic, sending.size, self._delivery_seconds
            )
        if self._heard.error is not None and reason in (QUEUE_FULL, "_MSG_TIMED_OUT"):
            sentence += f" (last it said: {self._heard.error.str()})"
        return Undelivered(sending.event_id, sending.topic, reason, sentence, sending.record)


def closed_in_the_end(owner: object, queue: SendQueue) -> None:
    """Lets no program end, and no owner be forgotten, with records that nobody is told of."""
    weakref.finalize(owner, queue.abandon)


def _logged(undelivered: Undelivered) -> None:
    log.error("%s", undelivered)
