"""Keeps views of the tables for dashboards: rebuilt from the log at start, and after the store has
forgotten them.

A process of its own, so that a store that is down or slow never delays a commit. Meanwhile it says
that the views are degraded, keeps the last change of each row, and goes on when the store is back.
"""

import logging
from collections.abc import Callable

from confluent_kafka import Message, TopicPartition

from schemas.catalog import TOPICS
from schemas.codec.framing import Codec
from schemas.refusals import DecodeError
from state.stores.views import VIEWS, Change, Store, StoreDown
from streams.files.rendering import plain
from streams.kafka.admin.topics import check
from streams.kafka.error_messages import explained
from streams.kafka.reading import READER, admin, committed_reader, end_offsets, start_offsets
from streams.runtime.clock import monotonic, now_ms, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import VIEWS_DEGRADED, VIEWS_ROWS
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.views")

BATCH = 5_000
RETRY_SECONDS = 1.0


class Views:
    """Feeds one store. `run` returns after `stop`."""

    def __init__(
        self, settings: Settings, codec: Codec, store: Store, health: Health | None = None
    ) -> None:
        self._settings, self._codec, self._store = settings, codec, store
        self._health = health or Health()
        self._admin = admin(settings)
        check(self._admin, settings, tuple(VIEWS))
        self._parts = [
            TopicPartition(topic, p) for topic in VIEWS for p in range(settings.partitions)
        ]
        self._consumer = committed_reader(settings, {"auto.offset.reset": "earliest"})
        self._waiting: dict[
            tuple[str, str], Change
        ] = {}  # by view and key: bounded by the rows of the tables
        self._kept: set[tuple[str, str]] = set()
        self._ends: dict[tuple[str, int], int] = {}  # what a rebuild has yet to reach
        self._name = ""
        self._building = True
        self._degraded = False
        self._stopping = False

    @property
    def degraded(self) -> bool:
        """True while the store lags behind the log because it does not answer."""
        return self._degraded

    @property
    def built(self) -> bool:
        """Returns True once the store holds all that the log held when the building began."""
        return not self._building and not self._waiting

    def stop(self) -> None:
        """Asks `run` to return; may be called from a signal handler."""
        self._stopping = True

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """until: also returns as soon as it says so, for tests."""
        self._begin()
        while not self._stopping and not until():
            self._health.alive()
            self._take(self._consumer.consume(BATCH, timeout=0.2))
            self._give()
        self._consumer.close()

    def _begin(self) -> None:
        """Reads the tables from their beginning."""
        ends, starts = (
            end_offsets(self._admin, self._parts, committed_only=True),
            start_offsets(self._admin, self._parts),
        )
        self._ends = {(p.topic, p.partition): ends[p] for p in self._parts if ends[p] > starts[p]}
        self._waiting.clear()
        self._kept.clear()
        self._name, self._building = f"{self._settings.group} {now_ms()}", True
        self._began = monotonic()
        self._consumer.assign(
            [TopicPartition(p.topic, p.partition, starts[p]) for p in self._parts]
        )
        log.info("building the views of %d topics", len(VIEWS))

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                if not error.retriable():
                    raise explained(error, self._settings, message.topic(), READER)
                log.warning("kafka: %s", error.str())
                continue
            change = self._change(message)
            self._waiting[change.view, change.key] = change
            (self._kept.discard if change.row is None else self._kept.add)(
                (change.view, change.key)
            )
        if self._ends:
            # A transaction's marker may be the last thing before an end: the position passes it, no
            # message does.
            for part in self._consumer.position(self._parts):
                if part.offset >= self._ends.get((part.topic, part.partition), 0):
                    self._ends.pop((part.topic, part.partition), None)

    def _change(self, message: Message) -> Change:
        topic, value = message.topic() or "", message.value()
        key, view, name = (message.key() or b"").decode(), VIEWS[topic].name, TOPICS[topic].record
        assert name is not None, f"{topic} is a table"
        try:
            return Change(
                view, key, plain(self._codec.decode(name, value)) if value is not None else None
            )
        except DecodeError as error:
            raise MendstreamError(
                f"{topic} holds a row that this version cannot read: {error.sentence}.",
                "Use the version of Mendstream that wrote it, or the Schema Registry that it used.",
            ) from error

    def _give(self) -> None:
        """Gives what waits to the store; waits a little where it does not answer."""
        try:
            if not self._building and self._store.marked() != self._name:
                log.warning("the store has forgotten the views")
                self._begin()
                return
            self._store.apply(list(self._waiting.values()))
            self._waiting.clear()
            if self._building and not self._ends:
                self._finish()
        except StoreDown as error:
            if not self._degraded:
                log.warning("the views are degraded: the store does not answer (%s)", error)
            self._degraded = True
            VIEWS_DEGRADED.set(1)
            wait_until(lambda: self._stopping, RETRY_SECONDS)
            return
        if self._degraded:
            log.info("the views are whole again")
        self._degraded = False
        VIEWS_DEGRADED.set(0)

    def _finish(self) -> None:
        stale = [
            Change(view.name, key, None)
            for view in VIEWS.values()
            for key in self._store.keys(view.name)
            if (view.name, key) not in self._kept
        ]
        self._store.apply(stale)
        self._store.mark(self._name)
        self._building = False
        VIEWS_ROWS.set(len(self._kept))
        self._health.ready = True
        log.info("%d rows in the views after %.1f s", len(self._kept), monotonic() - self._began)
