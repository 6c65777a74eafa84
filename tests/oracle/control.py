"""The same job with plain offset commits: everything is written, then the offsets are committed, in
no transaction.

It keeps every record and counts some twice whenever it dies in between. An oracle that lets it pass
sees nothing.
"""

from collections import defaultdict
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.core.batch import Slice
from schemas.codec.framing import Codec
from streams.engine.transaction import Hook, Outbox
from streams.kafka.backend import backend_of
from streams.kafka.batches import by_place
from streams.kafka.reading import admin, committed, end_offsets, read, start_offsets
from streams.runtime.settings import Settings
from tests.oracle.topology import EOS, Totals

POLL_SECONDS = 0.05


class Control:
    """One worker. `run` returns after `stop`; it raises when anything goes wrong."""

    def __init__(self, settings: Settings, codec: Codec, at: Hook) -> None:
        self._settings, self._codec, self._at = settings, codec, at
        self._admin = admin(settings)
        self._emitter = EOS.emitter(codec, settings.group, settings.partitions)
        self._owned: dict[int, Totals] = {}
        self._failed: KafkaError | None = None
        self._stopping = False
        self._producer = backend_of(settings).producer(
            settings.client(**{"enable.idempotence": True, "linger.ms": 5})
        )
        self._consumer = backend_of(settings).consumer(
            settings.client(
                **{
                    "group.id": settings.group,
                    "group.instance.id": f"{settings.group}-{settings.slot}",
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "partition.assignment.strategy": "range",
                    "session.timeout.ms": settings.session_timeout_ms,
                    "heartbeat.interval.ms": settings.session_timeout_ms // 4,
                    "fetch.wait.max.ms": 20,
                }
            )
        )
        self._consumer.subscribe(
            list(EOS.inputs), on_assign=self._assigned, on_revoke=self._revoked
        )

    def stop(self) -> None:
        self._stopping = True

    def run(self) -> None:
        while not self._stopping:
            self._turn()
        self._consumer.close()

    def _turn(self) -> None:
        messages = self._consumer.consume(self._settings.batch, timeout=POLL_SECONDS)
        good = [message for message in messages if message.error() is None]
        for error in (message.error() for message in messages):
            if error is not None and not error.retriable():
                raise KafkaException(error)
        reached = [
            self._fold(*place) for place in by_place(good, EOS.inputs) if place[1] in self._owned
        ]
        if reached:
            self._commit(self._emitter.take(self._owned), reached)

    def _fold(self, topic: str, partition: int, records: list[Message]) -> TopicPartition:
        piece = Slice.of(topic, partition, records)  # type: ignore[arg-type]
        self._emitter.emit(piece, EOS.fold(piece, self._owned[partition], self._codec))
        return TopicPartition(topic, partition, piece.next_offset)

    def _commit(self, outbox: Outbox, reached: list[TopicPartition]) -> None:
        """Outputs, rows, offsets, each of them acknowledged before the next. The points are named
        as the engine's.
        """
        self._at("begun")
        for topic, partition, key, value, _ in outbox.records:
            self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)
        self._flush()
        self._at("outputs")
        for part in reached:
            for topic, table in self._owned[part.partition].all().items():
                for key, value in table.changed(self._codec):
                    self._producer.produce(
                        topic, value, key, part.partition, on_delivery=self._delivered
                    )
        self._flush()
        self._at("rows")
        self._at("offsets")
        self._consumer.commit(offsets=reached, asynchronous=False)
        self._at("committed")

    def _flush(self) -> None:
        left = self._producer.flush(self._settings.transaction_timeout_ms / 1_000)
        assert left == 0, f"{left} records are not acknowledged"
        if self._failed is not None:
            raise KafkaException(self._failed)

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        self._failed = error or self._failed

    def _assigned(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        """Reads the tables back, and goes on where the group stands."""
        self._owned = {part.partition: Totals(part.partition, self._settings) for part in parts}
        self._restore()
        offsets = committed(consumer, parts, self._settings)
        consumer.assign(
            [
                TopicPartition(p.topic, p.partition, offsets.get((p.topic, p.partition), 0))
                for p in parts
            ]
        )

    def _restore(self) -> None:
        parts = [
            TopicPartition(topic, p) for p, totals in self._owned.items() for topic in totals.all()
        ]
        ends, starts = end_offsets(self._admin, parts), start_offsets(self._admin, parts)
        for batch in read(
            self._settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}
        ):
            rows: dict[tuple[str, int], list[tuple[str, bytes | None]]] = defaultdict(list)
            for message in batch:
                key = (message.key() or b"").decode()
                rows[message.topic() or "", message.partition() or 0].append((key, message.value()))
            for (topic, p), changed in rows.items():
                self._owned[p].all()[topic].restore(changed, self._codec)

    def _revoked(self, _consumer: Consumer, _parts: Sequence[TopicPartition]) -> None:
        self._owned = {}
