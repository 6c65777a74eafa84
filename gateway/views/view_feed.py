"""Feeds a file of views from Kafka: a thread that reads all partitions of tables and logs,
committed records only, in no group, and writes them a few times a second.

Of a key that changed several times meanwhile only the last row is written. Where anything goes
wrong the thread ends, and with it the process: the next one goes on where the file stands.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from gateway.views.definitions import BY_TOPIC, LOG_DAYS, WRITTEN, layout
from gateway.views.view_file import ViewFile
from gateway.views.view_writer import Pending, RowChange, ViewWriter
from schemas.catalog import DEAD_LETTERS, JOURNAL, TOPICS
from schemas.codec.framing import Codec
from streams.kafka.admin.topics import check, partitions_of
from streams.kafka.admin_types import OffsetSpec
from streams.kafka.error_messages import explained
from streams.kafka.reading import READER, admin, committed_reader, end_offsets, start_offsets
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import GATEWAY_VIEW_LAG
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.gateway")

FED = tuple(dict.fromkeys((*BY_TOPIC, *WRITTEN, JOURNAL, DEAD_LETTERS)))
TICK_SECONDS = (
    0.05  # between two transactions, so that a hot row is written 20 times a second at most
)
_BATCH = 5_000  # messages of one poll
_PENDING_MAX = 50_000  # after which a transaction is written at once: some 50 MB
_PRUNE_SECONDS = 60.0
_LAG_SECONDS = 5.0  # between two looks at how far behind the views are
_JOURNAL_TAIL = (
    1_000  # offsets looked at for the last entry; markers and aborted ones stand between
)
_DAY_MS = 86_400_000
_UNREAD = -1  # librdkafka's position before the first message is below this

Place = tuple[str, int]
Listener = Callable[[list[RowChange]], None]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The first and next offset of each partition as Kafka has them now."""

    starts: Mapping[Place, int]
    ends: Mapping[Place, int]


class ViewFeed:
    """Keeps one file of views up to date. A context manager that starts and ends the thread.

    built: the file holds all that Kafka held when the feed began. failure: what ended the thread.
    """

    def __init__(
        self, settings: Settings, codec: Codec, folder: Path, health: Health | None = None
    ) -> None:
        self._settings, self._codec = settings, codec
        self._health = health or Health()
        self.admin = admin(settings)
        check(self.admin, settings, FED)
        self.parts = [
            TopicPartition(topic, partition)
            for topic in FED
            for partition in range(partitions_of(TOPICS[topic], settings))
        ]
        self.file = ViewFile(folder, identity(self.admin, settings))
        self.built = threading.Event()
        self.failure: BaseException | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self._listeners: list[Listener] = []
        self._positions: dict[Place, int] = {}
        self._stopping = threading.Event()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="views")

    def __enter__(self) -> "ViewFeed":
        self.file.__enter__()
        self._thread.start()
        self._opened.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self.file.__exit__()

    @property
    def positions(self) -> Mapping[Place, int]:
        """The next offset of each partition that the file covers; replaced, never changed."""
        return self._positions

    def listen(self, told: Listener) -> None:
        """Calls `told` with the rows that changed, after each transaction, in the feed's thread."""
        self._listeners.append(told)

    def _run(self) -> None:
        consumer: Consumer | None = None
        connection: sqlite3.Connection | None = None
        try:
            connection = self.file.writer()
            writer = ViewWriter(connection, self._codec)
            self._opened.set()
            consumer = committed_reader(
                self._settings,
                {"auto.offset.reset": "error", "fetch.wait.max.ms": 50},
            )
            self._feed(writer, consumer)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the thread is told
            self.failure = error
            self.on_failure()
        finally:
            self._opened.set()
            if consumer is not None:
                consumer.close()
            if connection is not None:
                connection.close()

    def _feed(self, writer: ViewWriter, consumer: Consumer) -> None:
        bounds = _bounds(self.admin, self.parts)
        begun, before = monotonic(), writer.positions()
        starting = {place: self._from(place, before, bounds) for place in bounds.starts}
        consumer.assign([TopicPartition(*place, at) for place, at in starting.items()])
        self._positions = starting
        owed = {place: end for place, end in bounds.ends.items() if starting[place] < end}
        pending, written_at, pruned_at, told_at = Pending(), 0.0, begun, 0.0
        while not self._stopping.is_set():
            self._health.alive()
            self._take(consumer.consume(_BATCH, timeout=TICK_SECONDS), pending)
            now = monotonic()
            full = len(pending) >= _PENDING_MAX
            if not full and (now - written_at < TICK_SECONDS or (owed and now - written_at < 1.0)):
                continue
            self._write(writer, pending, consumer)
            pending, written_at = Pending(), now
            if owed or not self.built.is_set():
                owed = {place: end for place, end in owed.items() if self._positions[place] < end}
                if not owed:
                    writer.finish()
                    self._finish(begun, bool(before))
            if now - told_at > _LAG_SECONDS:
                self._tell_lag(consumer)
                told_at = now
            if now - pruned_at > _PRUNE_SECONDS:
                writer.prune()
                pruned_at = now

    def _tell_lag(self, consumer: Consumer) -> None:
        """Says of each topic how many offsets lie between the file and what Kafka told last."""
        behind = dict.fromkeys(FED, 0)
        for part in self.parts:
            ends = consumer.get_watermark_offsets(part, cached=True)
            at = self._positions[part.topic, part.partition]
            if ends is not None:  # an end that Kafka has not told yet is below 0
                behind[part.topic] += max(0, ends[1] - at)
        for topic, offsets in behind.items():
            GATEWAY_VIEW_LAG.labels(topic).set(offsets)

    def _finish(self, begun: float, warm: bool) -> None:
        self.built.set()
        self._health.ready = True
        self.file.remove_others()
        how = "from its file" if warm else "from nothing"
        log.info("views are built %s after %.1f s", how, monotonic() - begun)

    def _take(self, messages: Iterable[Message], pending: Pending) -> None:
        for message in messages:
            if (error := message.error()) is None:
                pending.add(message)
            elif not error.retriable():
                raise explained(error, self._settings, message.topic(), READER)
            else:
                log.warning("kafka: %s", error.str())

    def _write(self, writer: ViewWriter, pending: Pending, consumer: Consumer) -> None:
        # A transaction's marker may be the last thing before an end: the position passes it, no
        # message does.
        reached = {
            (part.topic, part.partition): part.offset
            for part in consumer.position(self.parts)
            if part.offset > _UNREAD
        }
        moved = {place: at for place, at in reached.items() if self._positions.get(place) != at}
        if not pending and not moved:
            return
        changes = writer.apply(pending, moved)
        self._positions = {**self._positions, **moved}
        for told in self._listeners:
            told(changes)

    def _from(self, place: Place, before: Mapping[Place, int], bounds: _Bounds) -> int:
        """Where reading begins: where the file stands, else the beginning, or the tail's."""
        start, end = bounds.starts[place], bounds.ends[place]
        at = before.get(place)
        if at is not None and at > end:
            raise MendstreamError(
                f"{place[0]}/{place[1]} ends at {end}, and the views were built up to {at}.",
                f"Records of it are lost. Remove {self.file.path} to build the views anew.",
            )
        return max(start, at) if at is not None else start


def identity(client: AdminClient, settings: Settings) -> list[object]:
    """What a file of views is of: cluster, topics with their ids and partitions, layout."""
    asked = client.describe_topics(TopicCollection(list(FED)), request_timeout=10.0)
    ids = sorted((name, str(future.result().topic_id)) for name, future in asked.items())
    cluster = client.list_topics(timeout=10.0).cluster_id
    return [cluster, settings.partitions, layout(), *ids]


def _bounds(client: AdminClient, parts: list[TopicPartition]) -> _Bounds:
    """Of a log, as if it began with its tail."""
    starts = start_offsets(client, parts)
    ends = end_offsets(client, parts, committed_only=True)
    cutoff: Any = OffsetSpec.for_timestamp(now_ms() - LOG_DAYS * _DAY_MS)
    logs = [part for part in parts if TOPICS[part.topic].cleanup == "delete"]
    asked = client.list_offsets(dict.fromkeys(logs, cutoff), request_timeout=10.0)
    for part, future in asked.items():
        found = future.result().offset
        starts[part] = max(starts[part], found if found >= 0 else ends[part])
        if part.topic == JOURNAL:
            starts[part] = max(starts[part], ends[part] - _JOURNAL_TAIL)
    return _Bounds(_by_place(starts), _by_place(ends))


def _by_place(offsets: Mapping[TopicPartition, int]) -> dict[Place, int]:
    return {(part.topic, part.partition): offset for part, offset in offsets.items()}
