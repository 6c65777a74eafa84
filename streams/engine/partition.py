"""Holds what a worker has of one partition: its tables, its journal, and the effects not yet
committed.
"""

from dataclasses import dataclass, field
from typing import Generic

from confluent_kafka import Message

from agents.core.batch import Slice
from schemas.catalog import TICKS
from schemas.codec.framing import MAX_BYTES, Codec
from schemas.refusals import RefusedRecord
from streams.engine.circuit_breaker import Key
from streams.engine.journal import Journal
from streams.engine.outbox import Emitter
from streams.engine.quarantine import DEADLY
from streams.engine.topology import S, Topology
from streams.runtime.metrics import RECORDS


@dataclass(slots=True)
class Owned(Generic[S]):
    """One partition.

    dirty: something of it is not committed yet. The others are shown, and nothing else is done with
    them. applied_until: up to which moment (ms, the broker's append time) all of an input is
    applied. ticked_at: when the broker took the last tick that was applied, ms, or the last record
    before a restart; 0 before the first. held: by topic, the offset at which an open transaction
    holds an input back, since when, ms, and whether that was told. silent: arms and subjects that
    were said to have stopped.
    """

    tables: S
    journal: Journal
    dirty: bool = False
    applied_until: dict[str, int] = field(default_factory=dict)
    ticked_at: int = 0
    silent: dict[str, frozenset[str]] = field(
        default_factory=lambda: dict.fromkeys(("arms", "subjects"), frozenset())
    )
    held: dict[str, tuple[int, int, bool]] = field(default_factory=dict)

    def fold(
        self,
        topic: str,
        records: list[Message],
        topology: Topology[S],
        codec: Codec,
        emitter: Emitter,
    ) -> tuple[bool, list[Key]]:
        """Folds records of one input and emits what follows.

        Returns whether somebody waits for it, and the keys of the records that were refused.
        """
        expected = self.journal.next_offsets.get(topic, 0)
        if records[0].offset() < expected:  # type: ignore[operator]
            # A rebalance in the middle of a poll can deliver again what was folded; the journal
            # knows.
            records = [record for record in records if record.offset() >= expected]  # type: ignore[operator]
            if not records:
                return False, []
        piece = Slice.of(topic, self.tables.partition, records)  # type: ignore[arg-type]
        effects = topology.fold(piece, self.tables, codec)
        self.journal.add_slice(piece, effects)
        self.applied_until[topic] = int(piece.append_times[-1])
        if topic == TICKS:
            self.ticked_at = int(piece.append_times[-1])
        self.dirty = True
        emitter.emit(piece, effects)
        return effects.urgent, [records[one.index].key() for one in effects.refused]

    def set_aside(self, topic: str, record: Message, emitter: Emitter) -> None:
        """Makes a record that ended workers a dead letter, without a look at it."""
        offset = record.offset() or 0
        if offset < self.journal.next_offsets.get(topic, 0):
            return
        self.journal.set_aside(topic, offset)
        self.dirty = True
        why = RefusedRecord(0, "QUARANTINED", f"it ended {DEADLY} workers that folded it")
        emitter.dead_letter(topic, self.tables.partition, record, why)
        RECORDS.labels(topic, "dead_letter").inc()

    def take_broadcast(
        self, record: Message, topology: Topology[S], codec: Codec, emitter: Emitter
    ) -> bool:
        """Applies a broadcast record once; the owner of partition 0 gives a wrong one its dead
        letter. False: it was.
        """
        topic, offset = record.topic() or "", record.offset() or 0
        if offset < self.journal.broadcast_offsets[topic]:
            return False
        refused = topology.take_broadcast(topic, record.value(), self.tables, codec, False)
        value = record.value()
        # What is too large was refused for it, and so it would be without its bytes: the entry must
        # fit into a record.
        self.journal.add_broadcast(topic, offset, value if len(value or b"") <= MAX_BYTES else None)
        self.dirty = True
        if refused is not None and self.tables.partition == 0:
            emitter.dead_letter(topic, 0, record, refused)
        return True
