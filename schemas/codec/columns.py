"""Batches of framed values to Arrow columns and back, for flat records.

pyruhvro decodes what it can in one call; a row it could have got wrong is decoded alone by the
codec, whose word is final, so that columns are the same whichever way a row went. It takes trailing
bytes and bad UTF-8 without a word: `encoded_size` and `believable_rows` say which columns may be
believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyruhvro
from numpy.typing import NDArray

from schemas.codec.flat_schema import (
    MAGIC,
    SCHEMA_ID,
    arrow_schema,
    flat_fields,
    framed_text,
    pyruhvro_text,
)
from schemas.codec.framing import HEADER_BYTES, MAX_BYTES, Codec, header
from schemas.codec.strict_rows import sound_rows
from schemas.codec.utf8 import utf8_parts
from schemas.refusals import DecodeError, RefusedRecord

_WORD_BYTES = 8
_HEADER_MASK = np.uint64((1 << 8 * HEADER_BYTES) - 1)
_WIDE = {pa.int32(): pa.int64()}  # as pyruhvro_text widens the schema
Ints = NDArray[np.int64]
T = TypeVar("T")
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Columns:
    """The good rows of a batch of n values.

    batch: one column a field (see flat.arrow_schema); rows: where in the n values each good row
    was, ascending, shape (batch.num_rows,); refused: the others, ascending.
    """

    batch: pa.RecordBatch
    rows: Ints
    refused: tuple[RefusedRecord, ...]


def decode(values: Sequence[bytes | None], record_name: str, codec: Codec) -> Columns:
    """The columns of framed values of one flat record. Nothing in `values` makes it raise."""
    whole = _decode_whole(values, record_name, codec.schema_id(record_name))
    if whole is not None:
        return Columns(whole, np.arange(len(values)), ())
    framed = _Framed(values)
    likely = np.flatnonzero(framed.begin_with(header(codec.schema_id(record_name))))
    fast, rows = _decode_fast(values, framed, likely, record_name)
    if len(rows) == len(values):
        return Columns(fast, rows, ())
    return _with_the_rest(values, record_name, codec, fast, rows)


def encode_batch(batch: pa.RecordBatch, record_name: str, codec: Codec) -> list[bytes]:
    """The framed value of each row; columns are found by name and cast, enums are their symbols.

    Raises KeyError for a column that is missing, pa.ArrowInvalid for a value that does not fit,
    ValueError for a symbol that is not in the schema.
    """
    columns = []
    for field in arrow_schema(record_name):
        column = batch.column(field.name)
        # pyruhvro writes an empty string or a zero for it.
        assert field.nullable or not column.null_count, f"{record_name}.{field.name} has a null"
        columns.append(_cast(_cast(column, field.type), _WIDE.get(field.type, field.type)))
    encodable = pa.RecordBatch.from_arrays(columns, names=arrow_schema(record_name).names)
    start = header(codec.schema_id(record_name))
    chunks = pyruhvro.serialize_record_batch(encodable, pyruhvro_text(record_name), 1)
    return [start + body for chunk in chunks for body in chunk.to_pylist()]


class _Framed:
    """Where each value lies in one buffer of all of them."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        _, offsets, data = pa.array(values, pa.large_binary()).buffers()
        bounds = (
            np.frombuffer(offsets, np.int64, len(values) + 1)
            if len(values)
            else np.zeros(1, np.int64)
        )
        self.starts: Ints = bounds[:-1]
        self.ends: Ints = bounds[1:]
        self.data = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)

    def begin_with(self, start: bytes) -> NDArray[np.bool_]:
        """Returns a mask of the values that have this header and may be decoded as a batch, shape
        (n,).
        """
        sizes = self.ends - self.starts
        likely: NDArray[np.bool_] = (sizes >= _WORD_BYTES) & (
            sizes <= MAX_BYTES
        )  # the others go alone
        if not likely.any():
            return likely
        words: NDArray[np.uint64] = np.ndarray(
            len(self.data) - _WORD_BYTES + 1, "<u8", self.data.data, 0, (1,)
        )
        headers = words[np.where(likely, self.starts, 0)] & _HEADER_MASK
        likely &= headers == np.uint64(int.from_bytes(start, "little"))
        return likely


def _decode_whole(
    values: Sequence[bytes | None], record_name: str, schema_id: int
) -> pa.RecordBatch | None:
    """The columns of values of which nothing is wrong, headers and all in one call; None if
    anything may be.
    """
    if not values or None in values or max(map(len, values)) > MAX_BYTES:  # type: ignore[arg-type]
        return None
    batch = _pyruhvro(values, framed_text(record_name))
    if batch is None:
        return None
    ids = batch.column(SCHEMA_ID).to_numpy().view(np.uint32)
    if (
        batch.column(MAGIC).true_count
        or (ids != int.from_bytes(header(schema_id)[1:], "little")).any()
    ):
        return None
    batch = batch.drop_columns([MAGIC, SCHEMA_ID])
    sizes = sum(map(len, values)) - HEADER_BYTES * len(values)  # type: ignore[arg-type]
    if encoded_size(batch, record_name) != sizes or believable_rows(batch, record_name) is not None:
        return None
    return _as_declared(batch, record_name)


def _decode_fast(
    values: Sequence[bytes | None], framed: _Framed, rows: Ints, record_name: str
) -> tuple[pa.RecordBatch, Ints]:
    """The columns of those of `rows` that pyruhvro decodes as the codec would, and which they
    are.
    """
    bodies = [value[HEADER_BYTES:] for value in cast(Sequence[bytes], _pick(values, rows))]
    starts, ends = framed.starts[rows] + HEADER_BYTES, framed.ends[rows]
    text = pyruhvro_text(record_name)
    batch = _pyruhvro(bodies, text)
    if batch is None or encoded_size(batch, record_name) != int((ends - starts).sum()):
        sound = np.flatnonzero(sound_rows(framed.data, starts, ends, flat_fields(record_name)))
        batch, rows = _pyruhvro(_pick(bodies, sound), text), rows[sound]
    if batch is None:
        return _from_datums([], record_name), rows[:0]
    believable = believable_rows(batch, record_name)
    if believable is not None:
        batch, rows = batch.filter(pa.array(believable)), rows[believable]
    return _as_declared(batch, record_name), rows


def _as_declared(batch: pa.RecordBatch, record_name: str) -> pa.RecordBatch:
    schema = arrow_schema(record_name)
    return batch if batch.schema == schema else batch.cast(schema)  # its ints came as longs


def _with_the_rest(
    values: Sequence[bytes | None], record_name: str, codec: Codec, fast: pa.RecordBatch, rows: Ints
) -> Columns:
    """The columns after each row not among `rows` was decoded alone, in the order of `values`."""
    datums: list[dict[str, Any]] = []
    recovered: list[int] = []
    refused: list[RefusedRecord] = []
    for row in np.setdiff1d(np.arange(len(values)), rows, assume_unique=True).tolist():
        try:
            datums.append(codec.read(record_name, values[row]))
            recovered.append(row)
        except DecodeError as error:
            refused.append(RefusedRecord(row, error.reason, error.sentence))
    if datums:
        fast = pa.concat_batches([fast, _from_datums(datums, record_name)])
        rows = np.concatenate([rows, np.array(recovered, np.int64)])
        order = np.argsort(rows)
        fast, rows = fast.take(pa.array(order)), rows[order]
    return Columns(fast, rows, tuple(refused))


def _pyruhvro(bodies: Sequence[bytes | None], schema: str) -> pa.RecordBatch | None:
    """The columns of encoded records; None where pyruhvro refuses one of them."""
    try:
        return pyruhvro.deserialize_array(bodies, schema)
    except ValueError:
        return None
    except BaseException as error:
        # A panic in Rust: never seen, but it is no Exception, and a stranger's bytes shall not end
        # the process.
        if type(error).__name__ == "PanicException":
            return None
        raise


def _from_datums(datums: Sequence[dict[str, Any]], record_name: str) -> pa.RecordBatch:
    schema = arrow_schema(record_name)
    columns = [pa.array([datum[field.name] for datum in datums], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def _pick(items: Sequence[T], indices: Ints) -> Sequence[T]:
    return items if len(indices) == len(items) else [items[index] for index in indices.tolist()]


def encoded_size(batch: pa.RecordBatch, record: str) -> int:
    """The bytes that the rows take in Avro's shortest form, all together.

    No row can have been read from fewer bytes, so a batch whose values take just these has no row
    with a byte over.
    """
    return sum(
        _field_size(batch.column(field.name), field.kind, field.nullable)
        for field in flat_fields(record)
    )


def believable_rows(batch: pa.RecordBatch, record: str) -> NDArray[np.bool_] | None:
    """Returns a mask of the rows with UTF-8 text and ints of 32 bits, shape (n,); None for all."""
    believable = np.ones(batch.num_rows, np.bool_)
    for field in flat_fields(record):
        column = batch.column(field.name)
        if field.kind == "string" and not _is_utf8(column):
            believable &= _utf8_rows(column)
        elif field.kind == "int":
            values = column.fill_null(0).to_numpy()
            believable &= (values >= _INT32.min) & (values <= _INT32.max)
    return None if believable.all() else believable


def _field_size(column: pa.Array, kind: str, nullable: bool) -> int:
    nulls = int(column.null_count)
    present = len(column) - nulls
    branches = len(column) if nullable else 0
    match kind:
        case "string":
            data, _, lengths = utf8_parts(column)
            return (
                branches + len(data) + _varint_sizes(lengths) - nulls
            )  # a null's length is 0: one byte
        case "long" | "int":
            return branches + _varint_sizes((column.drop_null() if nulls else column).to_numpy())
        case "double":
            return branches + 8 * present
    return branches + present  # a boolean, or an enum of up to 64 symbols


def _varint_sizes(values: NDArray[np.int64]) -> int:
    """The bytes of all values as zigzag varints."""
    if not len(values):
        return 0
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    low, high = int(zigzag.min()).bit_length(), int(zigzag.max()).bit_length()
    size = len(values) * max(-(-low // 7), 1)
    # Only the sizes between the least and the most have to be counted: for moments, as a rule,
    # none.
    for septets in range(max(-(-low // 7), 1), -(-high // 7)):
        size += int(np.count_nonzero(zigzag >= np.uint64(1 << 7 * septets)))
    return size


def _is_utf8(column: pa.Array) -> bool:
    data, _, _ = utf8_parts(column)
    if not len(data) or data.max() < 0x80:
        return True
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _utf8_rows(column: pa.Array) -> NDArray[np.bool_]:
    data, starts, lengths = utf8_parts(column)
    good = np.ones(len(column), np.bool_)
    # The row of a byte is the last one that starts at or before it: empty rows share the start of
    # the next.
    for row in np.unique(
        np.searchsorted(starts, np.flatnonzero(data >= 0x80), "right") - 1
    ).tolist():
        good[row] = _decodes(data[starts[row] : starts[row] + lengths[row]].tobytes())
    return good


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
