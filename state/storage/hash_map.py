"""64-bit keys looked up and inserted, one by compiled loops or an array of them at once: open
addressing with linear probing.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled, in_one_piece

Keys = NDArray[np.uint64]
Values = NDArray[np.int64]
Slots = NDArray[np.uint64]

_SMALLEST = 1 << 10
_FULLEST = 0.6  # of the slots; beyond it probe chains grow long
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: neighbouring keys land far apart
_HALF = np.uint64(32)
_FREE, _ONE = np.uint64(0), np.uint64(1)
_ALL = np.iinfo(np.int64).min


@compiled
def find(slots: Slots, key: np.uint64) -> int:
    """The value of a key; -1 where there is none."""
    at = _place(slots, key)
    return int(np.int64(slots[at, 1])) if slots[at, 0] == key else -1


@compiled
def exchange(slots: Slots, used: Values, key: np.uint64, value: int) -> int:
    """Sets a key to a value; returns what `find` gave before. `HashMap64.make_room` was called for
    it.
    """
    at = _place(slots, key)
    before = int(np.int64(slots[at, 1])) if slots[at, 0] == key else -1
    if slots[at, 0] == _FREE:
        slots[at, 0] = key
        used[0] += 1
    slots[at, 1] = np.uint64(value)
    return before


class HashMap64:
    """uint64 keys (never 0, which marks a free slot) to int64 values.

    slots: a key and its value side by side, so that a look-up costs one cache line, shape
    (size, 2); `make_room` and `keep` make another array. used: how many there are, shape (1,).
    Compiled loops share both.
    """

    def __init__(self, most: int = 0) -> None:
        """most: entries it will come to if it becomes busy at all; it then grows to that size in
        one step, and pages that are not used yet cost nothing.
        """
        self._most = most
        self.slots: Slots = np.zeros((_SMALLEST, 2), np.uint64)
        self.used: Values = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self.used[0])

    def get(self, keys: Keys) -> Values:
        """The value of each key, shape (n,); -1 where there is none."""
        found = np.empty(len(keys), np.int64)
        _find_each(self.slots, in_one_piece(keys), found)
        return found

    def items(self) -> tuple[Keys, Values]:
        """All keys and their values, in no order."""
        live = self.slots[self.slots[:, 0] != 0]
        return live[:, 0].copy(), live[:, 1].copy().view(np.int64)

    def put(self, keys: Keys, values: Values) -> None:
        """Sets keys to values."""
        self.exchange(keys, values)

    def exchange(self, keys: Keys, values: Values) -> Values:
        """Sets keys to values, one after the other; returns what `get` gave of each before, shape
        (n,).
        """
        self.make_room(len(keys))
        before = np.empty(len(keys), np.int64)
        _exchange_each(self.slots, self.used, in_one_piece(keys), in_one_piece(values), before)
        return before

    def keep(self, least: int) -> None:
        """Forgets every key whose value is below `least`."""
        live = (self.slots[:, 0] != 0) & (self.slots[:, 1].view(np.int64) >= least)
        self._move(int(np.count_nonzero(live)), least)

    def make_room(self, more: int) -> None:
        """Makes sure that as many keys can be set."""
        needed = len(self) + more
        if needed > _FULLEST * len(self.slots):
            self._move(needed, _ALL)

    def _move(self, entries: int, least: int) -> None:
        """Moves what has at least this value to other slots, with room for so many entries."""
        size, entries = _SMALLEST, max(entries, self._most)
        while entries > _FULLEST / 1.3 * size:
            size *= 2
        moved: Slots = np.zeros((size, 2), np.uint64)
        self.used[0] = 0
        _copy(self.slots, least, moved, self.used)
        self.slots = moved


@compiled
def _place(slots: Slots, key: np.uint64) -> np.uint64:
    """The slot of a key, or else the free one that its probing ends at."""
    size = np.uint64(len(slots))
    at = (key * _SPREAD >> _HALF) * size >> _HALF  # the highest bits of the product
    while slots[at, 0] != key and slots[at, 0] != _FREE:
        at = (at + _ONE) & (size - _ONE)
    return at


@compiled
def _find_each(slots: Slots, keys: Keys, found: Values) -> None:
    for index in range(len(keys)):
        found[index] = find(slots, keys[index])


@compiled
def _exchange_each(slots: Slots, used: Values, keys: Keys, values: Values, before: Values) -> None:
    for index in range(len(keys)):
        before[index] = exchange(slots, used, keys[index], values[index])


@compiled
def _copy(slots: Slots, least: int, others: Slots, used: Values) -> None:
    for at in range(len(slots)):
        if slots[at, 0] != _FREE and np.int64(slots[at, 1]) >= least:
            exchange(others, used, slots[at, 0], int(np.int64(slots[at, 1])))
