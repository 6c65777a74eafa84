"""One worker's part in the consumer group: reads its partitions, brings them back when they are
given to it, and lets them go.

Whatever goes wrong inside a callback of the consumer is kept, and raised by the poll in which it
ran.
"""

import gc
import logging
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import TICKS
from schemas.codec.framing import Codec
from schemas.refusals import DecodeError
from streams.engine.backlog import Backlog
from streams.engine.broadcast import Broadcast
from streams.engine.circuit_breaker import Breaker, Key
from streams.engine.partition import Owned
from streams.engine.partition_metrics import forget, measure_lag, measure_silence
from streams.engine.quarantine import BlackBox
from streams.engine.restore import Assignment, restore
from streams.engine.topology import S, Topology
from streams.engine.transaction import Crash
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
from streams.kafka.reading import committed, end_offsets, read, start_offsets
from streams.runtime.clock import monotonic
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import ASSIGNED, RESTORE_SECONDS, RESTORING, ROWS
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.processor")

# how long an idle loop waits for the next record; ticks and stopping are looked at as often
POLL_SECONDS = 0.05
# records of what waits at a start that are committed together: decisions of each may be several
CATCH_UP = 2_000
COLLECT = (
    200_000,
    20,
    20,
)  # messages come and go by ten thousands; the default would look at them at every turn


class Turn(Protocol):
    """Defines what a member of the group asks of the loop that it works for, from inside of a
    poll.
    """

    def begin(self, next_offsets: dict[tuple[str, int], int]) -> None:
        """Partitions were restored: these are the offsets, by topic and partition, that are
        committed. Applies what stands on the broadcast topics.
        """

    def fold(self, topic: str, partition: int, records: list[Message]) -> None:
        """Folds records of one partition of an input, in their order."""

    def commit(self) -> None:
        """Commits all that is folded, and need not wait for the end of it."""

    def settle(self) -> None:
        """Commits all that is folded, and waits until it is there."""


class Membership(Generic[S]):
    """The consumer of one worker, and the partitions that the group gave it.

    owned: each partition that is restored, by its number. Only the callbacks of this class set it,
    always as a whole: it is empty before the first assignment and after a release. backlog: what
    was delivered of them, of which the loop takes a part at each turn.
    """

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        client: AdminClient,
        turn: Turn,
        *,
        topology: Topology[S],
        health: Health,
        box: BlackBox,
    ) -> None:
        """Reads the broadcast topics and joins the group; the first assignment comes inside of a
        later poll.

        turn: folds and commits what waits at a start, and commits before a release.
        """
        self._settings, self._codec, self._topology = settings, codec, topology
        self._backend = backend_of(settings)
        self._admin, self._turn, self._health = client, turn, health
        self._broadcast = Broadcast(settings, client)
        self._breaker = Breaker(settings.breaker)
        self._box = box
        self.owned: dict[int, Owned[S]] = {}
        self.backlog = Backlog(topology.inputs, settings.batch, self._backend.monotonic)
        self._failure: BaseException | None = None
        self._heard = LastClientError()
        self._consumer = self._connected()

    def poll(self) -> None:
        """Takes into the backlog the next record as soon as it is there, and with it those that are
        there already. Where something waits, nothing is waited for.

        Raises what a callback failed with, and Crash or MendstreamError for what Kafka says in
        place of a record.
        """
        seconds = min(POLL_SECONDS, self._settings.commit_ms / 1_000)
        self.backlog.poll(self._consumer, seconds, self._good)

    def news(self) -> list[Message]:
        """Returns records of the broadcast topics that were not told yet. Raises MendstreamError
        once Kafka denies them.
        """
        return self._broadcast.news()

    def folded(
        self, topic: str, partition: int, records: list[Message], refused: list[Key]
    ) -> None:
        """Pauses an input of which too much is refused. refused: the keys of those records."""
        now = self.owned[partition].tables.now
        if topic == TICKS:
            self._breaker.passed(self._topology.inputs, partition, now)
        if self._breaker.trips(topic, partition, records, refused, now):
            self._consumer.pause([TopicPartition(topic, partition)])
            self.backlog.drop((topic, partition))

    def metadata(self) -> object:
        """Returns what a transaction needs so as to commit offsets of the group."""
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        """Leaves the group, which hands the partitions over."""
        self._consumer.close()
        self._broadcast.close()

    def _good(self, messages: list[Message]) -> list[Message]:
        """The records among the messages; the others are news of Kafka. Raises what a callback
        failed with, for these run inside the poll that brought them.
        """
        if self._failure is not None:
            raise self._failure
        errors = list(map(Message.error, messages))
        if not any(errors):  # not by ==, which a KafkaError cannot do with None
            return messages
        for message, error in zip(messages, errors, strict=True):
            if error is not None:
                self._bad_news(error, message)
        return [message for message, error in zip(messages, errors, strict=True) if error is None]

    def _bad_news(self, error: KafkaError, message: Message) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() in UNREADABLE and topic is not None and partition in self.owned:
            raise unreadable(
                error, topic, partition, self.owned[partition].journal.next_offsets.get(topic, 0)
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

    def _gone(self, what: str) -> MendstreamError:
        return MendstreamError(
            f"Records that group {self._settings.group!r} had not read yet are gone from the log: "
            f"{what}.",
            f"Raise the topic's retention. To go on without them, {begin_anew(self._settings)}",
        )

    def _next(self, part: TopicPartition, start: int) -> int:
        """The next offset to read. Ticks that retention took are not missed: they only said what
        time it was.
        """
        offset = self.owned[part.partition].journal.next_offsets.get(part.topic, start)
        if offset < start and part.topic != TICKS:
            place = f"{self._settings.topic(part.topic)}/{part.partition}"
            raise self._gone(f"{place} begins at {start}, {offset} is next")
        return max(offset, start)

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
            self._health.preparing = True
            RESTORING.set(1)
            gc.set_threshold(*COLLECT)
            numbers = _aligned(parts, self._topology.inputs)
            began = monotonic()
            log.info("restoring partitions %s", numbers)
            self.backlog.clear()
            self._breaker.reset()
            offsets = committed(consumer, parts, self._settings)
            self.owned = restore(
                self._topology,
                self._settings,
                self._codec,
                self._admin,
                Assignment(numbers, offsets, self._broadcast.all()),
                self._box,
            )
            self._broadcast.again()
            self._turn.begin(
                {
                    (topic, p): offset
                    for p, one in self.owned.items()
                    for topic, offset in one.journal.next_offsets.items()
                }
            )
            self._catch_up(numbers)
            starts = start_offsets(self._admin, parts)
            consumer.assign(
                [TopicPartition(p.topic, p.partition, self._next(p, starts[p])) for p in parts]
            )
            self.backlog.regulate(consumer)
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
            self._health.preparing = False
            RESTORING.set(0)

    def _overtaken(
        self,
        consumer: Consumer,
        parts: Sequence[TopicPartition],
        offsets: Mapping[tuple[str, int], int],
    ) -> bool:
        """Returns whether somebody committed since these offsets were read: what was restored is
        then of two moments.
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
                self._turn.fold(topic, partition, records)
            self._health.alive()
            self._turn.commit()

    def _revoked(self, _consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        try:
            self._health.ready = False
            self._turn.settle()
        except KafkaException as error:
            self._failure = Crash(str(error))
        except Crash as error:
            self._failure = error
        except MendstreamError as error:
            self._failure = error
        self.owned = {}
        self.backlog.clear()
        ASSIGNED.set(0)
        forget()
        log.info("partitions %s released", sorted({part.partition for part in parts}))

    def _lost(self, _consumer: Consumer, _parts: Sequence[TopicPartition]) -> None:
        self.owned = {}
        self.backlog.clear()
        self._failure = Crash(
            "the group took the partitions away: this worker was too slow or cut off"
        )

    def _measure(self, statistics: str) -> None:
        measure_lag(
            statistics,
            self.owned,
            self._backend.now_ms(),
            self._settings.topic_prefix,
            self.backlog.waits,
        )
        measure_silence(self.owned, self._settings.silent_ms)
        for topic in next(iter(self.owned.values())).tables.all() if self.owned else ():
            ROWS.labels(topic).set(sum(len(one.tables.all()[topic]) for one in self.owned.values()))

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
                    # of all places together, of which none is fetched where so many wait
                    "queued.min.messages": 100_000,
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
