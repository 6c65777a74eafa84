"""Bytes read eight at a time, little-endian, by compiled functions."""

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled

Bytes = NDArray[np.uint8]

WORD_BYTES = 8
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(WORD_BYTES + 1)], np.uint64)


@compiled
def word(data: Bytes, at: int) -> np.uint64:
    """The eight bytes from `at` on, all of which must be there."""
    read = np.uint64(0)
    for index in range(WORD_BYTES):  # the compiler makes one load of it
        # An unsigned index is not looked at for whether it counts from the end.
        byte = np.uint64(data[np.uint64(at) + np.uint64(index)])
        read |= byte << np.uint64(8 * index)
    return read


@compiled
def part_of_word(data: Bytes, at: int, size: int) -> np.uint64:
    """The first `size` of these bytes, up to eight, followed by zeros."""
    if at + WORD_BYTES <= len(data):
        masked: np.uint64 = word(data, at) & _MASKS[size]
        return masked
    read = np.uint64(0)
    for index in range(size):
        read |= np.uint64(data[at + index]) << np.uint64(8 * index)
    return read
