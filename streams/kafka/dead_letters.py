"""Writes and reads what a dead letter says of itself, in the headers that stand behind those of the
original record.
"""

from dataclasses import dataclass

from confluent_kafka import Message

ERRORS = "__streams.errors."  # the header names of Kafka Streams (KIP-1034): tools know them
NAMES = tuple(
    ERRORS + name for name in ("exception", "message", "stacktrace", "topic", "partition", "offset")
)
REASON = "mendstream-reason"
LEFT_OUT = "mendstream-left-out-bytes"  # of a record that even a dead letter cannot hold

Header = tuple[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, and the record that it was: key, value and `headers` are the original's."""

    partition: int  # where the letter stands
    offset: int
    topic: str  # where the record came from
    origin_partition: int
    origin_offset: int
    reason: str
    sentence: str
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    left_out: bool

    @property
    def size(self) -> int:
        return (
            len(self.key or b"")
            + len(self.value or b"")
            + sum(len(n) + len(v or b"") for n, v in self.headers)
        )


def letter(message: Message) -> Letter | None:
    """The letter that a record of the dead letter topic is; None if we did not write it.

    Only the last headers are believed: a stranger's record may carry such names among its own.
    """
    headers = headers_of(message)
    added, own = headers[-len(NAMES) - 1 :], headers[: -len(NAMES) - 1]
    if tuple(name for name, _ in added) != (*NAMES, REASON):
        return None
    said = {name: (value or b"").decode(errors="replace") for name, value in added}
    partition, offset = said[ERRORS + "partition"], said[ERRORS + "offset"]
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    return Letter(
        message.partition() or 0,
        message.offset() or 0,
        said[ERRORS + "topic"],
        int(partition),
        int(offset),
        said[REASON],
        said[ERRORS + "message"],
        _bytes(message.key()),
        _bytes(message.value()),
        tuple(own),
        message.value() is None and [name for name, _ in own] == [LEFT_OUT],
    )


def origin(message: Message) -> tuple[str, int, int] | None:
    """Topic, partition and offset of the record that a dead letter was; None if we did not write
    it.
    """
    found = letter(message)
    return None if found is None else (found.topic, found.origin_partition, found.origin_offset)


def headers_of(message: Message) -> list[Header]:
    """A record's headers, in order."""
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, _bytes(value)) for name, value in pairs]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
