"""Sound values, and what a broken producer, disk or network makes of them; chance comes in as
numbers.
"""

from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np

from schemas.codec.framing import Record, named_class
from tests.support.builders import CODEC

KINDS = 12
_INT32 = ("attempt", "partition")
_TEXTS = ("", "a", "bot", "größe", "日本", "x" * 63, "x" * 64, "x" * 200, "\x00", "é" * 40)
_LONGS = (0, 1, -1, 63, 64, -64, -65, 8191, 8192, 1_700_000_000_000, (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, -0.0, 1.0, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 5e-324)
_BURSTS = (
    b"\x80",
    b"\x80" * 9,
    b"\xff" * 10,
    b"\x00" * 8,
    b"\xff",
    b"\x01",
    b"\x7f",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
)


def sound(name: str, rng: np.random.Generator) -> bytes:
    """The value of a record whose fields are drawn from the edges of what they may be."""
    record = named_class(name)
    hints = get_type_hints(record)
    filled: Record = record(
        **{each.name: _value(hints[each.name], each.name, rng) for each in fields(record)}
    )
    return CODEC.encode(filled)


def mutated(  # noqa: C901 - one case a kind of damage
    value: bytes, kind: int, at: int, size: int, others: Sequence[bytes]
) -> bytes:
    """One kind of damage of KINDS, at a place; `at` and `size` are any numbers, `others` what may
    be mixed in.
    """
    at, size = at % (len(value) + 1), size % 24 + 1
    burst, other = _BURSTS[size % len(_BURSTS)], others[(at + size) % len(others)]
    match kind % KINDS:
        case 0:  # a bit flips
            return (
                value[:at]
                + bytes(byte ^ (1 << size % 8) for byte in value[at : at + 1])
                + value[at + 1 :]
            )
        case 1:  # the end is lost
            return value[:at]
        case 2:  # something follows
            return value + (burst if size % 2 else other[:size])
        case 3:  # bytes are lost
            return value[:at] + value[at + size :]
        case 4:  # bytes come twice
            return value[: at + size] + value[at:]
        case 5:  # bytes are put in
            return value[:at] + burst + value[at:]
        case 6:  # bytes are overwritten
            return value[:at] + burst + value[at + len(burst) :]
        case 7:  # the tail of another value
            return value[:at] + other[at:]
        case 8:  # the header of another value
            return other[:5] + value[5:]
        case 9:  # two values in one
            return value + other
        case 10:  # a page that was never written
            return value[:at] + bytes(len(value) - at)
    return value[:5] + bytes(
        (at * 7 + step * size) % 256 for step in range(size * 4)
    )  # noise behind a good header


def _value(kind: Any, name: str, rng: np.random.Generator) -> Any:
    if name in _INT32:
        return int(rng.integers(-(1 << 31), 1 << 31))
    if NoneType in get_args(kind):
        return None if rng.random() < 0.4 else _value(get_args(kind)[0], name, rng)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return list(kind)[rng.integers(len(kind))]
    choices: dict[type, Sequence[Any]] = {
        str: _TEXTS,
        int: _LONGS,
        float: _FLOATS,
        bool: (False, True),
    }
    return choices[kind][int(rng.integers(len(choices[kind])))]
