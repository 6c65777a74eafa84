"""Plain reading from Kafka, and Kafka's errors as sentences."""

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
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.clock import POLL_SECONDS, monotonic, wait_until
from streams.config import Settings
from streams.door import door
from streams.errors import MendstreamError
from streams.grouping import runs

TIMEOUT_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0  # without a single record or end of a log, reading gives up
READER = "mendstream-reader"  # the group of all that only read: librdkafka wants a name; nothing joins it or commits
# Topics have the same names for every group, so a group of another name alone would find the old tables.
BEGIN_ANEW = (
    "begin anew: stop all workers, delete journal.v1 and all tables.*.v1, run `mendstream topics create`, and start with a "
    "--group that was never used; it judges again what the inputs still hold."
)
REMEDY = "`mendstream topics acls` lists the rights of each role; with --create an administrator grants them."
_AUTH = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
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
_FENCED = {
    KafkaError._FENCED,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
}
DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
# A batch that is damaged: asking again gives the same bytes. Behind one librdkafka may take anything for a batch.
UNREADABLE = {
    KafkaError._BAD_MSG,
    KafkaError._BAD_COMPRESSION,
    KafkaError._NOT_IMPLEMENTED,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
}


Place = tuple[str, int]  # topic, partition


class Heard:
    """The last thing that librdkafka said went wrong; a time-out alone does not tell an absent broker from a refusal."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if not self.refused() and not (self.error and error.code() == KafkaError._ALL_BROKERS_DOWN):
            self.error = error

    def refused(self) -> bool:
        """Whether Kafka answered and said no to our name or password."""
        return self.error is not None and self.error.code() in _AUTH


def principal(settings: Settings) -> str:
    """Whom Kafka takes us for, as a person knows it."""
    if settings.security_protocol.startswith("SASL"):
        return repr(settings.sasl_username)
    return f"the owner of {settings.ssl_certificate_location}" if settings.ssl_certificate_location else "ANONYMOUS"


def transactional_prefix(group: str) -> str:
    """What the transactional ids of a group's workers begin with; the name of the slot follows."""
    return f"{group}-"


def ended(error: KafkaError, settings: Settings) -> str:
    """Why Kafka ended a worker, as a sentence; of what is not known, what the client says."""
    if error.code() not in _FENCED:
        return str(error)
    return (
        f"another worker of group {settings.group!r} has taken slot {settings.slot!r} over: it is this one started again, or "
        "two have one slot; give each its own (--slot, MENDSTREAM_SLOT)"
    )


def explained(
    error: KafkaError | None, settings: Settings, topic: str | None = None, group: str | None = None
) -> MendstreamError:
    """What a Kafka error means to the person who started us; topic, group: of what it was said, where that is known."""
    code, said = (error.code(), error.str()) if error is not None else (None, "")
    if code in _AUTH:
        return MendstreamError(
            f"Kafka at {settings.bootstrap} refused the name or password of {settings.sasl_username!r}.",
            "Set MENDSTREAM_SASL_USERNAME and MENDSTREAM_SASL_PASSWORD.",
        )
    if code in DENIED:
        resource = {
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"topic {topic}" if topic else said,
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"READ group {group or settings.group}",
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "WRITE transactional id "
            f"{transactional_prefix(settings.group)}{settings.slot}",
        }.get(code, said)
        return MendstreamError(f"Kafka at {settings.bootstrap} denies {principal(settings)} this: {resource}.", REMEDY)
    if code == KafkaError._INVALID_ARG:
        return MendstreamError(f"The settings do not make a connection: {said}.", "See `mendstream config`.")
    if code == KafkaError._SSL or "SSL routines" in said:
        return MendstreamError(
            f"Kafka at {settings.bootstrap} and Mendstream do not agree on TLS: {said}.",
            "Set MENDSTREAM_SSL_CA_LOCATION to the authority of Kafka's certificate, and where Kafka wants ours, "
            "MENDSTREAM_SSL_CERTIFICATE_LOCATION and MENDSTREAM_SSL_KEY_LOCATION.",
        )
    if code in (None, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT):
        return MendstreamError(
            f"No Kafka answers at {settings.bootstrap}.",
            "Start one (`mendstream dev` brings its own) or set MENDSTREAM_BOOTSTRAP; MENDSTREAM_SECURITY_PROTOCOL must be "
            f"what it speaks there, not {settings.security_protocol} if that is something else.",
        )
    return MendstreamError(f"Kafka at {settings.bootstrap} says: {error}.", "See the broker's log.")


def unreadable(error: KafkaError, topic: str, partition: int, offset: int) -> MendstreamError:
    """What a damaged batch means to the person who started us; offset: where reading was to go on."""
    return MendstreamError(
        f"{topic}/{partition} cannot be read from offset {offset} on: {error.str()}.",
        "Look at the brokers' disks and logs. If the records are lost on every replica, stop the workers and run "
        f"`mendstream skip {topic} {partition} {offset} --by YOU --why WHY`, with --to for more than one.",
    )


def admin(settings: Settings, seconds: float = 5.0) -> AdminClient:
    """A client that has reached Kafka. Raises MendstreamError where it cannot."""
    heard = Heard()
    try:
        client = door(settings).admin(settings.client(error_cb=heard))
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
            # A broker that its controller still shuts out names no broker; a client that was told so has none to ask again.
            if monotonic() > deadline:
                raise explained(heard.error, settings)
            wait_until(lambda: False, POLL_SECONDS)
            client = door(settings).admin(settings.client(error_cb=heard))


def end_offsets(
    client: AdminClient, parts: Sequence[TopicPartition], committed_only: bool = False
) -> dict[TopicPartition, int]:
    """The end of each partition's log.

    Not `committed_only`: records of open transactions count, so that a reader who wants everything that may yet be
    committed knows how far to read.
    """
    return _offsets(client, parts, OffsetSpec.latest(), committed_only)  # type: ignore[no-untyped-call]


def start_offsets(client: AdminClient, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
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
        asked = client.list_offsets(dict.fromkeys(parts, spec), isolation_level=level, request_timeout=10.0)
        try:
            return {part: future.result().offset for part, future in asked.items()}
        except KafkaException as error:
            # A leader that just moved, or a topic just created, is known everywhere a moment later.
            if error.args[0].code() not in _PASSING or monotonic() > deadline:
                raise
            wait_until(lambda: False, POLL_SECONDS)
            client.list_topics(timeout=5.0)


def read(settings: Settings, ranges: Mapping[Place, tuple[int, int]], batch: int = 10_000) -> Iterator[list[Message]]:
    """Committed records of several partitions, each from an offset up to, not including, another; in batches.

    Each partition's records come in order. Raises MendstreamError if nothing comes for a minute.
    """
    for places in read_places(settings, ranges, batch):
        yield [message for records in places.values() for message in records]


def read_places(
    settings: Settings, ranges: Mapping[Place, tuple[int, int]], batch: int = 10_000, damaged: bool = False
) -> Iterator[dict[Place, list[Message]]]:
    """The same, the records of each place by themselves. damaged: what cannot be read is left out, not raised."""
    open_ends = {key: end for key, (start, end) in ranges.items() if start < end}
    if not open_ends:
        return
    consumer = door(settings).consumer(
        settings.client(
            **{
                "group.id": READER,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 32_768,  # enough to keep a reader busy, and given back late if at all
                "fetch.queue.backoff.ms": 2,  # the default, a second, is how long a full queue would starve the loop
                "check.crcs": True,  # what a disk damaged must not be taken for a row
                "fetch.wait.max.ms": 10,  # an empty partition says so at once
            }
        )
    )
    try:
        consumer.assign([TopicPartition(topic, p, max(ranges[topic, p][0], 0)) for topic, p in open_ends])
        nexts = {place: max(ranges[place][0], 0) for place in open_ends} if damaged else None
        yield from _until(consumer, settings, open_ends, batch, nexts)
    finally:
        consumer.close()


def _until(
    consumer: Consumer, settings: Settings, open_ends: dict[Place, int], batch: int, damaged: dict[Place, int] | None
) -> Iterator[dict[Place, list[Message]]]:
    patience = monotonic() + _PATIENCE_SECONDS
    while open_ends:
        messages = consumer.consume(batch, timeout=0.05)
        fine = all(map(is_, map(Message.error, messages), repeat(None)))
        good = messages if fine else [message for message in messages if message.error() is None]
        if good and (wanted := _before(good, open_ends)):
            if damaged is not None:
                damaged.update({place: (records[-1].offset() or 0) + 1 for place, records in wanted.items()})
            yield wanted
        for message in messages if len(good) < len(messages) else ():
            error = message.error()
            if error is not None and not (damaged is not None and _passed(consumer, message, open_ends, damaged)):
                _end_or_fault(message, error, settings, open_ends)
        if messages:
            patience = monotonic() + _PATIENCE_SECONDS
        elif monotonic() > patience:
            raise explained(None, settings)


def _passed(consumer: Consumer, message: Message, open_ends: dict[Place, int], nexts: dict[Place, int]) -> bool:
    """Whether a message says that what comes next of a place is damaged; goes on behind it then, offset by offset.

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


def _before(messages: list[Message], open_ends: dict[Place, int]) -> dict[Place, list[Message]]:
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


def _end_or_fault(message: Message, error: KafkaError, settings: Settings, open_ends: dict[Place, int]) -> None:
    """The end of a partition's log, past the last wanted offset, closes it; other errors are raised."""
    if error.code() != KafkaError._PARTITION_EOF:
        if error.retriable() or error.code() in _PASSING:
            return
        raise explained(error, settings, message.topic(), READER)
    place = message.topic() or "", message.partition() or 0
    if (message.offset() or 0) >= open_ends.get(place, 0):
        open_ends.pop(place, None)


def committed(
    consumer: Consumer, parts: Sequence[TopicPartition], settings: Settings, seconds: float = 60.0
) -> dict[tuple[str, int], int]:
    """The group's next offsets, absent where it has none; waits for transactions that are being committed."""
    deadline = monotonic() + seconds
    while True:
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
