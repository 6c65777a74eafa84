"""Writes records, and says where each of them stands once all brokers that must have it do."""

import asyncio
import threading
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message

from gateway.views.positions import RecordPlace
from schemas.codec.framing import Codec, Record
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import LastClientError, explained
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

DELIVERY_MS = (
    10_000  # after which nobody waits any more, and the caller learns that it is not known
)
_QUEUED_MAX = 10_000  # records on their way


class NotDelivered(MendstreamError):
    """Kafka did not acknowledge a record. Whether it has it is not known: the same idempotency key
    again finds out.
    """


class OrderWriter:
    """An idempotent producer with a thread that hears of deliveries. A context manager."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings, self._codec = settings, codec
        self._heard = LastClientError()
        self._producer = backend_of(settings).producer(
            settings.client(
                **{
                    "enable.idempotence": True,
                    "acks": "all",
                    # as Java's default; librdkafka's own is another
                    "partitioner": "murmur2_random",
                    "linger.ms": 0,
                    "delivery.timeout.ms": DELIVERY_MS,
                    "queue.buffering.max.messages": _QUEUED_MAX,
                    "error_cb": self._heard,
                }
            )
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="orders")

    def __enter__(self) -> "OrderWriter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(DELIVERY_MS / 1_000)
        self._stopping.set()
        self._thread.join()

    async def write(
        self, topic: str, key: str, record: Record, partition: int | None = None
    ) -> RecordPlace:
        """The place of a record, once it is acknowledged. partition: None for that of the key.

        Raises NotDelivered.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[RecordPlace] = loop.create_future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(self._tell, told, error, message)

        try:
            self._producer.produce(
                topic,
                value=self._codec.encode(record),
                key=key,
                partition=-1 if partition is None else partition,
                on_delivery=delivered,
            )
        except BufferError as error:
            raise NotDelivered("Too many records are on their way.", "Try again.") from error
        except KafkaException as error:
            raise self._fault(error.args[0], topic) from error
        return await told

    def _tell(
        self, told: asyncio.Future[RecordPlace], error: KafkaError | None, message: Message
    ) -> None:
        if told.done():  # whoever waited has gone
            return
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None:
            told.set_exception(self._fault(error, topic))
        else:
            assert topic is not None, "a delivered record has a topic"
            assert partition is not None, "a delivered record has a partition"
            assert offset is not None, "a delivered record has an offset"
            told.set_result(RecordPlace(topic, partition, offset))

    def _fault(self, error: KafkaError, topic: str | None) -> NotDelivered:
        found = explained(self._heard.error or error, self._settings, topic)
        return NotDelivered(found.fault, found.remedy)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)
