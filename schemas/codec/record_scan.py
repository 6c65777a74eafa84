"""Finds the fields of one encoded flat record where it lies, as compiled functions for a loop over
records.

It accepts what the codec accepts of the present schema and of older ones to which fields were
appended since, and never anything else. The codec has the last word on a record that is not
accepted: it may be of a schema that differs otherwise.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.codec.flat_schema import FlatField, fields_written, flat_fields
from schemas.codec.framing import HEADER_BYTES, MAX_BYTES, header
from schemas.compiled import compiled, inlined, read_only
from schemas.words import WORD_BYTES, Bytes, part_of_word, word

ABSENT = -1  # the length of a string that is not there

_STRING, _LONG, _INT, _ENUM, _BOOLEAN, _DOUBLE = range(6)
_KINDS = {
    "string": _STRING,
    "long": _LONG,
    "int": _INT,
    "enum": _ENUM,
    "boolean": _BOOLEAN,
    "double": _DOUBLE,
}
_VARINT_BYTES = 10
_BAD = -1  # where what is no value ends
_INT_LEAST, _INT_MOST = -(1 << 31), (1 << 31) - 1
_NONE, _ONE = np.uint64(0), np.uint64(1)
_ONES = np.uint64(0x0101010101010101)
_HIGHEST = np.uint64(0x8080808080808080)
# A blank for each byte that is missing of eight, by how many there are.
_BLANKS = np.array([0x2020202020202020 << 8 * size & (1 << 64) - 1 for size in range(9)], np.uint64)
_SURROGATE_FIRST, _SURROGATE_LAST, _POINT_MOST = 0xD800, 0xDFFF, 0x10FFFF


FORM = np.dtype([("kind", "i8"), ("nullable", "?"), ("least", "i8"), ("most", "i8")], align=True)
FIELD = np.dtype(
    [
        *(("start", "i8"), ("length", "i8"), ("number", "i8")),
        *(("value", "f8"), ("present", "?"), ("printed", "?")),
    ],
    align=True,
)
Form = NDArray[np.void]
Fields = NDArray[np.void]


class FormOfField(Protocol):
    """How one field is encoded: one FORM.

    nullable: whether it is a union with null; least, most: the bounds of what is an integer.
    """

    kind: int
    nullable: bool
    least: int
    most: int


class Field(Protocol):
    """What one field of a record is: one FIELD.

    present: whether it is there. start, length: of a string in the scanned bytes; the length is -1
    where there is none. printed: whether it is ASCII from the blank to the tilde. number: a long,
    an int, a moment (ms), an enum by the index of its symbol, a boolean as 0 and 1; 0 where there
    is none. value: a double; NaN where there is none.
    """

    start: int
    length: int
    number: int
    value: float
    present: bool
    printed: bool


class Writers(NamedTuple):
    """The schemas whose values `scan` takes.

    heads: what a value of each begins with, the present one's first; written: how many of the
    record's fields each has, from the first on; both of shape (schemas,). absent: what a field is
    that was not written, a FIELD for each field.
    """

    heads: NDArray[np.uint64]
    written: NDArray[np.int64]
    absent: Fields


@cache
def form_of(record: str) -> Form:
    """How the present schema encodes a record, a FORM for each field; AssertionError for a record
    that is not flat.
    """
    fields = [
        (_KINDS[each.kind], each.nullable, *_limits(each.kind, len(each.symbols)))
        for each in flat_fields(record)
    ]
    return read_only(np.array(fields, FORM))


def room_for(form: Form) -> Fields:
    """Room for what `scan` finds, a FIELD for each field."""
    return np.zeros(len(form), FIELD)


def header_word(schema_id: int) -> np.uint64:
    """What each value under a schema id begins with, as `scan` compares it."""
    return np.uint64(int.from_bytes(header(schema_id), "little"))


@lru_cache(maxsize=64)  # records times the registries' answers
def writers_of(record: str, schema_id: int, older: Sequence[tuple[int, str]] = ()) -> Writers:
    """The schemas that values of a record may be written with: the present one, of this id, and of
    the older ones, (id, text) each, those that lack only fields at the end.
    """
    written = {schema_id: len(flat_fields(record))}
    for number, text in older:
        count = fields_written(record, text)
        if count is not None:
            written.setdefault(number, count)
    heads = np.array([header_word(number) for number in written], np.uint64)
    absent = np.array([_absent(field) for field in flat_fields(record)], FIELD)
    counts = np.array(list(written.values()), np.int64)
    return Writers(read_only(heads), read_only(counts), read_only(absent))


def _absent(field: FlatField) -> tuple[int, int, int, float, bool, bool]:
    """The FIELD of one that was not written, by its schema's default: none, or a number."""
    number = field.default if isinstance(field.default, int) else 0
    value = field.default if isinstance(field.default, float) else np.nan
    return 0, ABSENT, int(number), float(value), field.default is not None, False


@compiled
def scan(data: Bytes, start: int, end: int, writers: Writers, form: Form, fields: Fields) -> bool:
    """Whether data[start:end] is a framed record of this form, by one of its writers; writes where
    its fields are.

    What it wrote means nothing where it returns False. data cannot be written to
    (`schemas.compiled.read_only`).
    """
    if not HEADER_BYTES <= end - start <= MAX_BYTES:
        return False
    written = _fields_of_head(part_of_word(data, start, HEADER_BYTES), writers)
    if written < 0:
        return False
    at = start + HEADER_BYTES
    for index in range(written):
        at = _pass_field(data, at, end, form[index], fields[index])
        if at == _BAD:
            return False
    for index in range(written, len(form)):
        _leave_out(writers.absent[index], fields[index])
    return at == end


@inlined
def _fields_of_head(head: np.uint64, writers: Writers) -> int:
    """How many fields a value has that begins so; -1 where no writer is known that begins so."""
    for number in range(len(writers.heads)):
        if writers.heads[number] == head:
            return int(writers.written[number])
    return -1


@inlined
def _leave_out(absent: Field, field: Field) -> None:
    field.start, field.length, field.number = absent.start, absent.length, absent.number
    field.value, field.present, field.printed = absent.value, absent.present, absent.printed


@inlined
def _pass_field(data: Bytes, at: int, end: int, form: FormOfField, field: Field) -> int:
    """Where a field that begins at `at` ends, _BAD where there is none; writes what it is."""
    field.length, field.number, field.value = ABSENT, 0, np.nan
    branch = 1
    if form.nullable:
        branch, at = varint(data, at, end)
        if at == _BAD or not 0 <= branch <= 1:
            return _BAD
    field.present = branch == 1
    if branch == 0:
        return at
    if form.kind == _STRING:
        return _pass_string(data, at, end, field)
    if form.kind == _DOUBLE:
        return _pass_double(data, at, end, field)
    return _pass_integer(data, at, end, form, field)


@inlined
def _pass_string(data: Bytes, at: int, end: int, field: Field) -> int:
    length, at = varint(data, at, end)
    if at == _BAD or not 0 <= length <= end - at:
        return _BAD
    field.start, field.length = at, length
    field.printed = is_printed(data, at, at + length)
    if not field.printed and not is_utf8(data, at, at + length):
        return _BAD
    return at + length


@inlined
def _pass_double(data: Bytes, at: int, end: int, field: Field) -> int:
    if end - at < WORD_BYTES:
        return _BAD
    field.value = np.uint64(word(data, at)).view(np.float64)
    return at + WORD_BYTES


@inlined
def _pass_integer(data: Bytes, at: int, end: int, form: FormOfField, field: Field) -> int:
    """A long, an int, an enum or a boolean."""
    if form.kind != _BOOLEAN:
        value, after = varint(data, at, end)
    elif at < end:
        value, after = int(np.int64(data[at])), at + 1
    else:
        return _BAD
    if after == _BAD or not form.least <= value <= form.most:
        return _BAD
    field.number = value
    return after


@compiled
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """(the zigzag integer of 64 bits that begins at `at`, where it ends); it ends at -1 where there
    is none before `end`.

    It has ten bytes at most; bits past the 64th are dropped.
    """
    if at < end and data[at] < 0x80:  # as nearly all of them are
        byte = int(np.int64(data[at]))
        return byte >> 1 ^ -(byte & 1), at + 1
    raw = _NONE
    for index in range(min(_VARINT_BYTES, end - at)):
        byte = int(np.int64(data[at + index]))
        raw |= np.uint64(byte & 0x7F) << np.uint64(7 * index)
        if byte < 0x80:
            return int(np.int64(raw >> _ONE) ^ -np.int64(raw & _ONE)), at + index + 1
    return 0, _BAD


@compiled
def is_printed(data: Bytes, at: int, end: int) -> bool:
    """Whether data[at:end] is ASCII from the blank to the tilde, as nearly all names are."""
    while at < end:
        size = min(WORD_BYTES, end - at)
        eight = part_of_word(data, at, size) | _BLANKS[size]
        # A byte below the blank has its highest bit set by the subtraction, one above the tilde by
        # the addition; of bytes without it none borrows or carries before the first that is wrong.
        if (eight | (eight - _BLANKS[0]) | (eight + _ONES)) & _HIGHEST != _NONE:
            return False
        at += size
    return True


@compiled
def is_utf8(data: Bytes, at: int, end: int) -> bool:
    """Whether data[at:end] is well-formed UTF-8: no overlong form, no surrogate, nothing past
    U+10FFFF.
    """
    while at < end:
        size = _character_bytes(data, at, end)
        if size == 0:
            return False
        at += size
    return True


@compiled
def _character_bytes(data: Bytes, at: int, end: int) -> int:
    """How many bytes the character at `at` takes; 0 where there is none."""
    first = int(np.int64(data[at]))
    if first < 0x80:
        return 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if not 0xC0 <= first < 0xF8 or size > end - at:
        return 0
    point = first & (0x7F >> size)
    for index in range(1, size):
        byte = int(np.int64(data[at + index]))
        if byte & 0xC0 != 0x80:
            return 0
        point = point << 6 | byte & 0x3F
    least = 0x80 if size == 2 else 0x800 if size == 3 else 0x10000
    if not least <= point <= _POINT_MOST or _SURROGATE_FIRST <= point <= _SURROGATE_LAST:
        return 0
    return size


def _limits(kind: str, symbols: int) -> tuple[int, int]:
    """The least and the greatest value of a field that is an integer."""
    whole = np.iinfo(np.int64)
    return {
        "int": (_INT_LEAST, _INT_MOST),
        "enum": (0, symbols - 1),
        "boolean": (0, 1),
    }.get(kind, (int(whole.min), int(whole.max)))
