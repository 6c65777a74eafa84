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
        """The numbers of rows that were stored in this form, shape (texts,).

        Raises ValueError where a text is not base64 of a row.
        """
        data = b"".join(base64.b64decode(text, validate=True) for text in texts)
        values = np.frombuffer(data, "<f8").reshape(len(texts), self._width)
        numbers = self.open(len(texts))
        self.values[numbers] = values
        return numbers

    def keep(self, numbers: Ints) -> Ints:
        """Forgets all rows but these; returns their numbers since, in the same order."""
        kept = self.values[numbers]
        self.values = np.zeros((_FIRST_CAPACITY, self._width))
        self._used = 1
        moved = self.open(len(numbers))
        self.values[moved] = kept
        return moved
