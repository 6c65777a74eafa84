"""Lets a record in, or says why not: bytes, values, partition, and whether it was seen before."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

import pyarrow as pa

from agents.core.batch import Delivered, Ints, Slice
from agents.core.effects import Forward, Output, Refusal
from agents.core.provenance import Provenance
from schemas.catalog import FOREIGN, TOPICS
from schemas.codec.framing import MAX_BYTES, Codec
from schemas.ids import partition_of
from schemas.refusals import DecodeError, Reason, RefusedRecord
from schemas.text_hash import hash64
from schemas.validation.field_checks import Fault
from schemas.validation.moments import moment_faults
from schemas.validation.requests_and_recommendations import spread
from state.partition.experiment_tables import ExperimentTables
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState
from state.storage.columnar_table import combine

FORWARDED_FROM = "forwarded-from"
REDRIVEN_FROM = "mendstream-redriven-from"  # whence a dead letter came that was written back
R = TypeVar("R")
T = TypeVar("T")  # the tables that a handler is given
Outcome = list[Output] | Refusal


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
    check: Callable[[R], list[Fault]]
    handle: Callable[[R, Provenance, T], Outcome]
    tables: Callable[[PartitionState], T]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class BatchInput:
    """A high-volume input, folded by a compiled loop.

    fold: folds a slice, given the partition's clock at each record, and says what follows.
    remember: of records that were folded before a restart, takes in what is to be known again.
    admitted: the offsets of those that are let in, which are known from then on.
    """

    topic: str
    fold: "Callable[[Slice, Ints, PartitionState, Codec, BatchFates], list[Output]]"
    remember: Callable[[Slice, Ints, IngressMemory, ExperimentTables, Codec], list[int]]
    admitted: Callable[[Slice, IngressMemory, Codec], list[int]]


class BatchFates:
    """Collects what became of the records of one slice; every record ends in one of these."""

    def __init__(self) -> None:
        self.forwards: list[Forward] = []
        self.refused: list[RefusedRecord] = []
        self.applied = 0
        self.duplicates = 0


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
        send_on(piece, at, target, key, fates)
        return None
    offset = piece.offsets[at : at + 1]
    named = hash64(pa.array([key, record.event_id], pa.string()))
    carriers = memory.seen(piece.topic).carriers(combine([named[:1], named[1:]]), offset)
    if carriers[0] >= 0 and not is_redriven(piece, at, int(carriers[0])):
        fates.duplicates += 1
        return None
    return admitted


def is_redriven(piece: Slice, index: int, carrier: int) -> bool:
    """Whether a record was written back from the dead letters, where that at offset `carrier`, with
    the same id, was refused.
    """
    origin = f"{piece.topic}/{piece.partition}/{carrier}".encode()
    return (REDRIVEN_FROM, origin) in (piece.records[index].headers() or ())


@lru_cache(maxsize=65_536)  # subjects; hashing one in Python costs some microseconds
def _partition(subject: str, partitions: int) -> int:
    return partition_of(subject, partitions)


def _beside_the_value(record: Delivered) -> int:
    headers = record.headers() or ()
    return len(record.key() or b"") + sum(len(name) + len(value or b"") for name, value in headers)


def send_on(piece: Slice, index: int, target: int, subject: str, fates: BatchFates) -> None:
    """Sends a record on to the partition of its subject, or refuses it where that cannot be."""
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
