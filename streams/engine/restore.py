"""Brings partitions back as their last committed transaction left them: rows, journal, ids seen,
policies.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import pyarrow as pa
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.core.batch import Slice
from agents.flow.pipeline import keeps_broadcasts
from schemas.catalog import JOURNAL, TICKS
from schemas.codec.framing import Codec
from schemas.records import JournalEntry
from streams.engine.journal import Journal
from streams.engine.partition import Owned
from streams.engine.quarantine import BlackBox
from streams.engine.topology import PartitionMemory, S, Topology
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import begin_anew
from streams.kafka.reading import TopicPartitionKey, end_offsets, read, read_places, start_offsets
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import RESTORE_OFFSETS, RESTORE_READ
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.restore")

# records taken at a time, some 20 MB: in larger pieces they are decoded faster; below SLICE_MAX
_BATCH = 30_000
# offsets looked at first for the last journal entry; transaction markers stand between entries
_TAIL = 64


@dataclass(frozen=True, slots=True)
class Assignment:
    """Partitions given to a worker, and how far their group is.

    committed: the group's next offset by topic and partition. broadcast: every record that stands
    on the broadcast topics.
    """

    partitions: Sequence[int]
    committed: Mapping[tuple[str, int], int]
    broadcast: Sequence[Message]


def restore(
    topology: Topology[S],
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    assignment: Assignment,
    box: BlackBox,
) -> dict[int, Owned[S]]:
    """Returns each partition with its tables as its last transaction left them.

    Raises MendstreamError if what is stored contradicts itself: better no decision than a wrong
    one.
    """
    partitions = assignment.partitions
    RESTORE_READ.set(0)
    RESTORE_OFFSETS.set(0)
    owned = {p: Owned(topology.state(p, settings), Journal(p)) for p in partitions}
    entries = last_entries(settings, codec, client, partitions)
    for p, entry in entries.items():
        owned[p].journal = Journal.after(entry)
        owned[p].tables.now = owned[p].ticked_at = entry.now
    _check(owned, assignment.committed, settings)
    known = [p for p in partitions if p in entries]
    _read_rows(settings, codec, client, {p: owned[p].tables for p in known})
    for p in known:
        _check_rows(owned[p].tables, entries[p], settings)
    for one in owned.values():
        topology.rebuild(one.tables)
    _read_ids(topology, settings, codec, client, {p: owned[p] for p in known}, box)
    for p in known:
        if not keeps_broadcasts(entries[p].agents):
            _take_over(owned[p], topology, assignment.broadcast, codec)
    pa.default_memory_pool().release_unused()  # what decoding took
    return owned


def _take_over(
    one: Owned[S], topology: Topology[S], broadcast: Sequence[Message], codec: Codec
) -> None:
    """Takes over what an older Mendstream applied of the broadcast topics, of which it kept no
    rows.

    Where rows are kept they alone count, also where there are none: the topic holds what was
    refused, too, and compaction may have left of two records under one key the refused one.
    """
    for message in broadcast:
        topic = message.topic() or ""
        if (message.offset() or 0) < one.journal.broadcast_offsets[topic]:
            topology.take_broadcast(topic, message.value(), one.tables, codec, True)


def _counted(
    settings: Settings, ranges: Mapping[TopicPartitionKey, tuple[int, int]], damaged: bool = False
) -> Iterator[dict[TopicPartitionKey, list[Message]]]:
    """Reads ranges, and shows how far it is."""
    RESTORE_OFFSETS.inc(sum(max(0, end - max(start, 0)) for start, end in ranges.values()))
    for places in read_places(settings, ranges, _BATCH, damaged):
        RESTORE_READ.inc(sum(map(len, places.values())))
        yield places


def last_entries(
    settings: Settings, codec: Codec, client: AdminClient, partitions: Sequence[int]
) -> dict[int, JournalEntry]:
    """The last journal entry of each partition that has one."""
    parts = [TopicPartition(JOURNAL, p) for p in partitions]
    ends = {part.partition: end for part, end in end_offsets(client, parts).items()}
    starts = {part.partition: start for part, start in start_offsets(client, parts).items()}
    found: dict[int, JournalEntry] = {}
    tail = _TAIL
    wanted = {p for p in partitions if ends[p] > starts[p]}
    while wanted:
        ranges = {(JOURNAL, p): (max(starts[p], ends[p] - tail), ends[p]) for p in wanted}
        for batch in read(settings, ranges):
            for message in batch:
                entry = codec.decode("JournalEntry", message.value())
                assert isinstance(entry, JournalEntry)
                found[entry.partition] = entry
        wanted = {p for p in wanted if p not in found and ends[p] - tail > starts[p]}
        tail *= 16
    return found


def _check(
    owned: Mapping[int, Owned[S]], committed: Mapping[tuple[str, int], int], settings: Settings
) -> None:
    """The journal and the group's offsets were committed together, so they must agree."""
    for p, one in owned.items():
        offsets = {topic: offset for (topic, part), offset in committed.items() if part == p}
        if offsets != one.journal.next_offsets:
            raise MendstreamError(
                f"Partition {p}: the journal ends at {one.journal.next_offsets}, the group "
                f"{settings.group!r} "
                f"at {offsets}.",
                "Nothing was changed. Were offsets reset, or did they expire "
                "(offsets.retention.minutes)? Set the group's "
                f"to the journal's. Was a topic deleted? Then {begin_anew(settings)}",
            )


def _check_rows(tables: PartitionMemory, entry: JournalEntry, settings: Settings) -> None:
    """Rows were committed together with their count, so a table topic that lost any shows."""
    found = {topic: len(table) for topic, table in tables.all().items()}
    if entry.rows not in (-1, sum(found.values())):
        raise MendstreamError(
            f"Partition {tables.partition}: the journal counts {entry.rows} rows, the table topics "
            f"hold {found}.",
            "Nothing was changed. Was a table topic deleted, or its retention changed? Restore "
            f"it, or {begin_anew(settings)}",
        )


def _read_rows(
    settings: Settings, codec: Codec, client: AdminClient, tables: Mapping[int, PartitionMemory]
) -> None:
    topics = [topic for one in tables.values() for topic in one.all()]
    parts = [TopicPartition(topic, p) for topic in dict.fromkeys(topics) for p in tables]
    ends, starts = end_offsets(client, parts), start_offsets(client, parts)
    ranges = {(part.topic, part.partition): (starts[part], ends[part]) for part in parts}
    for places in _counted(settings, ranges):
        for (topic, p), records in places.items():
            keys = [(key or b"").decode() for key in map(Message.key, records)]
            tables[p].all()[topic].restore(
                list(zip(keys, map(Message.value, records), strict=True)), codec
            )


def _read_ids(
    topology: Topology[S],
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    owned: Mapping[int, Owned[S]],
    box: BlackBox,
) -> None:
    """Reads the last stretch of each input again, for its ids alone."""
    remember = topology.remember
    if remember is None:
        return
    parts = [TopicPartition(topic, p) for topic in topology.inputs if topic != TICKS for p in owned]
    starts = start_offsets(client, parts)
    ranges = {}
    for part in parts:
        upto = owned[part.partition].journal.next_offsets.get(part.topic, 0)
        ranges[part.topic, part.partition] = max(starts[part], upto - settings.dedupe_window), upto

    def take_in(places: Mapping[TopicPartitionKey, list[Message]]) -> None:
        for (topic, p), records in places.items():
            for piece, condemned in box.pieces(topic, p, records):
                if not condemned:
                    remember(Slice.of(topic, p, piece), owned[p].tables, codec)  # type: ignore[arg-type]

    # What is damaged there was skipped by a person, or the processor tells of it when it comes to
    # it. The ids of a batch are taken in while the next one is read: machine code of the agents and
    # librdkafka leave the interpreter to each other.
    with backend_of(settings).helper() as helper:
        before: Future[None] | None = None
        for places in _counted(settings, ranges, damaged=True):
            if before is not None:
                before.result()
            before = helper.submit(take_in, places)
        if before is not None:
            before.result()
