"""Writes the time into each partition once a second, so that it passes in silence too."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message

from schemas.catalog import TICKS
from schemas.codec.framing import Codec
from schemas.records import Tick
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import DENIED, explained
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

EVERY_MS = 1_000


class Ticker:
    """Ticks are not part of a transaction: one lost or twice changes nothing but when the next look
    is.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings, self._codec = settings, codec
        self._denied: MendstreamError | None = None
        self._last = 0
        self._producer = backend_of(settings).producer(
            settings.client(**{"acks": "all", "linger.ms": 0, "message.timeout.ms": 10_000})
        )

    def tick(self, partitions: Iterable[int], now: int) -> None:
        """Writes a tick to each partition if a second has passed, or if the clock was set back.

        Raises MendstreamError once Kafka denied one.
        """
        if self._denied is not None:
            raise self._denied
        if 0 <= now - self._last < EVERY_MS:
            return
        self._last = now
        for partition in partitions:
            value = self._codec.encode(Tick(partition, now))
            try:
                self._producer.produce(
                    TICKS,
                    value=value,
                    key=str(partition),
                    partition=partition,
                    on_delivery=self._delivered,
                )
            except BufferError:
                break  # Kafka is away; the next tick says the same
            except KafkaException as error:  # what librdkafka knows already it says at once
                self._delivered(error.args[0], None)
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _message: Message | None) -> None:
        if error is not None and error.code() in DENIED:
            self._denied = explained(error, self._settings, TICKS)

    def close(self) -> None:
        self._producer.flush(1.0)
