"""Plain reading from Kafka."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from operator import is_

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from streams.kafka.admin_types import OffsetSpec
from streams.kafka.backend import backend_of
from streams.kafka.batches import runs
from streams.kafka.error_messages import UNREADABLE, LastClientError, explained
from streams.runtime.clock import POLL_SECONDS, monotonic, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import ClientConfig, Settings

log = logging.getLogger("mendstream.kafka")

TIMEOUT_SECONDS = 30.0
# Without a record that is wanted, an offset passed over or an end that is reached reading gives up,
# later than Kafka ends the longest transaction of a worker: a minute and ten seconds between looks.
_PATIENCE_SECONDS = 75.0
_TOLD_SECONDS = 10.0  # after which it is said what is waited for
# the group of all that only read: librdkafka wants a name; nothing joins it or commits
READER = "mendstream-reader"
_PASSING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
}
_SEEKING = {  # librdkafka looks for the group's coordinator anew, but does not call these retriable
    KafkaError._TIMED_OUT,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


TopicPartitionKey = tuple[str, int]  # topic, partition


def committed_reader(
    settings: Settings, more: ClientConfig | None = None, group: str = READER
) -> Consumer:
    """Returns a consumer of committed records that is to be assigned its partitions.

    It commits no offsets by itself and joins no group. more: librdkafka's settings beside these.
    group: whose offsets it may ask for or commit; who only reads has no need to name one.
    """
    ours: ClientConfig = {
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
    }
    return backend_of(settings).consumer(settings.client(**ours, **(more or {})))


def admin(settings: Settings, seconds: float = 5.0) -> AdminClient:
    """A client that has reached Kafka. Raises MendstreamError where it cannot."""
    heard = LastClientError()
    try:
        client = backend_of(settings).admin(settings.client(error_cb=heard))
    except KafkaException as error:  # a certificate that cannot be read, for example
        raise explained(error.args[0], settings) from error
    deadline = monotonic() + seconds
    while True:
        try:
            if client.list_topics(timeout=1.0).brokers:
                return client
        except KafkaException as error:
            client.poll(0.0)
            if heard.refused() or monotonic() > deadline:
                raise explained(heard.error or error.args[0], settings) from error
        else:
            # A broker that its controller still shuts out names no broker; a client that was told
            # so has none to ask again.
            if monotonic() > deadline:
                raise explained(heard.error, settings)
            wait_until(lambda: False, POLL_SECONDS)
            client = backend_of(settings).admin(settings.client(error_cb=heard))


def end_offsets(
    client: AdminClient, parts: Sequence[TopicPartition], committed_only: bool = False
) -> dict[TopicPartition, int]:
    """The end of each partition's log.

    Not `committed_only`: records of open transactions count, so that a reader who wants everything
    that may yet be committed knows how far to read.
    """
    return _offsets(client, parts, OffsetSpec.latest(), committed_only)  # type: ignore[no-untyped-call]


def start_offsets(
    client: AdminClient, parts: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The first offset that retention left in each partition."""
    return _offsets(client, parts, OffsetSpec.earliest(), False)  # type: ignore[no-untyped-call]


def _offsets(
    client: AdminClient, parts: Sequence[TopicPartition], spec: OffsetSpec, committed_only: bool
) -> dict[TopicPartition, int]:
    if not parts:
        return {}
    level = IsolationLevel.READ_COMMITTED if committed_only else IsolationLevel.READ_UNCOMMITTED
    deadline = monotonic() + TIMEOUT_SECONDS
    while True:
        asked = client.list_offsets(
            dict.fromkeys(parts, spec), isolation_level=level, request_timeout=10.0
        )
        try:
            return {part: future.result().offset for part, future in asked.items()}
        except KafkaException as error:
            # A leader that just moved, or a topic just created, is known everywhere a moment later.
            if error.args[0].code() not in _PASSING or monotonic() > deadline:
                raise
            wait_until(lambda: False, POLL_SECONDS)
            client.list_topics(timeout=5.0)


def read(
    settings: Settings, ranges: Mapping[TopicPartitionKey, tuple[int, int]], batch: int = 10_000
) -> Iterator[list[Message]]:
    """Committed records of several partitions, each from an offset up to, not including, another;
    in batches.

    Each partition's records come in order. Raises MendstreamError if nothing comes for
    75 s.
    """
    for places in read_places(settings, ranges, batch):
        yield [message for records in places.values() for message in records]


def read_places(
    settings: Settings,
    ranges: Mapping[TopicPartitionKey, tuple[int, int]],
    batch: int = 10_000,
    damaged: bool = False,
) -> Iterator[dict[TopicPartitionKey, list[Message]]]:
    """Yields batches as `read` does, by topic and partition. damaged: what cannot be read is left
    out, not raised.
    """
    open_ends = {key: end for key, (start, end) in ranges.items() if start < end}
    if not open_ends:
        return
    consumer = committed_reader(
        settings,
        {
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            # enough to keep a reader busy, and given back late if at all
            "queued.max.messages.kbytes": 32_768,
            # the default, a second, is how long a full queue would starve the loop
            "fetch.queue.backoff.ms": 2,
            "check.crcs": True,  # what a disk damaged must not be taken for a row
            "fetch.wait.max.ms": 10,  # an empty partition says so at once
        },
    )
    try:
        consumer.assign(
            [TopicPartition(topic, p, max(ranges[topic, p][0], 0)) for topic, p in open_ends]
        )
        nexts = {place: max(ranges[place][0], 0) for place in open_ends} if damaged else None
        yield from _until(consumer, settings, open_ends, batch, nexts)
    finally:
        consumer.close()


def _until(
    consumer: Consumer,
    settings: Settings,
    open_ends: dict[TopicPartitionKey, int],
    batch: int,
    damaged: dict[TopicPartitionKey, int] | None,
) -> Iterator[dict[TopicPartitionKey, list[Message]]]:
    stall, reached = _Stall(), dict[TopicPartitionKey, int]()
    while open_ends:
        messages, places = consumer.consume(batch, timeout=0.05), len(open_ends)
        fine = all(map(is_, map(Message.error, messages), repeat(None)))
        good = messages if fine else [message for message in messages if message.error() is None]
        wanted = _before(good, open_ends) if good else {}
        if wanted:
            if damaged is not None:
                damaged.update(
                    {place: (records[-1].offset() or 0) + 1 for place, records in wanted.items()}
                )
            yield wanted
        passed = False
        for message in messages if len(good) < len(messages) else ():
            error = message.error()
            if error is None:
                continue
            if damaged is not None and _passed(consumer, message, open_ends, damaged):
                passed = True
            else:
                _end_or_fault(message, error, settings, open_ends, reached)
        goes_on = bool(wanted) or passed or len(open_ends) < places
        stall.look(goes_on, settings, open_ends, reached)


class _Stall:
    """How long nothing that is wanted has come. It is said after a while, and given up later:
    where a transaction stays open, committed records end before it.
    """

    def __init__(self) -> None:
        self._since = monotonic()
        self._told = False

    def look(
        self,
        goes_on: bool,
        settings: Settings,
        open_ends: Mapping[TopicPartitionKey, int],
        reached: Mapping[TopicPartitionKey, int],
    ) -> None:
        """reached: where the committed records of each place ended. Raises MendstreamError where
        nothing has come for too long.
        """
        if goes_on:
            self._since, self._told = monotonic(), False
            return
        waited = monotonic() - self._since
        held = sorted(place for place in reached if place in open_ends)
        if waited > _PATIENCE_SECONDS:
            raise (
                _held_back(settings, held, open_ends, reached)
                if held
                else explained(None, settings)
            )
        if waited > _TOLD_SECONDS and not self._told:
            self._told = True
            what = ", ".join(f"{settings.topic(topic)}/{p}" for topic, p in held[:4])
            log.warning(
                "nothing has come for %.0f s of %s; given up after %.0f s",
                waited,
                f"what a transaction holds back: {what}" if held else "Kafka",
                _PATIENCE_SECONDS,
            )


def _held_back(
    settings: Settings,
    held: Sequence[TopicPartitionKey],
    open_ends: Mapping[TopicPartitionKey, int],
    reached: Mapping[TopicPartitionKey, int],
) -> MendstreamError:
    """Committed records end before what is wanted: a transaction is open there that its producer
    does not end any more, and Kafka does not end it either.
    """
    topic, partition = place = held[0]
    name, more = settings.topic(topic), f", and of {len(held) - 1} more" if len(held) > 1 else ""
    return MendstreamError(
        f"Committed records of {name}/{partition} end at offset {reached[place]}{more}; up to "
        f"{open_ends[place]} a transaction holds them back, for more than {_PATIENCE_SECONDS:.0f} "
        "s.",
        f"End it: `kafka-transactions.sh --bootstrap-server {settings.bootstrap} abort --topic "
        f"{name} --partition {partition} --start-offset {reached[place]}`; what was committed "
        "stays.",
    )


def _passed(
    consumer: Consumer,
    message: Message,
    open_ends: dict[TopicPartitionKey, int],
    nexts: dict[TopicPartitionKey, int],
) -> bool:
    """Returns whether a message says that what comes next of a place is damaged; goes on behind it
    then, offset by offset.

    librdkafka does not find its way past a damaged batch by itself.
    """
    error, place = message.error(), (message.topic() or "", message.partition() or 0)
    if error is None or error.code() not in UNREADABLE or place not in nexts:
        return False
    nexts[place] += 1
    if nexts[place] >= open_ends.get(place, 0):
        open_ends.pop(place, None)
        consumer.pause([TopicPartition(*place)])
    else:
        consumer.seek(TopicPartition(*place, nexts[place]))
    return True


def _before(
    messages: list[Message], open_ends: dict[TopicPartitionKey, int]
) -> dict[TopicPartitionKey, list[Message]]:
    """The messages before the ends; closes partitions whose last wanted record is among them."""
    found = {}
    for place, records in runs(messages).items():
        end, last = open_ends.get(place, 0), records[-1].offset() or 0
        if last >= end:
            records = [message for message in records if (message.offset() or 0) < end]
        if last + 1 >= end:
            open_ends.pop(place, None)
        if records:
            found[place] = records
    return found


def _end_or_fault(
    message: Message,
    error: KafkaError,
    settings: Settings,
    open_ends: dict[TopicPartitionKey, int],
    reached: dict[TopicPartitionKey, int],
) -> None:
    """The end of a partition's log, past the last wanted offset, closes it, and before that is
    noted in `reached`; other errors are raised.
    """
    if error.code() != KafkaError._PARTITION_EOF:
        if error.retriable() or error.code() in _PASSING:
            return
        raise explained(error, settings, message.topic(), READER)
    place = message.topic() or "", message.partition() or 0
    reached[place] = message.offset() or 0
    if reached[place] >= open_ends.get(place, 0):
        open_ends.pop(place, None)


def committed(
    consumer: Consumer, parts: Sequence[TopicPartition], settings: Settings, seconds: float = 60.0
) -> dict[tuple[str, int], int]:
    """The group's next offsets, absent where it has none; waits for transactions that are being
    committed.
    """
    began, told = monotonic(), False
    deadline = began + seconds
    while True:
        if not told and monotonic() > began + _TOLD_SECONDS:
            log.warning("waiting for the group's offsets, which a transaction holds back")
            told = True
        try:
            found = consumer.committed(list(parts), timeout=10.0)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() not in _SEEKING:
                raise
            if monotonic() > deadline:
                raise explained(error.args[0], settings) from error
            wait_until(lambda: False, POLL_SECONDS)
            continue
        failed = [part.error for part in found if part.error is not None]
        if not failed:
            return {(part.topic, part.partition): part.offset for part in found if part.offset >= 0}
        if monotonic() > deadline:
            raise explained(failed[0], settings)
