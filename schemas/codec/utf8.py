"""The bytes and lengths under an Arrow string column, without copying a string."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def utf8_parts(strings: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """(data, starts, lengths) of a utf8 column: string i is data[starts[i] : starts[i] +
    lengths[i]].

    data is exactly the column's bytes, end to end; a null has length 0.
    """
    assert pa.types.is_string(strings.type), f"a utf8 column, not {strings.type}"
    count = len(strings)
    _, offset_buffer, data_buffer = strings.buffers()
    if not count or offset_buffer is None:
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    offsets = np.frombuffer(offset_buffer, np.int32, count + 1, strings.offset * 4).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = (
        np.frombuffer(data_buffer, np.uint8, last - first, first)
        if last > first
        else np.empty(0, np.uint8)
    )
    return data, offsets[:-1] - first, offsets[1:] - offsets[:-1]
