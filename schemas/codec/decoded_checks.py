"""Says which decoded columns may be believed: pyruhvro takes trailing bytes and bad UTF-8 without a
word.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.codec.flat_schema import flat_fields
from schemas.codec.utf8 import utf8_parts

_INT32 = np.iinfo(np.int32)


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
