"""The producer's side of exactly-once: one transaction at a time, and a way out of a delayed EndTxn.

librdkafka does not bump the epoch after each transaction, so an EndTxn that was held up on the way may end the next
transaction (KAFKA-17754). Whenever the connection to the transaction coordinator was lost or timed out since a
transaction began, the producer is made anew before the next: the epoch grows, and the stale request is refused.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streams.clock import monotonic
from streams.config import Settings
from streams.kafka import Heard, explained
from streams.telemetry import TXN_RECREATED

log = logging.getLogger("mendstream.transaction")

STATISTICS_MS = 50  # the blind window of the way out: a loss that heals within one interval is seen one tick late
INIT_SECONDS = 60.0
END_SECONDS = 30.0
Headers = Sequence[tuple[str, str | bytes | None]]


class Crash(Exception):
    """The transaction's fate cannot be mended here: drop all state, exit, restart, restore."""


class Transactions:
    """Begins, fills and commits transactions under one stable transactional id, which fences an older self."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._heard = Heard()
        self._trouble = 0
        self._trouble_at_begin = 0
        self._delivery: KafkaError | None = None
        self._producer = self._connected()
        self.open = False

    def begin(self) -> None:
        """Begins a transaction, on a fresh producer if the coordinator was out of reach."""
        assert not self.open, "a transaction is open"
        self._producer.poll(0)
        if self._trouble != self._trouble_at_begin:
            log.warning("the transaction coordinator was out of reach: making the producer anew")
            TXN_RECREATED.inc()
            self._producer = self._connected()
        self._trouble_at_begin = self._trouble
        self._producer.begin_transaction()
        self.open = True

    def produce(
        self, topic: str, partition: int, key: str | bytes | None, value: bytes | None, headers: Headers | None = None
    ) -> None:
        """Adds a record to the open transaction. Raises Crash if the producer is done for."""
        while True:
            try:
                self._producer.produce(
                    topic, value=value, key=key, partition=partition, headers=list(headers or ()), on_delivery=self._delivered
                )
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                raise Crash(str(error)) from error

    def produce_rows(self, topic: str, partition: int, rows: Iterable[tuple[str, bytes | None]]) -> None:
        """Adds the changed rows of a table, in batches: headers are not needed, and it is much cheaper."""
        waiting: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in rows]
        while waiting:
            self._producer.produce_batch(topic, waiting, partition=partition, on_delivery=self._delivered)
            refused = [message for message in waiting if "_error" in message]
            for message in refused:
                error = message.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise Crash(str(error))
            waiting = refused
            self._producer.poll(0.05 if waiting else 0)

    def commit(self, offsets: list[TopicPartition], group: Any, at: Callable[[str], None]) -> None:
        """Commits outputs, rows and offsets together. Raises Crash unless all of it was committed.

        at: called with the name of the point between the two steps.
        """
        assert self.open, "no transaction is open"
        self._end(lambda: self._producer.send_offsets_to_transaction(offsets, group, END_SECONDS))
        at("offsets")
        self._end(lambda: self._producer.commit_transaction(END_SECONDS))
        if self._delivery is not None:
            raise Crash(f"a record was not delivered: {self._delivery}")
        self.open = False

    def poll(self) -> None:
        """Lets callbacks run; call it often, also while idle."""
        self._producer.poll(0)

    def close(self) -> None:
        """Leaves an open transaction to be aborted by whoever has the id next."""
        self._producer.purge(in_queue=True, in_flight=False, blocking=False)

    def _connected(self) -> Producer:
        producer = Producer(
            self._settings.client(
                **{
                    "transactional.id": f"{self._settings.group}-{self._settings.slot}",
                    "transaction.timeout.ms": self._settings.transaction_timeout_ms,
                    "partitioner": "murmur2_random",
                    "linger.ms": 5,
                    "compression.type": "lz4",
                    "batch.size": 1_000_000,
                    "queue.buffering.max.messages": 1_000_000,
                    "statistics.interval.ms": STATISTICS_MS,
                    "stats_cb": self._watch_coordinator,
                    "error_cb": self._heard,
                }
            )
        )
        deadline = monotonic() + INIT_SECONDS
        while True:
            try:
                producer.init_transactions(5.0)
            except KafkaException as error:
                producer.poll(0)
                kafka_error = error.args[0]
                if not kafka_error.retriable() or monotonic() > deadline or self._heard.refused():
                    raise explained(self._heard.error or kafka_error, self._settings) from error
            else:
                return producer

    def _end(self, step: Any) -> None:
        deadline = monotonic() + END_SECONDS
        while True:
            try:
                step()
            except KafkaException as error:
                # Abortable and fatal alike: tables cannot be un-folded, so any abort is a restart.
                if not error.args[0].retriable() or monotonic() > deadline:
                    raise Crash(str(error.args[0])) from error
            else:
                return

    def _delivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._delivery = error

    def _watch_coordinator(self, statistics: str) -> None:
        brokers = json.loads(statistics).get("brokers", {})
        self._trouble = sum(
            broker.get("disconnects", 0) + broker.get("req_timeouts", 0) + broker.get("tx_retries", 0)
            for name, broker in brokers.items()
            if name.startswith("TxnCoordinator")
        )
