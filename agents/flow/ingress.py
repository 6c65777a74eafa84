"""Lets a record in, or says why not: bytes, values, partition, and whether it was seen before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.batch import Delivered, Facts, Finding, Ints, Served, Slice
from agents.core.effects import Forward, Output, Refusal
from agents.core.provenance import Provenance
from schemas.catalog import FOREIGN, TOPICS
from schemas.codec import columns
from schemas.codec.columns import Columns
from schemas.codec.framing import MAX_BYTES, Codec
from schemas.ids import hash64, partition_of
from schemas.refusals import DecodeError, Reason, RefusedRecord
from schemas.validation import specs_and_policies
from schemas.validation.moments import moment_faults
from schemas.validation.requests_and_recommendations import spread
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState
from state.storage.columnar_table import combine, hash_part

FORWARDED_FROM = "forwarded-from"
REDRIVEN_FROM = "mendstream-redriven-from"  # whence a dead letter came that was written back
Mask = NDArray[np.bool_]
R = TypeVar("R")
T = TypeVar("T")  # the tables that a handler is given
Outcome = list[Output] | Refusal
Findings = tuple[Sequence[Finding | Served], list[RefusedRecord]]


@dataclass(frozen=True, slots=True)
class Input(Generic[R, T]):
    """A low-volume input, folded record by record.

    key: what a record of it is keyed by. check: why a well-formed record makes no sense, empty
    where it does. handle: what follows from it, or why it cannot be applied. tables: those that the
    handler is given; the whole state where it composes several agents. is_new: each record is, and
    each is of the partition that it stands in.
    """

    topic: str
    key: Callable[[R], str]
    check: Callable[[R], list[specs_and_policies.Fault]]
    handle: Callable[[R, Provenance, T], Outcome]
    tables: Callable[[PartitionState], T]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ColumnarInput(Generic[T]):
    """A high-volume input, decoded and folded by columns.

    check: which well-formed records make no sense. fold: of what was admitted, what is found and
    what is refused after all. remember: what is to be known again after a restart beside the ids.
    tables: those that both are given.
    """

    topic: str
    check: Callable[[Columns, Ints], list[RefusedRecord]]
    fold: Callable[[Facts, T], Findings]
    remember: Callable[[Facts, T], None]
    tables: Callable[[PartitionState], T]


class BatchFates:
    """Collects what became of the records of one slice; every record ends in one of these."""

    def __init__(self) -> None:
        self.forwards: list[Forward] = []
        self.refused: list[RefusedRecord] = []
        self.applied = 0
        self.duplicates = 0


def admit_columns(
    piece: Slice,
    source: ColumnarInput[Any],
    memory: IngressMemory,
    codec: Codec,
    now: Ints,
    fates: BatchFates,
) -> Facts:
    """The records of a columnar input that are to be folded."""
    record = TOPICS[piece.topic].record
    assert record is not None
    decoded = columns.decode(piece.values, record, codec)
    decoded = decoded.without(source.check(decoded, piece.append_times))
    fates.refused += decoded.refused
    batch, rows = decoded.batch, decoded.rows
    subjects = batch.column("subject").dictionary_encode()
    targets = _partitions(subjects, memory.partitions)
    elsewhere = targets != memory.partition
    if elsewhere.any():
        for at in np.flatnonzero(elsewhere):
            _send_on(piece, int(rows[at]), int(targets[at]), subjects[int(at)].as_py(), fates)
        here = pa.array(~elsewhere)
        batch, rows, subjects = batch.filter(here), rows[~elsewhere], subjects.filter(here)
    offsets = piece.offsets[rows]
    ids = combine([hash_part(subjects), hash64(batch.column("event_id"))])
    repeated = _repeated(piece, rows, memory.seen(piece.topic).carriers(ids, offsets))
    if repeated.any():
        fates.duplicates += int(repeated.sum())
        batch, rows, offsets = (
            batch.filter(pa.array(~repeated)),
            rows[~repeated],
            offsets[~repeated],
        )
    return Facts(
        piece.topic, piece.partition, batch, rows, offsets, now[rows], piece.append_times[rows]
    )


def admit_record(
    piece: Slice,
    at: int,
    source: Input[R, Any],
    memory: IngressMemory,
    codec: Codec,
    fates: BatchFates,
) -> R | None:
    """The record at position `at` of a low-volume input if it is to be applied."""
    name = TOPICS[piece.topic].record
    assert name is not None
    try:
        record: Any = codec.decode(name, piece.values[at])
    except DecodeError as error:
        fates.refused.append(RefusedRecord(at, error.reason, error.sentence))
        return None
    admitted: R = record
    if source.is_new:
        return admitted
    problems = source.check(admitted)
    if piece.topic in FOREIGN:  # what we wrote ourselves was made of moments that were looked at
        problems = [*moment_faults(record, int(piece.append_times[at])), *problems]
    if problems:
        reason, sentence = problems[0]
        fates.refused.append(RefusedRecord(at, reason, sentence))
        return None
    key = source.key(admitted)
    # What is asked for many subjects is asked of each partition.
    target = memory.partition if spread(record) else _partition(key, memory.partitions)
    if target != memory.partition:
        _send_on(piece, at, target, key, fates)
        return None
    offset = piece.offsets[at : at + 1]
    named = hash64(pa.array([key, record.event_id], pa.string()))
    carriers = memory.seen(piece.topic).carriers(combine([named[:1], named[1:]]), offset)
    if _repeated(piece, np.array([at]), carriers)[0]:
        fates.duplicates += 1
        return None
    return admitted


def _repeated(piece: Slice, rows: Ints, carriers: Ints) -> Mask:
    """Which of these rows are duplicates of the records at `carriers` (-1: none), shape of both.

    A record written back from the dead letters is none of the very record that was refused.
    """
    repeated: Mask = carriers >= 0
    for at in np.flatnonzero(repeated).tolist():
        origin = f"{piece.topic}/{piece.partition}/{carriers[at]}".encode()
        repeated[at] = (REDRIVEN_FROM, origin) not in (piece.records[int(rows[at])].headers() or ())
    return repeated


def _partitions(subjects: pa.DictionaryArray, partitions: int) -> Ints:
    of_each = np.array(
        [_partition(subject, partitions) for subject in subjects.dictionary.to_pylist()], np.int64
    )
    return of_each[subjects.indices.to_numpy()] if len(of_each) else of_each


@lru_cache(maxsize=65_536)  # subjects; hashing one in Python costs some microseconds
def _partition(subject: str, partitions: int) -> int:
    return partition_of(subject, partitions)


def _beside_the_value(record: Delivered) -> int:
    headers = record.headers() or ()
    return len(record.key() or b"") + sum(len(name) + len(value or b"") for name, value in headers)


def _send_on(piece: Slice, index: int, target: int, subject: str, fates: BatchFates) -> None:
    if any(name == FORWARDED_FROM for name, _ in piece.records[index].headers() or ()):
        sentence = (
            f"subject {subject!r} belongs to partition {target} and was forwarded once already"
        )
        fates.refused.append(RefusedRecord(index, "FORWARDED_TWICE", sentence))
    elif (size := _beside_the_value(piece.records[index])) > MAX_BYTES:
        # With one header more it might be too large for its own topic, and could never be sent on.
        fates.refused.append(
            RefusedRecord(
                index, Reason.TOO_LARGE, f"{size} bytes of key and headers, to be sent on"
            )
        )
    else:
        fates.forwards.append(Forward(index, target, subject))
