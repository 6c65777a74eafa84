"""The hash of a string and that of several in one, as compiled functions for loops over records,
and of a whole column.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.codec.utf8 import utf8_parts
from schemas.compiled import compiled, read_only
from schemas.words import WORD_BYTES, Bytes, part_of_word, word

MIX = np.uint64(0xBF58476D1CE4E5B9)
ABSENT_HASH = np.uint64(0x94D049BB133111EB)  # the hash of a string that is not there

_M64 = np.uint64(0xC6A4A7935BD1E995)
_R64 = np.uint64(47)
_SHIFT = np.uint64(31)
_SEED, _M32, _POSITIVE = np.uint32(0x9747B28C), np.uint32(0x5BD1E995), np.uint32(0x7FFFFFFF)
_R13, _R15, _R24 = np.uint32(13), np.uint32(15), np.uint32(24)
_NONE, _LEAST = np.uint64(0), np.uint64(1)


@compiled
def hash_text(data: Bytes, start: int, length: int) -> np.uint64:
    """The hash of `length` bytes of UTF-8 from `start` on, equal to `hash64`.

    MurmurHash64A with seed 0, and 1 for 0.
    """
    hashed = np.uint64(length) * _M64
    rest = length % WORD_BYTES
    end = start + length - rest
    for at in range(start, end, WORD_BYTES):
        mixed = word(data, at) * _M64
        mixed ^= mixed >> _R64
        hashed = (hashed ^ mixed * _M64) * _M64
    if rest:
        hashed = (hashed ^ part_of_word(data, end, rest)) * _M64
    hashed ^= hashed >> _R64
    hashed *= _M64
    hashed ^= hashed >> _R64
    return hashed if hashed != _NONE else _LEAST


@compiled
def mix(mixed: np.uint64, part: np.uint64) -> np.uint64:
    """Takes the hash of one more part in; what the last one gives goes through `sealed`."""
    return (mixed ^ (mixed >> _SHIFT)) * MIX + part


@compiled
def sealed(mixed: np.uint64) -> np.uint64:
    """The hash of all parts, equal to that of `state.storage.columnar_table.combine`; never 0."""
    return mixed if mixed != _NONE else _LEAST


@compiled
def partition_of_text(data: Bytes, start: int, length: int, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key; as `schemas.ids.partition_of`."""
    hashed = _SEED ^ np.uint32(length)
    rest = length % 4
    end = start + length - rest
    for at in range(start, end, 4):
        mixed = np.uint32(np.uint32(part_of_word(data, at, 4)) * _M32)
        mixed = np.uint32((mixed ^ mixed >> _R24) * _M32)
        hashed = np.uint32(hashed * _M32) ^ mixed
    if rest:
        hashed = np.uint32((hashed ^ np.uint32(part_of_word(data, end, rest))) * _M32)
    hashed = np.uint32((hashed ^ hashed >> _R13) * _M32)
    hashed ^= hashed >> _R15
    return int(np.int64(hashed & _POSITIVE) % partitions)


def hash64(strings: pa.Array) -> NDArray[np.uint64]:
    """A 64-bit hash of each string, shape (n,), never 0, the same in every process and on every
    machine.

    MurmurHash64A with seed 0 over the UTF-8 bytes, read little-endian. The array must be utf8
    without nulls.
    """
    assert strings.null_count == 0, f"{strings.null_count} nulls among {len(strings)} strings"
    data, starts, lengths = utf8_parts(strings)
    hashes = np.empty(len(lengths), np.uint64)
    if len(lengths):
        _hash_texts(read_only(data), starts, lengths, hashes)
    return hashes


@compiled
def _hash_texts(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    hashes: NDArray[np.uint64],
) -> None:
    """Fills in the hash of each string; all but `data` have shape (n,)."""
    for row in range(len(hashes)):
        hashes[row] = hash_text(data, starts[row], lengths[row])
