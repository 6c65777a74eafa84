"""Whole arrays of 64-bit keys looked up and inserted at once: open addressing with linear probing, in numpy."""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.int64]

_SMALLEST = 1 << 10
_FULLEST = 0.6  # of the slots; beyond it probe chains grow long
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: neighbouring keys land far apart


class HashMap64:
    """uint64 keys (never 0, which marks a free slot) to int64 values."""

    def __init__(self) -> None:
        self._keys = np.zeros(_SMALLEST, np.uint64)
        self._values = np.zeros(_SMALLEST, np.int64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def get(self, keys: Keys) -> Values:
        """The value of each key, shape (n,); -1 where there is none."""
        slots = self._locate(keys)
        return np.where(slots >= 0, self._values[np.maximum(slots, 0)], -1)

    def put(self, keys: Keys, values: Values) -> None:
        """Sets keys, all different from each other, to values."""
        slots = self._locate(keys)
        known = slots >= 0
        self._values[slots[known]] = values[known]
        if not known.all():
            self._insert(keys[~known], values[~known])

    def keep(self, least: int) -> None:
        """Forgets every key whose value is below `least`."""
        live = (self._keys != 0) & (self._values >= least)
        keys, values = self._keys[live], self._values[live]
        self._clear(len(keys))
        self._insert(keys, values)

    def _home(self, keys: Keys) -> NDArray[np.int64]:
        bits = np.uint64(64 - (len(self._keys).bit_length() - 1))
        return ((keys * _SPREAD) >> bits).astype(np.int64)

    def _locate(self, keys: Keys) -> NDArray[np.int64]:
        found = np.full(len(keys), -1, np.int64)
        mask = len(self._keys) - 1
        slots = self._home(keys)
        pending = np.arange(len(keys))
        while len(pending):
            there = self._keys[slots]
            hit = there == keys[pending]
            found[pending[hit]] = slots[hit]
            onwards = ~hit & (there != 0)
            pending = pending[onwards]
            slots = (slots[onwards] + 1) & mask
        return found

    def _insert(self, keys: Keys, values: Values) -> None:
        needed = self._used + len(keys)
        if needed > _FULLEST * len(self._keys):
            live = self._keys != 0
            old_keys, old_values = self._keys[live], self._values[live]
            self._clear(needed)
            self._fill(old_keys, old_values)
        self._fill(keys, values)

    def _fill(self, keys: Keys, values: Values) -> None:
        mask = len(self._keys) - 1
        slots = self._home(keys)
        self._used += len(keys)
        while len(keys):
            free = self._keys[slots] == 0
            # Of several keys that want one free slot the last written stays; the others see it and move on.
            self._keys[slots[free]] = keys[free]
            won = self._keys[slots] == keys
            self._values[slots[won]] = values[won]
            keys, values, slots = keys[~won], values[~won], (slots[~won] + 1) & mask

    def _clear(self, entries: int) -> None:
        size = _SMALLEST
        while entries > _FULLEST / 1.3 * size:
            size *= 2
        self._keys = np.zeros(size, np.uint64)
        self._values = np.zeros(size, np.int64)
        self._used = 0
