"""Positions in topics as texts: what an answer rests on, and what a caller wants it to rest on."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Places = Mapping[tuple[str, int], int]  # the next offset of each topic partition
PARTITIONS_MAX = 1_024  # as many as the settings allow a topic
TOPICS_MAX = 32  # more than there are views


class PositionError(ValueError):
    """A text that is no position; the sentence says why."""


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where one record stands: what a write was answered with."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def written(topics: Iterable[str], places: Places) -> str:
    """The positions of some topics as one text; of each topic, one number for each partition.

    >>> written(["t"], {("t", 0): 5, ("t", 1): 300})
    't@BawC'
    """
    return ",".join(f"{topic}@{_packed(topic, places)}" for topic in sorted(set(topics)))


def read(text: str) -> tuple[dict[tuple[str, int], int], list[RecordPlace]]:
    """The positions and the places of records that a text names, separated by commas.

    Raises PositionError.

    >>> read("t@BawC, requests.v1/3/4711")
    ({('t', 0): 5, ('t', 1): 300}, [RecordPlace(topic='requests.v1', partition=3, offset=4711)])
    """
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) > TOPICS_MAX:
        raise PositionError(f"{len(pieces)} positions are more than {TOPICS_MAX}")
    places: dict[tuple[str, int], int] = {}
    records = []
    for piece in pieces:
        topic, at, packed = piece.partition("@")
        if at:
            places |= {(topic, p): n for p, n in enumerate(_unpacked(piece, packed))}
        else:
            records.append(place_of(piece))
    return places, records


def place_of(text: str) -> RecordPlace:
    """The place that a text as `requests.v1/3/4711` names. Raises PositionError."""
    topic, _, numbers = text.partition("/")
    partition, _, offset = numbers.partition("/")
    whole = all(part.isascii() and part.isdecimal() for part in (partition, offset))
    if not topic or not whole or len(numbers) > 30:
        raise PositionError(f"{text[:60]!r} is no position: write topic/partition/offset")
    return RecordPlace(topic, int(partition), int(offset))


def _packed(topic: str, places: Places) -> str:
    numbers = [places.get((topic, p), 0) for p in range(_partitions(topic, places))]
    packed = bytearray()
    for number in numbers:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _partitions(topic: str, places: Places) -> int:
    return max((partition for name, partition in places if name == topic), default=-1) + 1


def _unpacked(piece: str, packed: str) -> list[int]:
    fault = PositionError(f"{piece[:60]!r} is no position that an answer had")
    if len(packed) > PARTITIONS_MAX * 14:
        raise fault
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise fault from error
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
        elif shift > 63:
            raise fault
    if shift or len(numbers) > PARTITIONS_MAX:
        raise fault
    return numbers
