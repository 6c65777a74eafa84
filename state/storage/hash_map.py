"""Whole arrays of 64-bit keys looked up and inserted at once: open addressing with linear probing,
in numpy.
"""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.int64]

_SMALLEST = 1 << 10
_FULLEST = 0.6  # of the slots; beyond it probe chains grow long
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: neighbouring keys land far apart


class HashMap64:
    """uint64 keys (never 0, which marks a free slot) to int64 values.

    most: entries it will come to if it becomes busy at all; it then grows to that size in one step,
    and pages that are not used yet cost nothing.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._clear(0)

    def __len__(self) -> int:
        return self._used

    def get(self, keys: Keys) -> Values:
        """The value of each key, shape (n,); -1 where there is none."""
        slots, known = self._locate(keys)
        return self._found(slots, known)

    def items(self) -> tuple[Keys, Values]:
        """All keys and their values, in no order."""
        live = self._keys != 0
        return self._keys[live], self._values[live]

    def put(self, keys: Keys, values: Values) -> None:
        """Sets keys, all different from each other, to values."""
        self.exchange(keys, values)

    def exchange(self, keys: Keys, values: Values) -> Values:
        """Sets keys, all different from each other, to values; returns what `get` gave before."""
        self._make_room(len(keys))
        slots, known = self._locate(keys)
        before = self._found(slots, known)
        if known.any():
            self._values[slots[known]] = values[known]
            keys, values, slots = keys[~known], values[~known], slots[~known]
        self._fill(keys, values, slots)
        return before

    def keep(self, least: int) -> None:
        """Forgets every key whose value is below `least`."""
        live = (self._keys != 0) & (self._values >= least)
        keys, values = self._keys[live], self._values[live]
        self._clear(max(len(keys), self._most))
        self._fill(keys, values, self._home(keys))

    def _home(self, keys: Keys) -> NDArray[np.int64]:
        bits = np.uint64(64 - (len(self._keys).bit_length() - 1))
        return ((keys * _SPREAD) >> bits).astype(np.int64)

    def _found(self, slots: NDArray[np.int64], known: NDArray[np.bool_]) -> Values:
        found = np.full(len(slots), -1, np.int64)
        found[known] = self._values[slots[known]]
        return found

    def _locate(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The slot of each key, and whether it is there; of one that is not, the free slot that its
        probing ends at.
        """
        mask = len(self._keys) - 1
        slots = self._home(keys)
        there = self._keys[slots]
        known = there == keys
        pending = np.flatnonzero(~known & (there != 0))
        while len(pending):
            slots[pending] = (slots[pending] + 1) & mask
            there = self._keys[slots[pending]]
            hit = there == keys[pending]
            known[pending[hit]] = True
            pending = pending[~hit & (there != 0)]
        return slots, known

    def _make_room(self, more: int) -> None:
        needed = self._used + more
        if needed > _FULLEST * len(self._keys):
            live = self._keys != 0
            keys, values = self._keys[live], self._values[live]
            self._clear(max(needed, self._most))
            self._fill(keys, values, self._home(keys))

    def _fill(self, keys: Keys, values: Values, slots: NDArray[np.int64]) -> None:
        """Puts keys that are not there, each from a slot on its probing path; there is room for
        them.
        """
        mask = len(self._keys) - 1
        self._used += len(keys)
        while len(keys):
            free = self._keys[slots] == 0
            # Of several keys that want one free slot the last written stays; the others see it and
            # move on.
            self._keys[slots[free]] = keys[free]
            won = self._keys[slots] == keys
            self._values[slots[won]] = values[won]
            keys, values, slots = keys[~won], values[~won], (slots[~won] + 1) & mask

    def _clear(self, entries: int) -> None:
        size = _SMALLEST
        while entries > _FULLEST / 1.3 * size:
            size *= 2
        # A key and its value lie side by side: a look-up then costs one cache line, not two.
        slots = np.zeros((size, 2), np.uint64)
        self._keys = slots[:, 0]
        self._values = slots[:, 1].view(np.int64)
        self._used = 0
