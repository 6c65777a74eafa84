"""The deciding process, turn by turn: takes records in, folds them, and commits what follows with
the offsets in one transaction.

Which partitions there are, and how they come and go, is the matter of `group_membership.py`.
Crash-only: whatever goes wrong with a transaction, the process drops its state, exits, and restores
at the next start.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Generic

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import JOURNAL
from schemas.codec.framing import Codec
from streams.engine.circuit_breaker import Key
from streams.engine.group_membership import Membership
from streams.engine.partition import Owned
from streams.engine.quarantine import BlackBox
from streams.engine.ticker import Ticker
from streams.engine.topology import S, Topology
from streams.engine.transaction import CommitRefused, Hook, Outbox, Transactions
from streams.kafka.admin.permissions import check_rights
from streams.kafka.admin.topic_conditions import verify
from streams.kafka.admin.topics import check
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin
from streams.runtime.health import Health
from streams.runtime.settings import Settings
from streams.signing.signer import load, signer_of

log = logging.getLogger("mendstream.processor")

PATIENCE = 3  # commit intervals that rows wait at most while the commit before them is under way


def check_installation(settings: Settings) -> AdminClient:
    """Checks that the worker's Kafka has the topics that it needs and lets it do its work, and
    that its key, where it has one, can be read; returns a client of that Kafka.

    Raises MendstreamError that says what is amiss.
    """
    client = admin(settings)
    check_rights(client, settings)
    check(client, settings)
    verify(client, settings)
    if settings.signing_key:
        load(Path(settings.signing_key))
    return client


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
        client, signer = check_installation(settings), signer_of(settings)
        self._at: Hook = at or (lambda _point: None)
        self._transactions = Transactions(
            settings, self._at
        )  # fences an older self before anything is read
        self._emitter = topology.emitter(
            codec, f"mendstream/{settings.group}", settings.partitions, signer
        )
        self._agents = topology.agents(settings.dedupe_window, settings.learning_enabled)
        self._ticker = Ticker(settings, codec)
        self._box = box or BlackBox(None)
        self._committed: dict[tuple[str, int], int] = {}  # next offsets, by topic and partition
        self._changed_at: float | None = None  # since when there are rows that no commit took
        self._urgent: set[int] = set()  # partitions with what somebody waits for
        self._stopping = False
        self._member = Membership(
            settings, codec, client, self, topology=topology, health=self._health, box=self._box
        )

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
            self.settle()
        except CommitRefused:
            self._box.uncommitted.blame()
            raise
        self._member.close()
        self._transactions.close()
        self._ticker.close()
        # After an error nothing is closed: closing would hand over partitions as if their tables
        # were committed.

    def _turn(self) -> None:
        self._health.alive()
        self._transactions.poll()
        self._box.uncommitted.settled(self._committed)
        self._member.poll()
        clock, backlog = self._backend.monotonic, self._member.backlog
        for topic, partition, records in backlog.turn():
            began = clock()
            self.fold(topic, partition, records)
            backlog.folded((topic, partition), len(records), clock() - began)
            if self._urgent and not self._transactions.busy:
                self._commit(self._urgent)  # the other partitions are folded while it is written
        self._take_broadcast()
        self._commit(self._due())
        self._ticker.tick(self._member.owned, self._backend.now_ms())

    def _due(self) -> set[int]:
        """Partitions to commit: those somebody waits for at once; rows wait a little, longer while
        a commit is under way.
        """
        if self._changed_at is None:
            return self._urgent
        waited_ms = (self._backend.monotonic() - self._changed_at) * 1_000
        patience = self._settings.commit_ms * (PATIENCE if self._transactions.busy else 1)
        return set(self._member.owned) if waited_ms >= patience else self._urgent

    def begin(self, next_offsets: dict[tuple[str, int], int]) -> None:
        """Goes on from these committed offsets, with what is broadcast applied."""
        self._committed = next_offsets
        self._take_broadcast()

    def fold(self, topic: str, partition: int, records: list[Message]) -> None:
        """Folds records of one partition of an input, and notes who waits for what follows."""
        owned = self._member.owned.get(partition)
        if owned is None:
            return  # revoked in the middle of a poll; whoever owns it now reads these records
        self._changed()
        self._at(topic)
        refused: list[Key] = []
        for piece, condemned in self._box.pieces(topic, partition, records):
            if self._box.alone:
                self.settle()
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
                self.settle()
        self._member.folded(topic, partition, records, refused)

    def commit(self) -> None:
        """Commits everything that is folded; the end of the transaction is not waited for."""
        self._commit(self._member.owned)

    def settle(self) -> None:
        """Commits everything that is folded, and waits until it is there."""
        self.commit()
        self._transactions.join()

    def _take_broadcast(self) -> None:
        for message in self._member.news():
            for partition, owned in self._member.owned.items():
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
        owned = self._member.owned
        chosen = {p: owned[p] for p in partitions if owned[p].dirty}
        if not chosen:
            return
        with self._box.uncommitted.writing():
            outbox, reached = self._outbox(chosen)
        outbox.offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in reached.items()
        ]
        self._urgent = self._urgent - chosen.keys()
        if not any(one.dirty for one in owned.values()):
            self._changed_at = None
        group = self._member.metadata()
        self._transactions.submit(outbox, group, lambda: self._committed.update(reached))

    def _outbox(self, chosen: Mapping[int, Owned[S]]) -> tuple[Outbox, dict[tuple[str, int], int]]:
        """Returns what a commit of these partitions holds, and the next offsets it reaches. Raises
        Refused for what is too large.
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
