"""A table some of whose rows are in hand: their numbers stand in arrays that compiled code changes,
and the rows are brought up to them when somebody asks.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.codec.framing import Codec, Record
from state.storage.hash_map import HashMap64, exchange
from state.storage.keyed_table import KeyedTable

R = TypeVar("R", bound=Record)
_SWEPT_AT = 1 << 10  # hashes of rows that left; the index is made anew where there are more
_GONE = -1


class WrittenBackTable(KeyedTable[R], ABC):
    """Rows by key, of which each that is asked for is written back before."""

    @abstractmethod
    def _write_back(self, key: str) -> None:
        """Brings one row up to what the arrays say of it; nothing where it is not in hand."""

    @abstractmethod
    def _write_back_all(self) -> None:
        """Brings all rows up to it."""

    def get(self, key: str) -> R | None:
        self._write_back(key)
        return super().get(key)

    def ready(self, now: int) -> R | None:
        self._write_back_all()
        return super().ready(now)

    def rows(self) -> Iterable[R]:
        self._write_back_all()
        return super().rows()

    def rows_of(self, group: str) -> Iterable[R]:
        for key in self._groups.get(group, ()):
            self._write_back(key)
        return super().rows_of(group)

    def marked(self, name: str, value: str) -> list[R]:
        for key in self._marked[name].get(value, ()):
            self._write_back(key)
        return super().marked(name, value)

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        self._write_back_all()
        return super().changed(codec)

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        self._write_back_all()
        return super().snapshot(codec)


class Places:
    """Where in the arrays each row in hand stands, by its key, and by its hash for compiled code. A
    place that is given up is given to the next.
    """

    def __init__(self) -> None:
        self._index = HashMap64()
        self._dead = 0  # hashes in the index of rows that left
        self._places: dict[str, int] = {}
        self._keys: list[str | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many places there are, with those that are free: arrays are at least as long."""
        return len(self._keys)

    @property
    def slots(self) -> NDArray[np.uint64]:
        """The places by hash, as compiled code reads them."""
        return self._index.slots

    def get(self, key: str) -> int | None:
        """The place of a row in hand; None where it is not."""
        return self._places.get(key)

    def key_at(self, place: int) -> str | None:
        """The key of the row at a place; None where it is free."""
        return self._keys[place]

    def take(self, key: str, hashed: int) -> int:
        """Gives a row that has none a place."""
        assert key not in self._places, f"{key} is in hand"
        place = self._free.pop() if self._free else len(self._keys)
        if place == len(self._keys):
            self._keys.append(None)
        self._keys[place], self._places[key] = key, place
        self._index.make_room(1)
        exchange(self._index.slots, self._index.used, np.uint64(hashed), place)
        return place

    def give_up(self, key: str, hashed: int) -> int | None:
        """Frees the place of a row; returns it, None where the row has none."""
        place = self._places.pop(key, None)
        if place is None:
            return None
        exchange(self._index.slots, self._index.used, np.uint64(hashed), _GONE)
        self._keys[place] = None
        self._free.append(place)
        self._dead += 1
        if self._dead > _SWEPT_AT + len(self._places):
            self._index.keep(0)
            self._dead = 0
        return place


def doubled(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in front of as many zeros."""
    longer = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
