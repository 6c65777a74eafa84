"""Publishes records as a producer would: keyed by subject, spread as Kafka's own clients do, each
once in order.
"""

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter

from confluent_kafka import KafkaError, KafkaException, Message

from schemas.codec.framing import Codec, Record
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import LastClientError, explained
from streams.runtime.clock import monotonic
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

FLUSH_SECONDS = 60.0  # without any progress

Runs = list[list[int]]  # first and last offset of records that lie one behind the other, ascending


class Publisher:
    """An idempotent producer that remembers how far it got in each partition.

    next_offsets: the offset after the last record acknowledged, by topic and partition. written:
    where all of them lie.
    """

    def __init__(self, settings: Settings, codec: Codec, linger_ms: int = 20) -> None:
        """linger_ms: how long a record waits for others to be sent with; 0 where somebody waits for
        each.
        """
        self._settings, self._codec = settings, codec
        self._heard = LastClientError()
        self._failure: MendstreamError | None = None
        self.sent = 0
        self.acknowledged = 0
        self.next_offsets: dict[tuple[str, int], int] = {}
        self.written: dict[tuple[str, int], Runs] = {}
        self._producer = backend_of(settings).producer(
            settings.client(
                **{
                    "enable.idempotence": True,
                    # as Java's default; librdkafka's own is another
                    "partitioner": "murmur2_random",
                    "linger.ms": linger_ms,
                    "compression.type": "lz4",
                    "error_cb": self._heard,
                }
            )
        )

    def publish(self, topic: str, key: str, record: Record, partition: int | None = None) -> None:
        """partition: absent: that of the key."""
        self.send(topic, key, self._codec.encode(record), partition)

    def publish_all(self, topic: str, keyed: Iterable[tuple[str, bytes]]) -> None:
        for key, value in keyed:
            self.send(topic, key, value)

    def send(self, topic: str, key: str, value: bytes, partition: int | None = None) -> None:
        """Queues a value, waiting while the queue is full. Raises MendstreamError once a delivery
        failed.
        """
        deadline = monotonic() + FLUSH_SECONDS
        while True:
            try:
                where = -1 if partition is None else partition
                self._producer.produce(
                    topic, value=value, key=key, partition=where, on_delivery=self._delivered
                )
                break
            except BufferError as error:
                self._producer.poll(0.1)
                if monotonic() > deadline:
                    raise explained(self._heard.error, self._settings) from error
            except KafkaException as error:
                raise explained(error.args[0], self._settings) from error
        self.sent += 1
        if self.sent % 1_000 == 0:
            self.poll()

    def poll(self) -> None:
        self._producer.poll(0)
        self._raise_failure()

    def flush(self) -> None:
        """Waits until Kafka has acknowledged everything."""
        before = -1
        while self.acknowledged < self.sent:
            if self.acknowledged == before:
                raise explained(self._heard.error, self._settings)
            before = self.acknowledged
            self._producer.flush(FLUSH_SECONDS)
            self._raise_failure()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or explained(error, self._settings, message.topic())
            return
        self.acknowledged += 1
        where = (message.topic() or "", message.partition() or 0)
        offset = message.offset() or 0
        self.next_offsets[where] = max(self.next_offsets.get(where, 0), offset + 1)
        put(self.written.setdefault(where, []), offset)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def put(runs: Runs, offset: int) -> None:
    """Adds the record at an offset behind all others."""
    if runs and runs[-1][1] == offset - 1:
        runs[-1][1] = offset
    else:
        runs.append([offset, offset])


def count(runs: Runs, start: int, end: int | None) -> int:
    """Returns the number of records at offsets from `start` up to, not including, `end`.

    end: None for all up to the last.

    >>> count([[3, 5], [9, 9]], 4, None), count([[3, 5], [9, 9]], 4, 9)
    (3, 2)
    """
    total = 0
    for first, last in runs:
        until = last + 1 if end is None else min(last + 1, end)
        total += max(0, until - max(first, start))
    return total


def within(runs: Runs, offset: int) -> bool:
    """Returns True if one of the records is at this offset.

    >>> within([[3, 5], [9, 9]], 5), within([[3, 5], [9, 9]], 6)
    (True, False)
    """
    at = bisect_right(runs, offset, key=itemgetter(0)) - 1
    return at >= 0 and offset <= runs[at][1]
