"""What some rows of the hot table have beside their columns: as many numbers for each, which
continue over restarts.
"""

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOTHING = 0  # in the column that names what is attached to a row
_FIRST_CAPACITY = 16


class AttachedRows:
    """A row of numbers for each that is opened, in an array that grows by doubling; fetch `values`
    anew after `open`, `restore` and `keep`.

    values: shape (capacity, width); the first is nobody's.
    """

    def __init__(self, width: int) -> None:
        self.values: Floats = np.zeros((_FIRST_CAPACITY, width))
        self._width = width
        self._used = 1

    def __len__(self) -> int:
        return self._used - 1

    def open(self, rows: int) -> Ints:
        """The numbers of so many new rows, shape (rows,), all zeros."""
        numbers = np.arange(self._used, self._used + rows)
        self._used += rows
        capacity = len(self.values)
        while capacity < self._used:
            capacity *= 2
        if capacity > len(self.values):
            longer = np.zeros((capacity, self._width))
            longer[: numbers[0]] = self.values[: numbers[0]]
            self.values = longer
        return numbers

    def restore(self, texts: Sequence[str]) -> Ints:
        """The numbers of rows that were stored in this form, shape (texts,). What an older release
        did not store is 0.

        Raises ValueError where a text is not base64 of a row.
        """
        size = self._width * self.values.itemsize
        rows = [base64.b64decode(text, validate=True) for text in texts]
        if any(len(row) > size or len(row) % self.values.itemsize for row in rows):
            raise ValueError(f"a row is not of {self._width} numbers")
        values = np.frombuffer(b"".join(row.ljust(size, b"\0") for row in rows), "<f8")
        numbers = self.open(len(texts))
        self.values[numbers] = values.reshape(len(texts), self._width)
        return numbers

    def keep(self, numbers: Ints) -> Ints:
        """Forgets all rows but these; returns their numbers since, in the same order."""
        kept = self.values[numbers]
        self.values = np.zeros((_FIRST_CAPACITY, self._width))
        self._used = 1
        moved = self.open(len(numbers))
        self.values[moved] = kept
        return moved
