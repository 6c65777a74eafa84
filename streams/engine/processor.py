"""The deciding process: takes records in, folds them, and commits what follows with the offsets in
one transaction.

Crash-only: whatever goes wrong with a transaction, the process drops its state, exits, and restores
at the next start.
"""

import gc
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.catalog import JOURNAL, TICKS
from schemas.codec.framing import Codec
from schemas.refusals import DecodeError
from streams.engine import silence_metrics
from streams.engine.broadcast import Broadcast
from streams.engine.circuit_breaker import Breaker, Key
from streams.engine.lag import forget, measure
from streams.engine.partition import Owned
from streams.engine.quarantine import BlackBox
from streams.engine.restore import Assignment, restore
from streams.engine.ticker import Ticker
from streams.engine.topology import S, Topology
from streams.engine.transaction import CommitRefused, Crash, Hook, Outbox, Transactions
from streams.kafka.admin.permissions import check_rights
from streams.kafka.admin.topic_conditions import verify
from streams.kafka.admin.topics import check
from streams.kafka.backend import backend_of
from streams.kafka.batches import by_place
from streams.kafka.error_messages import (
    UNREADABLE,
    LastClientError,
    begin_anew,
    ended,
    explained,
    unreadable,
)
from streams.kafka.reading import admin, committed, end_offsets, read, start_offsets
from streams.runtime.clock import monotonic
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import ASSIGNED, RESTORE_SECONDS, RESTORING, ROWS
from streams.runtime.settings import Settings
from streams.signing.signer import signer_of

log = logging.getLogger("mendstream.processor")

# how long an idle loop waits for the next record; ticks and stopping are looked at as often
POLL_SECONDS = 0.05
# records of what waits at a start that are committed together: decisions of each may be several
CATCH_UP = 2_000
PATIENCE = 3  # commit intervals that rows wait at most while the commit before them is under way
COLLECT = (
    200_000,
    20,
    20,
)  # messages come and go by ten thousands; the default would look at them at every turn


class Processor(Generic[S]):
    """One worker. `run` returns after `stop`; it raises Crash or MendstreamError when it cannot go
    on.
    """

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        health: Health | None = None,
        at: Hook | None = None,
        *,
        topology: Topology[S],
        box: BlackBox | None = None,
    ) -> None:
        """at: called with the name of each point of a commit, for tests that end the process there.
        box: None keeps none.
        """
        self._settings, self._codec, self._topology = settings, codec, topology
        self._health = health or Health()
        self._backend = backend_of(settings)
        self._admin = admin(settings)
        check_rights(self._admin, settings)
        check(self._admin, settings)
        verify(self._admin, settings)
        signer = signer_of(settings)
        self._at: Hook = at or (lambda _point: None)
        self._transactions = Transactions(
            settings, self._at
        )  # fences an older self before anything is read
        self._emitter = topology.emitter(
            codec, f"mendstream/{settings.group}", settings.partitions, signer
        )
        self._broadcast = Broadcast(settings, self._admin)
        self._agents = topology.agents(settings.dedupe_window, settings.learning_enabled)
        self._ticker = Ticker(settings, codec)
        self._breaker = Breaker(settings.breaker)
        self._box = box or BlackBox(None)
        self._owned: dict[int, Owned[S]] = {}
        self._committed: dict[tuple[str, int], int] = {}  # next offsets, by topic and partition
        self._changed_at: float | None = None  # since when there are rows that no commit took
        self._urgent: set[int] = set()  # partitions with what somebody waits for
        self._failure: BaseException | None = None
        self._stopping = False
        self._heard = LastClientError()
        self._consumer = self._connected()

    def stop(self) -> None:
        """Asks `run` to finish the open transaction and return; may be called from a signal
        handler.
        """
        self._stopping = True

    def progress(self, ends: Mapping[tuple[str, int], int]) -> int:
        """Returns the number of committed offsets before these ends, in the partitions restored
        here.
        """
        return sum(min(end, self._committed.get(place, 0)) for place, end in ends.items())

    def run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
            self._commit(self._owned)
            self._transactions.join()
        except CommitRefused:
            self._box.uncommitted.blame()
            raise
        self._consumer.close()
        self._transactions.close()
        self._ticker.close()
        self._broadcast.close()
        # After an error nothing is closed: closing would hand over partitions as if their tables
        # were committed.

    def _turn(self) -> None:
        self._health.alive()
        self._transactions.poll()
        self._box.uncommitted.settled(self._committed)
        messages = self._poll()
        if self._failure is not None:  # callbacks run inside the poll
            raise self._failure
        for topic, partition, records in by_place(self._good(messages), self._topology.inputs):
            self._fold(topic, partition, records)
            if self._urgent and not self._transactions.busy:
                self._commit(self._urgent)  # the other partitions are folded while it is written
        self._take_broadcast()
        self._commit(self._due())
        self._ticker.tick(self._owned, self._backend.now_ms())

    def _due(self) -> set[int]:
        """Partitions to commit: those somebody waits for at once; rows wait a little, longer while
        a commit is under way.
        """
        if self._changed_at is None:
            return self._urgent
        waited_ms = (self._backend.monotonic() - self._changed_at) * 1_000
        patience = self._settings.commit_ms * (PATIENCE if self._transactions.busy else 1)
        return set(self._owned) if waited_ms >= patience else self._urgent

    def _poll(self) -> list[Message]:
        """The next record as soon as it is there, and with it all that are there already."""
        wait = min(POLL_SECONDS, self._settings.commit_ms / 1_000)
        first = self._consumer.poll(wait)
        if first is None:
            return []
        owned = self._owned
        rest = self._consumer.consume(self._settings.batch, timeout=0)
        # A rebalance in between begins every partition anew where its journal ends: the first
        # record comes again.
        return [first, *rest] if owned is self._owned or first.error() is not None else rest

    def _good(self, messages: list[Message]) -> list[Message]:
        """The records among the messages; the others are news of Kafka."""
        errors = list(map(Message.error, messages))
        if not any(errors):  # not by ==, which a KafkaError cannot do with None
            return messages
        for message, error in zip(messages, errors, strict=True):
            if error is not None:
                self._bad_news(error, message)
        return [message for message, error in zip(messages, errors, strict=True) if error is None]

    def _bad_news(self, error: KafkaError, message: Message) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() in UNREADABLE and topic is not None and partition in self._owned:
            raise unreadable(
                error, topic, partition, self._owned[partition].journal.next_offsets.get(topic, 0)
            )
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._gone(error.str())
        if error.code() == KafkaError._MAX_POLL_EXCEEDED or error.fatal():
            raise Crash(ended(error, self._settings))
        if not error.retriable() and error.code() not in (
            KafkaError._TRANSPORT,
            KafkaError._ALL_BROKERS_DOWN,
        ):
            raise explained(error, self._settings, topic)
        log.warning("kafka: %s", error.str())

    def _fold(self, topic: str, partition: int, records: list[Message]) -> None:
        owned = self._owned.get(partition)
        if owned is None:
            return  # revoked in the middle of a poll; whoever owns it now reads these records
        self._changed()
        self._at(topic)
        refused: list[Key] = []
        for piece, condemned in self._box.pieces(topic, partition, records):
            if self._box.alone:
                self._commit_all()
            if condemned:
                owned.set_aside(topic, piece[0], self._emitter)
                refused.append(piece[0].key())
                self._urgent.add(partition)
                continue
            urgent, keys = owned.fold(topic, piece, self._topology, self._codec, self._emitter)
            refused += keys
            if urgent:
                self._urgent.add(partition)
            if self._box.alone:
                self._commit_all()
        if topic == TICKS:
            self._breaker.passed(self._topology.inputs, partition, owned.tables.now)
        if self._breaker.trips(topic, partition, records, refused, owned.tables.now):
            self._consumer.pause([TopicPartition(topic, partition)])

    def _commit_all(self) -> None:
        """Everything that is folded, and waits until it is there."""
        self._commit(self._owned)
        self._transactions.join()

    def _take_broadcast(self) -> None:
        for message in self._broadcast.news():
            for partition, owned in self._owned.items():
                if owned.take_broadcast(message, self._topology, self._codec, self._emitter):
                    self._changed()
                if owned.journal.full:
                    self._commit((partition,))

    def _changed(self) -> None:
        if self._changed_at is None:
            self._changed_at = self._backend.monotonic()

    def _commit(self, partitions: Iterable[int]) -> None:
        """Rows, journal entries and offsets of those that advanced, in one transaction with the
        outputs.
        """
        chosen = {p: self._owned[p] for p in partitions if self._owned[p].dirty}
        if not chosen:
            return
        with self._box.uncommitted.writing():
            outbox, reached = self._outbox(chosen)
        outbox.offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in reached.items()
        ]
        self._urgent = self._urgent - chosen.keys()
        if not any(owned.dirty for owned in self._owned.values()):
            self._changed_at = None
        group = self._consumer.consumer_group_metadata()
        self._transactions.submit(outbox, group, lambda: self._committed.update(reached))

    def _outbox(self, chosen: Mapping[int, Owned[S]]) -> tuple[Outbox, dict[tuple[str, int], int]]:
        """What a commit of these partitions holds, and the next offsets it reaches. Raises Refused
        for what is too large.
        """
        outbox, reached = self._emitter.take(chosen), dict[tuple[str, int], int]()
        for partition, owned in chosen.items():
            self._topology.refresh(owned.tables)
            for topic, table in owned.tables.all().items():
                if rows := table.changed(self._codec):
                    outbox.rows.append((topic, partition, rows))
            held = sum(map(len, owned.tables.all().values()))
            entry = owned.journal.entry(owned.tables.now, self._agents, held)
            outbox.add(JOURNAL, partition, str(partition), self._codec.encode(entry))
            reached |= {
                (topic, partition): offset for topic, offset in owned.journal.next_offsets.items()
            }
            owned.dirty = False
        outbox.check()
        return outbox, reached

    def _connected(self) -> Consumer:
        settings = self._settings
        consumer = self._backend.consumer(
            settings.client(
                **{
                    "group.id": settings.group,
                    "group.instance.id": f"{settings.group}-{settings.slot}",
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                    "auto.offset.reset": "error",
                    # Cooperative-sticky does not give one worker the same partition numbers of all
                    # topics; range does.
                    "partition.assignment.strategy": "range",
                    "session.timeout.ms": settings.session_timeout_ms,
                    "heartbeat.interval.ms": settings.session_timeout_ms // 4,
                    # a restore of millions of rows happens inside one poll
                    "max.poll.interval.ms": 600_000,
                    "queued.min.messages": 200_000,
                    "queued.max.messages.kbytes": 131_072,
                    # the default, a second, is how long a full queue would starve the loop
                    "fetch.queue.backoff.ms": 2,
                    "fetch.message.max.bytes": 4_194_304,
                    "fetch.wait.max.ms": 20,
                    "check.crcs": True,  # what a disk damaged must not be taken for a record
                    "statistics.interval.ms": 1_000,
                    "stats_cb": self._measure,
                    "error_cb": self._heard,
                }
            )
        )
        consumer.subscribe(
            list(self._topology.inputs),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        return consumer

    def _assigned(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        """Restores before a single record is fetched. The heartbeat goes on in librdkafka's own
        thread.
        """
        if self._failure is not None:
            # lost and given again in one poll: this process ends, and its open transaction would be
            # waited for
            return
        offsets: dict[tuple[str, int], int] | None = None
        try:
            self._health.restoring = True
            RESTORING.set(1)
            gc.set_threshold(*COLLECT)
            numbers = _aligned(parts, self._topology.inputs)
            began = monotonic()
            log.info("restoring partitions %s", numbers)
            self._breaker.reset()
            offsets = committed(consumer, parts, self._settings)
            self._owned = restore(
                self._topology,
                self._settings,
                self._codec,
                self._admin,
                Assignment(numbers, offsets, self._broadcast.all()),
                self._box,
            )
            self._committed = {
                (topic, p): offset
                for p, one in self._owned.items()
                for topic, offset in one.journal.next_offsets.items()
            }
            self._broadcast.again()
            self._take_broadcast()
            self._catch_up(numbers)
            starts = start_offsets(self._admin, parts)
            consumer.assign(
                [TopicPartition(p.topic, p.partition, self._next(p, starts[p])) for p in parts]
            )
            consumer.pause([p for p in parts if self._breaker.opened(p.topic, p.partition)])
            gc.collect()
            gc.freeze()  # rows live on; the collector need not look at them at each turn
            RESTORE_SECONDS.set(monotonic() - began)
            ASSIGNED.set(len(numbers))
            self._health.ready = True
            log.info("partitions %s restored in %.2f s", numbers, monotonic() - began)
        except KafkaException as error:
            self._failure = Crash(ended(error.args[0], self._settings))
        except Crash as error:
            self._failure = error
        except DecodeError as error:
            self._failure = MendstreamError(
                f"What the tables or the journal hold cannot be read: {error.sentence}.",
                "Another release wrote it: use that release, or the Schema Registry that it used.",
            )
        except (MendstreamError, AssertionError) as error:
            self._failure = error
            if offsets is not None and self._overtaken(consumer, parts, offsets):
                self._failure = Crash(
                    f"another worker went on with these partitions meanwhile: {error}"
                )
        finally:
            self._health.alive()
            self._health.restoring = False
            RESTORING.set(0)

    def _overtaken(
        self,
        consumer: Consumer,
        parts: Sequence[TopicPartition],
        offsets: Mapping[tuple[str, int], int],
    ) -> bool:
        """Whether somebody committed since these offsets were read: what was restored is then of
        two moments.
        """
        try:
            return committed(consumer, parts, self._settings) != offsets
        except KafkaException:
            return True

    def _catch_up(self, partitions: Sequence[int]) -> None:
        """Reads what specs and statuses wait before any result: a fetch of several topics comes in
        no order.
        """
        parts = [TopicPartition(topic, p) for topic in self._topology.first for p in partitions]
        ends = end_offsets(
            self._admin, parts, committed_only=True
        )  # a stranger's open transaction is not waited for
        starts = start_offsets(self._admin, parts)
        ranges = {(p.topic, p.partition): (self._next(p, starts[p]), ends[p]) for p in parts}
        for batch in read(self._settings, ranges, CATCH_UP):
            for topic, partition, records in by_place(batch, self._topology.inputs):
                self._fold(topic, partition, records)
            self._health.alive()
            self._commit(self._owned)

    def _next(self, part: TopicPartition, start: int) -> int:
        """The next offset to read. Ticks that retention took are not missed: they only said what
        time it was.
        """
        offset = self._owned[part.partition].journal.next_offsets.get(part.topic, start)
        if offset < start and part.topic != TICKS:
            place = f"{self._settings.topic(part.topic)}/{part.partition}"
            raise self._gone(f"{place} begins at {start}, {offset} is next")
        return max(offset, start)

    def _gone(self, what: str) -> MendstreamError:
        return MendstreamError(
            f"Records that group {self._settings.group!r} had not read yet are gone from the log: "
            f"{what}.",
            f"Raise the topic's retention. To go on without them, {begin_anew(self._settings)}",
        )

    def _revoked(self, _consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        try:
            self._health.ready = False
            self._commit(self._owned)
            self._transactions.join()
        except KafkaException as error:
            self._failure = Crash(str(error))
        except Crash as error:
            self._failure = error
        except MendstreamError as error:
            self._failure = error
        self._owned = {}
        ASSIGNED.set(0)
        forget()
        silence_metrics.forget()
        log.info("partitions %s released", sorted({part.partition for part in parts}))

    def _lost(self, _consumer: Consumer, _parts: Sequence[TopicPartition]) -> None:
        self._owned = {}
        self._failure = Crash(
            "the group took the partitions away: this worker was too slow or cut off"
        )

    def _measure(self, statistics: str) -> None:
        measure(statistics, self._owned, self._backend.now_ms(), self._settings.topic_prefix)
        silence_metrics.measure(self._owned, self._settings.silent_ms)
        for topic in next(iter(self._owned.values())).tables.all() if self._owned else ():
            ROWS.labels(topic).set(
                sum(len(one.tables.all()[topic]) for one in self._owned.values())
            )


def _aligned(parts: Sequence[TopicPartition], inputs: Sequence[str]) -> list[int]:
    """The partition numbers, if every input came with the same ones. Raises MendstreamError."""
    by_topic: dict[str, set[int]] = {topic: set() for topic in inputs}
    for part in parts:
        by_topic[part.topic].add(part.partition)
    numbers = by_topic[inputs[0]]
    if any(other != numbers for other in by_topic.values()):
        raise MendstreamError(
            f"The group gave this worker different partitions of the inputs: {by_topic}.",
            "Give all of them the same partition count, and let no other program join the group.",
        )
    return sorted(numbers)
