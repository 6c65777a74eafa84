"""A batch of encoded records as compiled code takes it: all bytes in one buffer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Ints, Slice


class Batch(NamedTuple):
    """n framed values: data[starts[i] : starts[i + 1]] is the i-th, empty where there is none.

    offsets, of the topic; appended: by the broker, ms; now: the highest append time up to each, ms;
    each of shape (n,), starts (n + 1,).
    """

    data: NDArray[np.uint8]
    starts: Ints
    offsets: Ints
    appended: Ints
    now: Ints


def batch_of(piece: Slice, now: Ints) -> Batch:
    """The batch of a slice; now: the partition's clock at each record, ms, shape (n,)."""
    return batch_of_values(piece.values, piece.offsets, piece.append_times, now)


def batch_of_values(
    values: Sequence[bytes | None], offsets: Ints, appended: Ints, now: Ints
) -> Batch:
    """The batch of these framed values; the arrays are of shape (n,)."""
    present = [value or b"" for value in values]
    starts = np.zeros(len(present) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, present), np.int64, len(present)), out=starts[1:])
    data = np.frombuffer(b"".join(present), np.uint8)
    return Batch(data, starts, offsets, appended, now)


def value_of(batch: Batch, at: int) -> bytes:
    """The framed value of one record."""
    return batch.data[batch.starts[at] : batch.starts[at + 1]].tobytes()


def alone(batch: Batch, at: int, value: bytes) -> Batch:
    """A batch of one record, with this value, in the place of another."""
    one = slice(at, at + 1)
    return batch_of_values([value], batch.offsets[one], batch.appended[one], batch.now[one])
