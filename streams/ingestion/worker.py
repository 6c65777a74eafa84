"""Reads the sources of one map and writes results and metrics, each once.

Next offsets, outputs, dead letters and changed rows of units are committed in one Kafka
transaction, by the parts that the processor commits with. The engine itself folds inputs that are
partitioned alike and keyed by subject; topics of others have any number of partitions and any key,
and a unit's exposures and outcomes lie anywhere in them. So one worker reads all partitions of a
map. A second one of the same map fences the first. Crash-only, as the processor is.
"""

import logging
from collections import defaultdict
from collections.abc import Callable

from confluent_kafka import KafkaError, Message, TopicPartition

from ingest.mapping import IngestMap
from schemas.catalog import DEAD_LETTERS, METRICS, RESULTS, TABLES_INGEST_UNITS
from schemas.codec.framing import Codec
from schemas.ids import partition_of
from schemas.refusals import RefusedRecord
from state.storage.table import row_key
from streams.engine.outbox import Emitter
from streams.engine.transaction import Hook, Outbox, Transactions
from streams.ingestion.fold import Folded, Folder
from streams.ingestion.sources import LOOK_SECONDS, SourceProgress, partitions_of
from streams.kafka.admin.topics import check
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import explained
from streams.kafka.reading import (
    admin,
    committed,
    committed_reader,
    end_offsets,
    read,
    start_offsets,
)
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import RECORDS
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.ingest")

BATCH = 5_000  # messages of a poll: some megabytes
POLL_SECONDS = 0.05
# Kafka forgets the offsets of a group without members, seven days after their last commit as a
# rule, also of a partition where nothing happens.
ALL_OFFSETS_SECONDS = 3_600.0
OUTBOX_MAX = 50_000  # records of one transaction, some 15 MB
WRITTEN = (RESULTS, METRICS, DEAD_LETTERS, TABLES_INGEST_UNITS)
SLOT = "ingest"  # one for all workers of a map, so that the later one fences the earlier one


def own_settings(settings: Settings, ingest: IngestMap) -> Settings:
    """The settings with a group of the map's own."""
    return settings.model_copy(
        update={"group": f"{settings.group}-ingest-{ingest.name}", "slot": SLOT}
    )


class IngestWorker:
    """One worker. `run` returns after `stop`; it raises Crash or MendstreamError when it cannot go
    on.
    """

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        ingest: IngestMap,
        health: Health | None = None,
        at: Hook | None = None,
    ) -> None:
        """at: called with the name of each point of a commit, for tests that end the process
        there.
        """
        self._settings = own_settings(settings, ingest)
        self._codec, self._ingest = codec, ingest
        self._health = health or Health()
        self._backend = backend_of(settings)
        self._admin = admin(self._settings)
        check(self._admin, self._settings, WRITTEN)
        parts = partitions_of(self._admin, self._settings, ingest)
        # Fences an older self before anything is read.
        self._transactions = Transactions(self._settings, at or (lambda _point: None))
        self._folder = Folder(ingest)
        self._emitter = Emitter(codec, f"mendstream/{self._settings.group}", settings.partitions)
        self._outbox = Outbox()
        self._origins: set[int] = set()  # partitions of the sources with dead letters to write
        self._read_on = True  # since the last commit
        self._all_at: float | None = None  # when all offsets were committed last
        self._restore()
        self._consumer = committed_reader(
            self._settings,
            {"auto.offset.reset": "error", "enable.partition.eof": True},
            self._settings.group,
        )
        self._progress = SourceProgress(self._begin(parts))
        self._looked = self._committed_at = self._backend.monotonic() - LOOK_SECONDS
        self._stopping = False

    def stop(self) -> None:
        """Asks `run` to commit and return; may be called from a signal handler."""
        self._stopping = True

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """until: also returns as soon as it says so, for tests."""
        self._health.ready = True
        while not self._stopping and not until():
            self._health.alive()
            self._transactions.poll()
            self._take(self._consumer.consume(BATCH, timeout=POLL_SECONDS))
            self._look()
            self._close_units()
            if self._is_due():
                self._commit()
        self._commit()
        self._transactions.join()
        self._consumer.close()
        self._transactions.close()

    def _restore(self) -> None:
        """Brings back the rows of this map."""
        parts = [TopicPartition(TABLES_INGEST_UNITS, p) for p in range(self._settings.partitions)]
        starts, ends = start_offsets(self._admin, parts), end_offsets(self._admin, parts)
        ranges = {(part.topic, part.partition): (starts[part], ends[part]) for part in parts}
        prefix, table = row_key(self._ingest.name, ""), self._folder.join.table
        for batch in read(self._settings, ranges):
            rows = [((message.key() or b"").decode(), message.value()) for message in batch]
            table.restore([row for row in rows if row[0].startswith(prefix)], self._codec)
        log.info("%d units restored", len(table))

    def _begin(self, parts: list[TopicPartition]) -> list[TopicPartition]:
        """Assigns all partitions from where the last transaction left them; returns them so."""
        reached = committed(self._consumer, parts, self._settings)
        if not reached and len(self._folder.join.table):
            raise MendstreamError(
                f"Kafka knows no offset of group {self._settings.group!r}, but the units that it "
                "waits for: the offsets expired (offsets.retention.minutes), or were deleted.",
                "Set them to where the worker stopped, or give the map another name, with which it "
                "begins anew.",
            )
        starts = start_offsets(self._admin, parts)
        begun = []
        for part, start in starts.items():
            offset = reached.get((part.topic, part.partition), start)
            if offset < start:
                raise MendstreamError(
                    f"{part.topic}/{part.partition} begins at {start}, {offset} is next: records "
                    "are gone that were not read yet.",
                    f"Raise its retention. To go on without them, set the offsets of group "
                    f"{self._settings.group!r}.",
                )
            begun.append(TopicPartition(part.topic, part.partition, offset))
        self._consumer.assign(begun)
        log.info("reading %d partitions of %d topics", len(begun), len(self._ingest.sources))
        return begun

    def _take(self, messages: list[Message]) -> None:
        now = self._backend.now_ms()
        for message in messages:
            place = message.topic() or "", message.partition() or 0
            offset = message.offset() or 0
            if (error := message.error()) is not None:
                self._news(error, place, offset)
                continue
            self._told(message, place[1], self._folder.take(message, now))
            self._read_on = True
            self._progress.read(place, offset + 1, min(message.timestamp()[1], now))

    def _news(self, error: KafkaError, place: tuple[str, int], offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._progress.ends(place, offset)
        elif error.retriable() or error.code() in (
            KafkaError._TRANSPORT,
            KafkaError._ALL_BROKERS_DOWN,
        ):
            log.warning("kafka: %s", error.str())
        else:
            raise explained(error, self._settings, place[0] or None)

    def _told(self, message: Message, partition: int, folded: Folded) -> None:
        """Notes what follows of a message. One that is refused in several records has one
        letter.
        """
        topic = message.topic() or ""
        RECORDS.labels(topic, "dead_letter" if folded.refused else "applied").inc()
        for output in folded.outputs:
            self._emitter.output(output, self._outbox)
        if (first := folded.refused) is not None:
            others = folded.refusals - 1
            sentence = (
                f"{first.sentence}; {others} other records of it" if others else first.sentence
            )
            why = RefusedRecord(0, first.reason, sentence)
            self._emitter.dead_letter(topic, partition, message, why)
            self._origins.add(partition)

    def _look(self) -> None:
        """Asks for the ends of the sources once a second, so that time passes in silence too."""
        if self._backend.monotonic() - self._looked >= LOOK_SECONDS:
            self._progress.look(self._admin, self._backend.now_ms())
            self._looked = self._backend.monotonic()

    def _close_units(self) -> None:
        outputs, crossed = self._folder.due(self._progress.watermark)
        for output in outputs:
            self._emitter.output(output, self._outbox)
        for unit in crossed:
            log.warning(
                "unit %s saw %s of %s and is left out",
                unit.unit_id,
                " and ".join(unit.variants),
                unit.experiment_id,
            )

    def _is_due(self) -> bool:
        waited_ms = (self._backend.monotonic() - self._committed_at) * 1_000
        full = len(self._outbox.records) >= OUTBOX_MAX
        return full or (waited_ms >= self._settings.commit_ms and not self._transactions.busy)

    def _commit(self) -> None:
        """Commits everything that was taken in; the end of the transaction is not waited for."""
        self._committed_at = self._backend.monotonic()
        outbox, self._outbox = self._outbox, Outbox()
        outbox.records += self._emitter.take(self._origins).records
        self._origins = set()
        rows = defaultdict(list)
        for key, value in self._folder.join.table.changed(self._codec):
            rows[partition_of(key, self._settings.partitions)].append((key, value))
        outbox.rows = [(TABLES_INGEST_UNITS, partition, each) for partition, each in rows.items()]
        stale = self._all_at is None or self._committed_at - self._all_at > ALL_OFFSETS_SECONDS
        if not (outbox.records or outbox.rows or self._read_on or stale):
            return
        # All of them, so that a partition without an offset is one that is new.
        reached = self._progress.reached.items()
        outbox.offsets = [TopicPartition(*place, offset) for place, offset in reached]
        self._read_on, self._all_at = False, self._committed_at
        outbox.check()
        group = self._consumer.consumer_group_metadata()
        self._transactions.submit(outbox, group, lambda: None)
