"""The smallest job with memory: counts per key, each new count an output. Its folds cost nothing,
so its runs are many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agents.core.batch import Slice
from agents.core.effects import Effects, Output
from schemas.catalog import DECISIONS, RESULTS, SPECS, TABLES_ARMS
from schemas.codec.framing import Codec
from state.storage.table import Table
from streams.engine.outbox import Emitter
from streams.engine.topology import Topology, no_broadcasts
from streams.engine.transaction import Outbox
from streams.runtime.settings import Settings


@dataclass(slots=True)
class Counts:
    """Counts by key, with a changelog."""

    topic: str = TABLES_ARMS
    counts: dict[str, int] = field(default_factory=dict)
    dirty: dict[str, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.counts)

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        rows: list[tuple[str, bytes | None]] = [
            (key, b"%d" % self.counts[key]) for key in self.dirty
        ]
        self.dirty = {}
        return rows

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        self.counts |= {key: int(value) for key, value in rows if value is not None}

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [(key, b"%d" % count) for key, count in self.counts.items()]


@dataclass(slots=True)
class Memory:
    """The memory of a partition."""

    partition: int
    now: int = 0
    table: Counts = field(default_factory=Counts)

    def all(self) -> dict[str, Table]:
        return {self.table.topic: self.table}


@dataclass(frozen=True, slots=True)
class Count:
    """An output: the key's count, and the offset that it counts."""

    partition: int
    value: bytes


class CountEmitter(Emitter):
    """Writes counts as they are, into the partition of their input."""

    def output(self, output: Output, outbox: Outbox) -> None:
        record = output.record
        assert isinstance(record, Count)
        outbox.add(output.topic, record.partition, output.key, record.value)


def fold(piece: Slice, memory: Memory, _codec: Codec) -> Effects:
    """Counts; what came as a spec counts ten times."""
    outputs = []
    for record in piece.records:
        key = (record.value() or b"").decode()
        memory.table.counts[key] = memory.table.counts.get(key, 0) + (
            10 if piece.topic == SPECS else 1
        )
        memory.table.dirty[key] = None
        value = f"{piece.topic}/{record.offset()} {key} {memory.table.counts[key]}".encode()
        outputs.append(Output(DECISIONS, key, key, Count(piece.partition, value), 0))
    return Effects(tuple(outputs), applied=len(piece.records))


def _memory(partition: int, _settings: Settings) -> Memory:
    return Memory(partition)


def _nothing(_memory: Memory) -> None:
    """Nothing is derived."""


COUNTING = Topology(
    version="counting 1",
    inputs=(SPECS, RESULTS),
    first=(SPECS,),
    state=_memory,
    fold=fold,
    refresh=_nothing,
    rebuild=_nothing,
    remember=None,
    take_broadcast=no_broadcasts,
    emitter=CountEmitter,
)
