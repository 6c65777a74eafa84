"""Walks an encoded record against its schema and refuses what lenient decoders let through.

fastavro takes enum index -1 for the last symbol, integers of any length, and any byte for a
boolean. Integers here have at most ten bytes; bits past the 64th are dropped, as both decoders do.
Batches are walked by `strict_rows.py`.
"""

from collections.abc import Mapping
from typing import Any

from schemas.refusals import DecodeError, Reason

_FIXED_SIZES = {"null": 0, "float": 4, "double": 8}
_NAMED = ("record", "enum")
_INT_BITS = {"int": 32, "long": 64}
VARINT_BYTES = 10


class Strict:
    """The rules of one schema, as fastavro parsed it: full names, each defined once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._named: dict[str, Any] = {}
        self._collect(schema)

    def check(self, body: bytes) -> None:
        """Raises DecodeError unless the whole of `body` is one record of the schema."""
        end = self._walk(self._schema, body, 0, str(self._schema["name"]).rpartition(".")[2])
        if end != len(body):
            raise DecodeError(
                Reason.TRAILING_BYTES, f"{len(body) - end} bytes follow a record of {end} bytes"
            )

    def _collect(self, schema: Any) -> None:
        match schema:
            case dict():
                if schema.get("type") in _NAMED:
                    self._named[schema["name"]] = schema
                for part in schema.values():
                    self._collect(part)
            case list():
                for part in schema:
                    self._collect(part)

    def _walk(self, schema: Any, body: bytes, at: int, where: str) -> int:
        """Returns where the value that begins at `at` ends. where: its name, for whoever reads the
        error.
        """
        if isinstance(schema, list):
            index, at = _varint(body, at, where)
            if not 0 <= index < len(schema):
                raise _undecodable(where, f"branch {index} of a union of {len(schema)}")
            return self._walk(schema[index], body, at, where)
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        kind = schema if isinstance(schema, str) else schema["type"]
        match kind:
            case "record":
                for field in schema["fields"]:
                    at = self._walk(field["type"], body, at, f"{where}.{field['name']}")
                return at
            case "array":
                return self._blocks(body, at, where, "item", schema["items"])
            case "map":
                return self._blocks(body, at, where, "value", schema["values"])
            case "enum":
                index, at = _varint(body, at, where)
                if not 0 <= index < len(schema["symbols"]):
                    raise _undecodable(where, f"symbol {index} of {len(schema['symbols'])}")
                return at
        return _primitive_end(body, at, where, kind)

    def _blocks(self, body: bytes, at: int, where: str, kind: str, items: Any) -> int:
        """An array or map: counted blocks up to an empty one; a negative count is followed by the
        block's bytes.
        """
        while True:
            count, at = _varint(body, at, where)
            if count < 0:
                size, at = _varint(body, at, where)
                if size < 0:
                    raise _undecodable(where, f"a block of {size} bytes")
            if not count:
                return at
            if abs(count) > len(body) - at:  # each item takes a byte at least
                raise _truncated(
                    where, f"{abs(count)} items announced, {len(body) - at} bytes left"
                )
            for _ in range(abs(count)):
                at = _sized(body, at, where, "string") if kind == "value" else at
                at = self._walk(items, body, at, f"{where}[]")


def _primitive_end(body: bytes, at: int, where: str, kind: str) -> int:
    match kind:
        case "string" | "bytes":
            return _sized(body, at, where, kind)
        case "int" | "long":
            value, at = _varint(body, at, where)
            if not -(1 << _INT_BITS[kind] - 1) <= value < 1 << _INT_BITS[kind] - 1:
                raise _undecodable(where, f"{value} is not a 32-bit integer")
            return at
        case "boolean":
            end = _within(body, at, 1, where)
            if body[at] > 1:
                raise _undecodable(where, f"{body[at]} is not a boolean")
            return end
    return _within(body, at, _FIXED_SIZES[kind], where)


def _varint(body: bytes, at: int, where: str) -> tuple[int, int]:
    """(zigzag integer of 64 bits, where it ends)."""
    raw = 0
    for index, byte in enumerate(body[at : at + VARINT_BYTES]):
        raw |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            raw &= (1 << 64) - 1
            return (raw >> 1) ^ -(raw & 1), at + index + 1
    if at + VARINT_BYTES > len(body):
        raise _truncated(where, "the bytes end within an integer")
    raise _undecodable(where, f"an integer of more than {VARINT_BYTES} bytes")


def _sized(body: bytes, at: int, where: str, kind: str) -> int:
    size, at = _varint(body, at, where)
    if size < 0:
        raise _undecodable(where, f"a {kind} of {size} bytes")
    end = _within(body, at, size, where)
    if kind == "string":
        try:
            body[at:end].decode()
        except UnicodeDecodeError as error:
            raise DecodeError(
                Reason.BAD_UTF8, f"{where} is not UTF-8: {body[at:end][:40]!r}"
            ) from error
    return end


def _within(body: bytes, at: int, size: int, where: str) -> int:
    if at + size > len(body):
        raise _truncated(where, f"{size} bytes needed, {len(body) - at} left")
    return at + size


def _truncated(where: str, sentence: str) -> DecodeError:
    return DecodeError(Reason.TRUNCATED, f"{where}: {sentence}")


def _undecodable(where: str, sentence: str) -> DecodeError:
    return DecodeError(Reason.UNDECODABLE, f"{where}: {sentence}")
