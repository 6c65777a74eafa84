"""One filled-in record of each kind, worked out from its schema, and encodings by hand of what no
writer would write.
"""

from dataclasses import fields
from typing import Any, get_args, get_type_hints

from schemas.catalog import local_ids
from schemas.codec.framing import Codec, Record, named_class

CODEC = Codec(local_ids())
_VALUES: dict[Any, Any] = {
    str: "größe",
    int: 1_700_000_000_123,
    float: 0.25,
    bool: True,
    bytes: b"\xff\x00",
}


def sample(name: str) -> Record:
    """A record with every field present."""
    record = named_class(name)
    hints = get_type_hints(record)
    filled: Record = record(
        **{each.name: _value(hints[each.name], each.name) for each in fields(record)}
    )
    return filled


def _value(kind: Any, name: str) -> Any:
    if name in ("attempt", "attempts_max", "partition"):
        return 7  # an int of 32 bits
    if kind in _VALUES:
        return _VALUES[kind]
    if args := get_args(kind):
        if type(None) in args:
            return _value(args[0], name)
        return {"a": 1, "b": -1} if kind.__origin__ is dict else (_value(args[0], name),) * 2
    return sample(kind.__name__) if hasattr(kind, "__dataclass_fields__") else list(kind)[-1]


def varint(number: int) -> bytes:
    """Avro's zigzag encoding."""
    left = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*encoded, left])


def text(value: bytes) -> bytes:
    return varint(len(value)) + value


def result_body(**parts: bytes) -> bytes:
    """An ExperimentResult with some fields' bytes replaced."""
    plain = {
        "event_id": text(b"e"),
        "subject": text(b"bot"),
        "experiment_id": text(b"exp"),
        "variant": text(b"b"),
        "unit_id": varint(0),
        "metric": text(b"error"),
        "kind": varint(1),
        "count": varint(1),
        "sum": bytes(8),
        "sum_squares": varint(0),
        "segment": varint(0),
        "occurred_at": varint(1_700_000_000_000),
        "assigned_at": varint(0),
        "covariate": varint(0),
    }
    assert parts.keys() <= plain.keys()
    return b"".join((plain | parts).values())


# What pyruhvro, fastavro or both take without a word, or refuse a whole batch for: name -> body of
# an ExperimentResult.
BROKEN_RESULTS = {
    "empty": b"",
    "one byte": b"\x00",
    "a byte missing": result_body()[:-1],
    "a byte over": result_body() + b"\x00",
    "a record over": result_body() * 2,
    "bad UTF-8": result_body(event_id=text(b"\xff\xfe")),
    "bad UTF-8 in a nullable": result_body(segment=varint(1) + text(b"\xc3")),
    "a surrogate": result_body(metric=text(b"\xed\xa0\x80")),
    "half a character": result_body(variant=text(b"a\xc3"), unit_id=varint(0)),
    "union branch 2": result_body(unit_id=varint(2)),
    "union branch -1": result_body(unit_id=varint(-1)),
    "enum 3": result_body(kind=varint(3)),
    "enum -1": result_body(kind=varint(-1)),
    "negative length": result_body(event_id=varint(-1)),
    "least length": result_body(event_id=varint(-(1 << 63))),
    "greatest length": result_body(event_id=varint((1 << 63) - 1)),
    "length past the end": result_body(event_id=varint(200)),
    "eleven-byte integer": result_body(count=b"\x80" * 10 + b"\x01"),
    "endless integer": result_body(event_id=b"\xff" * 30),
}
# Longer than need be, and still one record.
ODD_RESULTS = {
    "overlong count": result_body(count=b"\x82\x00"),
    "overlong length": result_body(event_id=b"\x82\x00e"),
    "overlong branch": result_body(unit_id=b"\x82\x80\x00" + text(b"u")),
    "overlong enum": result_body(kind=b"\x82\x00"),
    "bits past the 64th": result_body(count=b"\xff" * 9 + b"\x7f"),
    "least count": result_body(count=varint(-(1 << 63))),
    "greatest moment": result_body(occurred_at=varint((1 << 63) - 1)),
}
