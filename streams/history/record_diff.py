"""Compares records field by field: what stands in Kafka against what was folded again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from schemas.codec.framing import Codec, Record
from schemas.records import Decision
from streams.files.parsing import names_of
from streams.kafka.stored_records import Stored


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that stands otherwise than it was replayed; None where one side has no such
    field.
    """

    where: str
    field: str
    stored: Any
    replayed: Any


def differences(
    name: str, stored: Sequence[Stored], key: str, replayed: Record | None, codec: Codec
) -> list[Difference]:
    """Returns each way in which the stored copies of one record differ from the record replayed.

    They are compared byte for byte.
    """
    found = [
        each
        for copy in stored
        if replayed is not None
        for each in _of_copy(copy, key, replayed, codec)
    ]
    standing = ", ".join(copy.place for copy in stored)
    if replayed is None and stored:
        found.append(Difference(standing, name, "stands", "not given"))
    elif replayed is not None and not stored:
        found.append(Difference("nowhere", name, "does not stand", "given"))
    elif len(stored) > 1:
        found.append(Difference(standing, "records", len(stored), 1))
    return found


def _of_copy(copy: Stored, key: str, replayed: Record, codec: Codec) -> Iterator[Difference]:
    if copy.key != key:
        yield Difference(copy.place, "key", copy.key, key)
    value = codec.encode(replayed)
    if copy.value == value:
        return
    stands, given = dict(leaves(copy.record)), dict(leaves(replayed))
    unlike = [name for name in stands | given if repr(stands.get(name)) != repr(given.get(name))]
    for name in unlike:  # as text: 0.0 and -0.0 are other bytes, two NaN are the same
        yield Difference(copy.place, name, stands.get(name), given.get(name))
    if not unlike:
        yield Difference(copy.place, "bytes", copy.value, value)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the name and the value of each field of a record, and of the records in it.

    >>> from schemas.records import Share, ShareStep
    >>> dict(leaves(ShareStep(from_=None, shares=(Share("control", 0.9), Share("b", 0.1)))))
    ... # doctest: +NORMALIZE_WHITESPACE
    {'from': None,
     'shares[0].variant': 'control', 'shares[0].share': 0.9,
     'shares[1].variant': 'b', 'shares[1].share': 0.1}
    """
    if is_dataclass(value):
        for written, field in names_of(type(value)).items():
            yield from leaves(getattr(value, field), f"{name}.{written}" if name else written)
    elif isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        for number, item in enumerate(value):
            yield from leaves(item, f"{name}[{number}]")
    else:
        yield name, value


def proofs(decision: Decision) -> frozenset[tuple[str, int]]:
    """The records that prove a decision, as topic and offset; none where it names no evidence."""
    return frozenset((evidence.topic, evidence.last_offset) for evidence in decision.evidence)
