"""Finds the rows of a batch that are sound by structure, all of a field at a time.

pyruhvro refuses a whole batch for one bad row and does not say which, so the batch is walked when
it does. What is sound of one record is said by `strict_scan.py`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.codec.flat_schema import FlatField
from schemas.codec.strict_scan import VARINT_BYTES

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_SIZES = {"double": 8, "boolean": 1}


def sound_rows(data: Bytes, starts: Ints, ends: Ints, fields: Sequence[FlatField]) -> Mask:
    """Returns a mask of the rows data[starts[i]:ends[i]] that are exactly one record by structure,
    shape (n,).

    Text is not looked at: a sound row's strings may still be bad UTF-8.
    """
    walk = _Walk(data, starts, ends)
    for field in fields:
        walk.pass_field(field)
    sound: Mask = walk.sound & (walk.at == walk.ends)
    return sound


class _Walk:
    """A cursor in each row. A row that broke keeps a cursor that means nothing and is never read
    out of bounds.
    """

    def __init__(self, data: Bytes, starts: Ints, ends: Ints) -> None:
        self._data = np.append(data, np.uint8(0))
        self.at = starts.copy()
        self.ends = ends
        self.sound = np.ones(len(starts), np.bool_)

    def pass_field(self, field: FlatField) -> None:
        present = np.ones(len(self.at), np.bool_)
        if field.nullable:
            branch = self._varint(present)
            self.sound &= (branch == 0) | (branch == 1)
            present = self.sound & (branch == 1)
        if field.kind in _SIZES:
            if field.kind == "boolean":
                self.sound &= ~present | (self._data[np.minimum(self.at, len(self._data) - 1)] <= 1)
            self._skip(np.where(present, _SIZES[field.kind], 0))
            return
        value = self._varint(present)
        match field.kind:
            case "string":
                self.sound &= value >= 0
                self._skip(value)
            case "enum":
                self.sound &= (value >= 0) & (value < len(field.symbols))
            case "int":
                self.sound &= (value >= -(1 << 31)) & (value < 1 << 31)

    def _skip(self, sizes: Ints) -> None:
        self.sound &= sizes <= self.ends - self.at
        self.at += np.where(self.sound, sizes, 0)

    def _varint(self, present: Mask) -> Ints:
        """The zigzag integer at each cursor, shape (n,); 0 where not present. Passes over it."""
        raw = np.zeros(len(self.at), np.uint64)
        going = np.flatnonzero(present & self.sound)
        for index in range(VARINT_BYTES):
            self.sound[going[self.at[going] >= self.ends[going]]] = False
            going = going[self.sound[going]]
            if not len(going):
                break
            byte = self._data[self.at[going]]
            raw[going] |= (byte & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * index)
            self.at[going] += 1
            going = going[byte >= 0x80]
        self.sound[going] = False
        return (raw >> np.uint64(1)).astype(np.int64) ^ -(raw & np.uint64(1)).astype(np.int64)
