"""Passes over records that Kafka cannot give out any more, on a person's word, with a dead letter
that says whose and why.

The offsets of the group and the journal must agree, so neither can be moved alone: this moves both
in one transaction.
"""

from collections.abc import Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.core.batch import DeliveredRecord
from schemas.catalog import INPUTS, JOURNAL
from schemas.codec.framing import Codec
from schemas.refusals import RefusedRecord
from streams.engine.journal import Journal
from streams.engine.outbox import Emitter
from streams.engine.restore import last_entries
from streams.engine.transaction import Crash, Transactions
from streams.kafka.admin.permissions import check_rights
from streams.kafka.admin.topic_conditions import verify
from streams.kafka.admin.topics import check
from streams.kafka.dead_letters import LEFT_OUT
from streams.kafka.error_messages import explained
from streams.kafka.reading import admin, committed, committed_reader, end_offsets
from streams.kafka.schema_ids import codec_for
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

SLOT = "skip"  # of the transactional id
MOST = 1_000  # offsets at once: each has a dead letter and a step in one journal entry
REASON = "SKIPPED"


def skip(
    settings: Settings, topic: str, partition: int, first: int, last: int, by: str, why: str
) -> int:
    """Skips the offsets from `first` to `last` of an input partition; returns how many.

    Raises MendstreamError where workers run, or the group does not stand at `first`.
    """
    _check_place(settings, topic, partition, first, last)
    client = admin(settings)
    check_rights(client, settings)
    check(client, settings)
    verify(client, settings)
    _check_stopped(client, settings)
    codec = codec_for(settings)
    try:
        transactions = Transactions(settings.model_copy(update={"slot": SLOT}), lambda _point: None)
        _skip(
            settings,
            codec,
            client,
            transactions,
            (topic, partition, first, last),
            f"{by} skipped it: {why}",
        )
        transactions.close()
    except Crash as error:
        raise MendstreamError(
            f"Nothing was skipped: {error}.", "Run it again, while no worker runs."
        ) from error
    return last - first + 1


def _skip(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    transactions: Transactions,
    place: tuple[str, int, int, int],
    sentence: str,
) -> None:
    topic, partition, first, last = place
    consumer = committed_reader(settings, group=settings.group)
    try:
        entry = last_entries(settings, codec, client, [partition]).get(partition)
        if entry is None:
            raise MendstreamError(
                f"Partition {partition} has no journal entry: no worker has taken in anything of "
                "it.",
                "Start a worker first; it tells where it cannot go on.",
            )
        journal = Journal.after(entry)
        part = TopicPartition(topic, partition)
        stands = committed(consumer, [part], settings).get((topic, partition))
        end = end_offsets(client, [part])[part]
        if journal.next_offsets.get(topic) != stands or stands != first or last >= end:
            raise MendstreamError(
                f"The group stands at offset {stands} of {topic}/{partition}, which ends at {end}; "
                f"{first} to {last} is not "
                "what comes next.",
                "Only what a worker stands before can be skipped: name that offset.",
            )
        emitter = Emitter(codec, f"mendstream/{settings.group}", settings.partitions)
        for offset in range(first, last + 1):
            journal.set_aside(topic, offset)
            emitter.dead_letter(
                topic, partition, _unread(offset), RefusedRecord(0, REASON, sentence)
            )
        outbox = emitter.take([partition])
        made = codec.encode(journal.entry(entry.now, entry.agents, entry.rows))
        outbox.add(JOURNAL, partition, str(partition), made)
        outbox.offsets = [TopicPartition(topic, partition, last + 1)]
        transactions.submit(outbox, consumer.consumer_group_metadata(), lambda: None)
        transactions.join()
    finally:
        consumer.close()


def _check_place(settings: Settings, topic: str, partition: int, first: int, last: int) -> None:
    if topic not in INPUTS:
        raise MendstreamError(f"{topic!r} is no input.", f"The inputs are {', '.join(INPUTS)}.")
    if not 0 <= partition < settings.partitions:
        raise MendstreamError(
            f"There is no partition {partition}.", f"Name one below {settings.partitions}."
        )
    if not 0 <= first <= last:
        raise MendstreamError(
            f"{first} to {last} are no offsets.",
            "Name the first, and one at or behind it with --to.",
        )
    if last - first >= MOST:
        raise MendstreamError(
            f"{last - first + 1} offsets are more than {MOST}.", "Skip them in several runs."
        )


def _check_stopped(client: AdminClient, settings: Settings) -> None:
    """Raises MendstreamError while workers are in the group: one that goes on would write the same
    journal entry.
    """
    try:
        described = client.describe_consumer_groups([settings.group])[settings.group].result()
    except KafkaException as error:
        raise explained(error.args[0], settings, group=settings.group) from error
    members: Sequence[object] = described.members
    if members:
        raise MendstreamError(
            f"{len(members)} workers are in the group {settings.group!r}.",
            "Stop them first; one that was killed leaves it after MENDSTREAM_SESSION_TIMEOUT_MS.",
        )


def _unread(offset: int) -> DeliveredRecord:
    """A record of which only the place is known."""
    return DeliveredRecord(None, offset, 0, headed=((LEFT_OUT, b""),))
