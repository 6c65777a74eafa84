"""Encodes rows of the hot table to framed Avro, all that changed in one compiled pass."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.codec.flat_schema import flat_fields
from schemas.codec.framing import Codec, header
from schemas.compiled import compiled, inlined, read_only
from schemas.words import WORD_BYTES, Bytes, word
from state.storage.name_codes import NO_NAME, Keys, Texts

_NAME, _LONG, _DOUBLE, _BOOLEAN, _ENUM, _ATTACHED = range(6)
_KINDS = {"long": _LONG, "double": _DOUBLE, "boolean": _BOOLEAN, "enum": _ENUM}
_COLUMNS = {"long": "<i8", "double": "<f8", "boolean": "|b1", "enum": "|i1"}
_NUMBER_BYTES = 10  # of a varint at most, and more than a union's branch and a double
_FIELD = np.dtype([("kind", "i8"), ("place", "i8"), ("nullable", "?"), ("which", "i8")], align=True)
_PRESENT = 2  # the branch of a union with null, as a varint
_ONE, _SEVEN, _SEVEN_BITS = np.uint64(1), np.uint64(7), np.uint64(0x7F)
_SLOT_BYTES = 4  # of the number of what is attached to a row
_BASE64 = read_only(
    np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
)
_PADDING = np.uint8(ord("="))
_LAST, _BYTE = np.uint64(0x80), np.uint64(0xFF)
Ints = NDArray[np.int64]


class Fields(NamedTuple):
    """How a record is encoded: one _FIELD for each of its fields, in the schema's order.

    place: of a name its part of the key, of others where in a row their bytes begin; of what is
    attached to a row its number, 0 where there is none, which is written as base64. which: of
    several that are attached.
    """

    fields: NDArray[np.void]
    row_bytes: int


class RowBytes(NamedTuple):
    """flat: the bytes of all rows, one after the other. attached: what is attached to rows, each by
    its number, (m, bytes).
    """

    flat: Bytes
    attached: tuple[NDArray[np.uint8], ...]


class NameColumns(NamedTuple):
    """The names of n rows: the code of each part of their keys, (n, parts), and the texts."""

    texts: Texts
    codes: NDArray[np.int32]


def fields_of(
    record: str,
    names: Sequence[str],
    layout: "np.dtype[Any]",
    enums: Mapping[str, Sequence[str]],
    attached: Mapping[str, str],
) -> Fields:
    """How rows of this layout become this record; an enum's codes are its places in the schema.

    attached: the column with the number of what is attached to a row, by the field that it becomes.

    AssertionError where a column does not fit its field.
    """
    fields = []
    for each in flat_fields(record):
        if each.name in names:
            fields.append((_NAME, names.index(each.name), each.nullable, 0))
            continue
        if each.name in attached:
            kind, offset = layout.fields[attached[each.name]][:2]  # type: ignore[index]
            assert (each.kind, each.nullable) == ("string", True), f"{record}.{each.name}"
            assert kind.itemsize == _SLOT_BYTES, f"{record}.{each.name} is a {kind.str}"
            fields.append((_ATTACHED, offset, True, list(attached).index(each.name)))
            continue
        kind, offset = layout.fields[each.name][:2]  # type: ignore[index]
        if each.kind == "enum":
            assert tuple(enums[each.name]) == each.symbols, f"{record}.{each.name} has other codes"
        assert kind.str == _COLUMNS[each.kind], f"{record}.{each.name} is a {kind.str}"
        of_kind = _KINDS[each.kind]
        fields.append((of_kind, offset, each.nullable, 0))
    return Fields(read_only(np.array(fields, _FIELD)), layout.itemsize)


def encoded(
    records: NDArray[np.void],
    rows: Ints,
    keys: Keys,
    form: Fields,
    start: bytes,
    attached: tuple[NDArray[np.float64], ...],
) -> list[bytes]:
    """The framed value of each of these rows; start: the header that each begins with; attached:
    each (m, width), by number.
    """
    names = NameColumns(keys.texts_of_names(), keys.codes_of(rows))
    size = len(rows) * (len(start) + _NUMBER_BYTES * len(form.fields))
    size += len(rows) * 2 * sum(each.shape[1] * each.itemsize for each in attached)
    size += int(names.texts.lengths[names.codes].sum())
    written, ends = np.empty(size, np.uint8), np.empty(len(rows), np.int64)
    source = RowBytes(
        read_only(records.view(np.uint8).reshape(-1)),
        tuple(read_only(each.view(np.uint8).reshape(len(each), -1)) for each in attached),
    )
    head = read_only(np.frombuffer(start, np.uint8))
    _write_all(source, rows, names, form, head, written, ends)
    data, begins = written.tobytes(), [0, *ends[:-1].tolist()]
    return [data[begin:end] for begin, end in zip(begins, ends.tolist(), strict=True)]


def header_of(record: str, codec: Codec) -> bytes:
    """What each framed value of a record begins with."""
    return header(codec.schema_id(record))


@compiled
def _write_all(
    source: RowBytes,
    rows: Ints,
    names: NameColumns,
    form: Fields,
    head: Bytes,
    written: Bytes,
    ends: Ints,
) -> None:
    flat, at = source.flat, 0
    for index in range(len(rows)):
        for byte in head:
            written[at] = byte
            at += 1
        base = rows[index] * form.row_bytes
        for number in range(len(form.fields)):
            field = form.fields[number]
            if field.kind == _NAME:
                at = _write_name(
                    written, at, names.texts, names.codes[index, field.place], field.nullable
                )
            elif field.kind == _LONG:
                at = _write_long(written, at, word(flat, base + field.place))
            elif field.kind == _DOUBLE:
                at = _write_double(written, at, word(flat, base + field.place), field.nullable)
            elif field.kind == _BOOLEAN:
                written[at] = flat[base + field.place]
                at += 1
            elif field.kind == _ATTACHED:
                values = source.attached[field.which]
                at = _write_attached(written, at, values, _slot(flat, base + field.place))
            else:
                at = _write_varint(written, at, np.uint64(flat[base + field.place]) << _ONE)
        ends[index] = at


@inlined
def _write_name(written: Bytes, at: int, texts: Texts, code: int, nullable: bool) -> int:
    if nullable:
        written[at] = 0 if code == NO_NAME else _PRESENT
        at += 1
        if code == NO_NAME:
            return at
    start, length = texts.starts[code], texts.lengths[code]
    at = _write_varint(written, at, np.uint64(length) << _ONE)
    for byte in range(length):
        written[at + byte] = texts.data[start + byte]
    return int(at + length)


@inlined
def _write_long(written: Bytes, at: int, bits: np.uint64) -> int:
    sign = np.uint64(np.int64(bits) >> np.int64(63))
    return _write_varint(written, at, (bits << _ONE) ^ sign)


@inlined
def _write_double(written: Bytes, at: int, bits: np.uint64, nullable: bool) -> int:
    if nullable:
        absent = np.isnan(np.uint64(bits).view(np.float64))
        written[at] = 0 if absent else _PRESENT
        at += 1
        if absent:
            return at
    for byte in range(WORD_BYTES):
        written[at + byte] = np.uint8((bits >> np.uint64(8 * byte)) & _BYTE)
    return at + WORD_BYTES


@compiled
def _slot(flat: Bytes, at: int) -> int:
    bits = np.uint32(0)
    for byte in range(_SLOT_BYTES):
        bits |= np.uint32(flat[at + byte]) << np.uint32(8 * byte)
    return int(np.int32(bits))


@compiled
def _write_attached(written: Bytes, at: int, attached: NDArray[np.uint8], slot: int) -> int:
    """Writes a nullable string: base64 of what is attached, null of none."""
    written[at] = 0 if slot == 0 else _PRESENT
    at += 1
    if slot == 0:
        return at
    length = attached.shape[1]
    at = _write_varint(written, at, np.uint64((length + 2) // 3 * 4) << _ONE)
    for first in range(0, length, 3):
        bits = 0
        for byte in range(3):
            bits <<= 8
            if first + byte < length:
                bits |= int(attached[slot, first + byte])
        for place in range(4):
            written[at] = _BASE64[(bits >> 6 * (3 - place)) & 63]
            at += 1
    for padding in range(1, (3 - length % 3) % 3 + 1):
        written[at - padding] = _PADDING
    return at


@compiled
def _write_varint(written: Bytes, at: int, value: np.uint64) -> int:
    while value >= _LAST:
        written[at] = np.uint8(value & _SEVEN_BITS | _LAST)
        value >>= _SEVEN
        at += 1
    written[at] = np.uint8(value)
    return at + 1
