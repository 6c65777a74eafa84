"""How a slice of a high-volume input goes through the compiled loop of its agent, and what becomes
of records that are not let in: the same for every such input.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from agents.core.batch import Ints, Slice
from agents.core.effects import Output
from agents.core.entrance import (
    ADMITTED,
    ARRIVED,
    DUPLICATE,
    ELSEWHERE,
    END,
    IMPLAUSIBLE,
    UNDECODED,
    Scanned,
    scanned_of,
)
from agents.core.provenance import Provenance
from agents.core.record_batch import Batch, alone, batch_of, value_of
from agents.flow.ingress import BatchFates, is_redriven, send_on
from schemas.codec import columns
from schemas.codec.columns import Columns
from schemas.codec.framing import Codec, Record
from schemas.ids import partition_of
from schemas.refusals import DecodeError, RefusedRecord
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState

Resume = tuple[int, int]  # the record at which the loop goes on, and how far it has come


@dataclass(slots=True)
class BatchWalk(ABC):
    """One slice on its way through a loop over its records.

    record: the name of what it is made of.
    """

    record: ClassVar[str]
    piece: Slice
    codec: Codec
    memory: IngressMemory
    scanned: Scanned = field(init=False)

    def __post_init__(self) -> None:
        self.scanned = scanned_of(self.record, self.codec)

    def is_redriven(self, index: int) -> bool:
        """Whether the record in hand, a duplicate, was written back from the dead letters."""
        return is_redriven(self.piece, index, int(self.scanned.carrier[0]))

    def place(self, batch: Batch, at: int) -> Provenance:
        """Where and when a record of a batch is folded."""
        return Provenance(
            self.piece.topic, self.piece.partition, int(batch.offsets[at]), int(batch.now[at])
        )

    def decoded(self, batch: Batch, at: int) -> Record:
        """A record of a batch as a dataclass; only where the compiled decoder took it, which has
        looked for what strangers do.
        """
        return self.codec.decode(self.record, value_of(batch, at), own=True)

    def in_shortest_form(self, index: int) -> bytes | DecodeError:
        """A record of the slice that the compiled decoder did not take, encoded anew; the codec has
        the last word on whether it is one.
        """
        try:
            return self.codec.encode(self.codec.decode(self.record, self.piece.values[index]))
        except DecodeError as error:
            return error


@dataclass(slots=True)
class Remembering(BatchWalk, ABC):
    """A slice whose ids are to be known again; left_out: records that were not let in."""

    left_out: set[int] = field(init=False, default_factory=set)

    @abstractmethod
    def step(self, batch: Batch, at: int, reached: int) -> tuple[int, int]:
        """(why the loop stopped, at which record), taken up at a record that has come so far."""

    def remember(self, batch: Batch, first: int) -> None:
        """Remembers a batch of consecutive records of the slice, which begins at its `first`."""
        at, reached = 0, ARRIVED
        while True:
            why, at = self.step(batch, at, reached)
            if why == END:
                return
            at, reached = self._resume(why, batch, at, first)

    def offsets(self) -> list[int]:
        """The offsets of those that were let in."""
        return list(np.delete(self.piece.offsets, sorted(self.left_out)).tolist())

    def _resume(self, why: int, batch: Batch, at: int, first: int) -> Resume:
        if why == DUPLICATE and self.is_redriven(first + at):
            return at, ADMITTED
        if why == UNDECODED:
            value = self.in_shortest_form(first + at)
            if isinstance(value, bytes):
                self.remember(alone(batch, at, value), first + at)
                return following(at)
        self.left_out.add(first + at)
        return following(at)


@dataclass(slots=True)
class Folding(BatchWalk, ABC):
    """A slice that is folded.

    outputs: what follows from it. heard: subjects of its records.
    """

    state: PartitionState
    fates: BatchFates
    outputs: list[Output] = field(init=False, default_factory=list)
    heard: set[str] = field(init=False, default_factory=set)

    @abstractmethod
    def fold(self, batch: Batch, first: int) -> None:
        """Folds a batch of consecutive records of the slice, which begins at its `first`."""

    @abstractmethod
    def faults(self, decoded: Columns, appended: Ints) -> list[RefusedRecord]:
        """Which well-formed records make no sense whatever their metric is."""

    def fold_all(self, now: Ints) -> list[Output]:
        """Folds the slice; now: the partition's clock at each record, ms, shape (n,)."""
        self.fold(batch_of(self.piece, now), 0)
        fates, n = self.fates, len(self.piece.values)
        fates.applied += n - fates.duplicates - len(fates.forwards) - len(fates.refused)
        self.state.experiments.silence.subjects(sorted(self.heard), int(now[-1]))
        return self.outputs

    def refuse(self, index: int, reason: str, sentence: str) -> None:
        """Refuses a record of the slice."""
        self.fates.refused.append(RefusedRecord(index, reason, sentence))


def following(at: int) -> Resume:
    """The loop goes on with the next record."""
    return at + 1, ARRIVED


def _undecoded(walk: Folding, batch: Batch, at: int, first: int) -> Resume:
    value = walk.in_shortest_form(first + at)
    if isinstance(value, bytes):
        walk.fold(alone(batch, at, value), first + at)
    else:
        walk.refuse(first + at, value.reason, value.sentence)
    return following(at)


def _implausible(walk: Folding, batch: Batch, at: int, first: int) -> Resume:
    one = columns.decode([value_of(batch, at)], walk.record, walk.codec)
    faults = walk.faults(one, batch.appended[at : at + 1])
    assert faults, f"nothing is wrong with the record at offset {batch.offsets[at]}"
    walk.refuse(first + at, faults[0].reason, faults[0].sentence)
    return following(at)


def _elsewhere(walk: Folding, batch: Batch, at: int, first: int) -> Resume:
    subject: str = walk.decoded(batch, at).subject  # type: ignore[attr-defined]
    target = partition_of(subject, walk.memory.partitions)
    send_on(walk.piece, first + at, target, subject, walk.fates)
    return following(at)


def _duplicate(walk: Folding, _batch: Batch, at: int, first: int) -> Resume:
    if walk.is_redriven(first + at):
        return at, ADMITTED
    walk.fates.duplicates += 1
    return following(at)


NOT_LET_IN: Mapping[int, Callable[[Folding, Batch, int, int], Resume]] = {
    UNDECODED: _undecoded,
    IMPLAUSIBLE: _implausible,
    ELSEWHERE: _elsewhere,
    DUPLICATE: _duplicate,
}
