"""The producer's side of exactly-once: one transaction at a time, and a way out of a delayed
EndTxn.

librdkafka does not bump the epoch after each transaction, so an EndTxn that was held up on the way
may end the next transaction (KAFKA-17754). Whenever the connection to the transaction coordinator
was lost or timed out since a transaction began, the producer is made anew before the next: the
epoch grows, and the stale request is refused.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.catalog import DEAD_LETTERS
from streams.kafka.admin.acls import RoleName
from streams.kafka.admin.permissions import Denied, check_rights
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import (
    DENIED,
    LastClientError,
    ended,
    explained,
    transactional_id,
)
from streams.kafka.reading import admin
from streams.runtime.clock import POLL_SECONDS
from streams.runtime.errors import MendstreamError
from streams.runtime.message_sizes import DEAD_LETTER_BYTES, RECORD_BYTES
from streams.runtime.metrics import COMMIT_SECONDS, COMMITS, LAST_COMMIT, TXN_RECREATED
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.transaction")

# the blind window of the way out: a loss that heals within one interval is seen one tick late
STATISTICS_MS = 50
# Kafka refuses the next transaction until it has written the markers of the one before, and
# librdkafka asks again after 100
# ms. A shorter retry.backoff.ms is no way out: a repeated EndTxn must not be quicker than the
# statistics that tell of its loss.
MARKERS_SECONDS = 0.008
INIT_SECONDS = 60.0
CUT_OFF_SECONDS = (
    4.0  # a commit that lost a broker on the way ends within two, or hangs (librdkafka #5511)
)
# Not why a transaction failed but what comes of it: records thrown away, a producer that takes no
# more.
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
_CONSEQUENCES = _PURGED | {KafkaError._STATE, KafkaError._FATAL}
_FOR_WHAT_IT_IS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
    KafkaError._INVALID_ARG,
}
_AROUND_BYTES = 4_096  # key, headers and batch around a value
RIGHTS_SECONDS = (
    2.0  # to ask whether a right is missing; a broker that is gone must not delay the restart
)
Headers = Sequence[tuple[str, str | bytes | None]]
Hook = Callable[[str], None]


class Crash(Exception):
    """The transaction's fate cannot be mended here: drop all state, exit, restart, restore."""


class CommitRefused(Crash):
    """A commit that fails for what it holds: the same records would fail again."""


@dataclass(slots=True)
class Outbox:
    """The content of the next transaction, which grows while the last one is being committed.

    Bounded by the records folded meanwhile: a commit that outlasts the transaction timeout ends the
    process.
    """

    records: list[tuple[str, int, str | bytes | None, bytes | None, Headers]] = field(
        default_factory=list
    )
    rows: list[tuple[str, int, list[tuple[str, bytes | None]]]] = field(default_factory=list)
    offsets: list[TopicPartition] = field(default_factory=list)

    def add(
        self,
        topic: str,
        partition: int,
        key: str | bytes | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> None:
        self.records.append((topic, partition, key, value, headers))

    def check(self) -> None:
        """Raises Refused for a record or row that its topic does not take, before anything of it is
        written.
        """
        for topic, partition, rows in self.rows:
            for key, value in rows:
                if value is not None and len(value) > RECORD_BYTES - _AROUND_BYTES:
                    raise CommitRefused(
                        f"row {key[:80]!r} of {topic}/{partition} has {len(value)} bytes"
                    )
        for topic, partition, _, value, _ in self.records:
            if (
                value is not None
                and topic != DEAD_LETTERS
                and len(value) > RECORD_BYTES - _AROUND_BYTES
            ):
                raise CommitRefused(f"a record of {topic}/{partition} has {len(value)} bytes")


class Transactions:
    """Commits outboxes under one stable transactional id, which fences an older self.

    The end of a transaction runs in a thread of its own, so that the next records are folded
    meanwhile; `join` waits for it. One transaction at a time, in order.
    """

    def __init__(self, settings: Settings, at: Hook, role: RoleName = "processor") -> None:
        """at: called with the name of each point of a commit, for tests that end the process there;
        role: who writes.
        """
        self._settings, self._at, self._role = settings, at, role
        self._backend = backend_of(settings)
        self._seconds = (
            settings.transaction_timeout_ms / 1_000
        )  # past it Kafka aborts a transaction anyway
        self._heard = LastClientError()
        self._trouble = 0
        self._trouble_at_begin = 0
        self._losses = 0
        self._losses_at_begin = 0
        self._undelivered: tuple[KafkaError, str | None] | None = None  # the first, with its topic
        self._producer = self._connected()
        self._thread = self._backend.thread()
        self._ending: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """True while a transaction is being committed."""
        return self._ending is not None and not self._ending.done()

    def submit(self, outbox: Outbox, group: Any, committed: Callable[[], None]) -> None:
        """Writes an outbox in one transaction and has it committed; waits for the one before.

        group: the consumer's group metadata. committed: called once all of it is visible. Raises
        Crash.
        """
        self.join()
        self._begin()
        began = self._backend.monotonic()
        self._at("begun")
        for record in outbox.records:
            self._produce(*record)
        self._at("outputs")
        for topic, partition, rows in outbox.rows:
            self._produce_rows(topic, partition, rows)
        self._at("rows")

        def end() -> None:
            self._end(
                lambda: self._producer.send_offsets_to_transaction(
                    outbox.offsets, group, self._seconds
                )
            )
            self._at("offsets")
            self._end(lambda: self._producer.commit_transaction(self._seconds))
            if self._undelivered is not None:
                raise self._fault(self._undelivered[0])
            committed()
            COMMITS.inc()
            LAST_COMMIT.set(self._backend.now_ms() / 1_000)
            COMMIT_SECONDS.observe(self._backend.monotonic() - began)
            self._at("committed")
            self._backend.rest(MARKERS_SECONDS)

        self._ending = self._thread.submit(end)

    def join(self) -> None:
        """Waits until what was submitted is committed. Raises Crash, or MendstreamError, unless all
        of it was.

        librdkafka may wait for ever in spite of its deadline, where a broker died between the
        offsets and their commit.
        """
        if self._ending is None:
            return
        ending, self._ending = self._ending, None
        deadline, cut_off = self._backend.monotonic() + self._seconds + 1.0, False
        while not self._backend.wait(ending, POLL_SECONDS):
            self._serve()
            if not cut_off and self._losses != self._losses_at_begin:
                deadline, cut_off = min(deadline, self._backend.monotonic() + CUT_OFF_SECONDS), True
            if self._backend.monotonic() > deadline:
                why = "after a broker was lost" if cut_off else f"within {self._seconds:g} s"
                raise Crash(f"a commit did not end {why}")
        ending.result()

    def poll(self) -> None:
        """Lets callbacks run; call it often, also while idle. Raises Crash if the last commit
        failed.
        """
        self._serve()
        if self._ending is not None and self._ending.done():
            self.join()

    def close(self) -> None:
        self.join()
        self._thread.shutdown()

    def _begin(self) -> None:
        """Begins a transaction, on a fresh producer if the coordinator was out of reach since the
        last began.
        """
        self._serve()
        if self._trouble != self._trouble_at_begin:
            log.warning("the transaction coordinator was out of reach: making the producer anew")
            TXN_RECREATED.inc()
            self._trouble = self._losses = 0  # the new producer's statistics begin anew
            self._producer = self._connected()
        self._trouble_at_begin, self._losses_at_begin = self._trouble, self._losses
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise self._fault(error.args[0]) from error

    def _serve(self, seconds: float = 0.0) -> None:
        """Lets callbacks run. Raises Crash once the producer is fenced or otherwise beyond
        repair.
        """
        try:
            self._producer.poll(seconds)
        except KafkaException as error:
            raise self._fault(error.args[0]) from error

    def _produce(
        self,
        topic: str,
        partition: int,
        key: str | bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic,
                    value=value,
                    key=key,
                    partition=partition,
                    headers=list(headers),
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                self._serve(0.05)
            except KafkaException as error:
                raise self._fault(error.args[0]) from error

    def _produce_rows(
        self, topic: str, partition: int, rows: Iterable[tuple[str, bytes | None]]
    ) -> None:
        """Rows go in batches: they need no headers, and it is much cheaper."""
        waiting: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in rows]
        while waiting:
            self._producer.produce_batch(
                topic, waiting, partition=partition, on_delivery=self._delivered
            )
            refused = [message for message in waiting if "_error" in message]
            for message in refused:
                error = message.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise self._fault(error)
            waiting = refused
            self._serve(0.05 if waiting else 0.0)

    def _connected(self) -> Producer:
        producer = self._backend.producer(
            self._settings.client(
                **{
                    "transactional.id": transactional_id(self._settings.group, self._settings.slot),
                    "transaction.timeout.ms": self._settings.transaction_timeout_ms,
                    "partitioner": "murmur2_random",
                    "linger.ms": 5,
                    "compression.type": "lz4",
                    "batch.size": 1_000_000,
                    "message.max.bytes": DEAD_LETTER_BYTES,
                    "queue.buffering.max.messages": 1_000_000,
                    # a call for each row that is well would cost as much as it does
                    "delivery.report.only.error": True,
                    "statistics.interval.ms": STATISTICS_MS,
                    "stats_cb": self._watch_brokers,
                    "error_cb": self._heard,
                }
            )
        )
        deadline = self._backend.monotonic() + INIT_SECONDS
        while True:
            try:
                producer.init_transactions(5.0)
            except KafkaException as error:
                kafka_error = error.args[0]
                if kafka_error.code() in DENIED:
                    raise explained(kafka_error, self._settings) from error
                producer.poll(0)
                if (
                    not kafka_error.retriable()
                    or self._backend.monotonic() > deadline
                    or self._heard.refused()
                ):
                    raise explained(self._heard.error or kafka_error, self._settings) from error
            else:
                return producer

    def _end(self, step: Callable[[], None]) -> None:
        deadline = self._backend.monotonic() + self._seconds
        while True:
            try:
                step()
            except KafkaException as error:
                # Abortable and fatal alike: tables cannot be un-folded, so any abort is a restart.
                if not error.args[0].retriable() or self._backend.monotonic() > deadline:
                    raise self._fault(error.args[0]) from error
            else:
                return

    def _fault(self, error: KafkaError) -> Exception:
        """Returns what ends the process: a restart mends a crash, but not a right that is
        missing.
        """
        error, topic = self._reason(error)
        if error.code() in DENIED | _CONSEQUENCES:
            try:  # Kafka itself may not say of which topic, and librdkafka not that it was refused
                check_rights(admin(self._settings), self._settings, self._role, RIGHTS_SECONDS)
            except Denied as denied:
                return denied
            except MendstreamError as unanswered:
                log.info("the rights could not be looked at: %s", unanswered)
        if error.code() in DENIED:
            return explained(error, self._settings, topic)
        said = ended(error, self._settings)
        why = f"{self._settings.topic(topic)} was not written: {said}" if topic else said
        return CommitRefused(why) if error.code() in _FOR_WHAT_IT_IS else Crash(why)

    def _reason(self, error: KafkaError) -> tuple[KafkaError, str | None]:
        """The first thing that went wrong, and the topic where it was a record."""
        if self._undelivered is not None and self._undelivered[0].code() not in _PURGED:
            return self._undelivered
        if error.code() == KafkaError._FATAL:
            try:
                self._producer.poll(0)
            except KafkaException as fatal:
                return fatal.args[0], None
        return error, None

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._undelivered is None:
            self._undelivered = error, message.topic()

    def _watch_brokers(self, statistics: str) -> None:
        brokers = json.loads(statistics).get("brokers", {})
        lost = {
            name: each.get("disconnects", 0) + each.get("req_timeouts", 0)
            for name, each in brokers.items()
        }
        self._losses = sum(lost.values())
        self._trouble = sum(
            count for name, count in lost.items() if name.startswith("TxnCoordinator")
        )
