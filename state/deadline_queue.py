"""Says what is to be looked at when: keys by the moment they are due, worked out from rows and
never stored.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush


class DeadlineQueue:
    """Each key is due at one moment, the last one it was given."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}

    def put(self, key: str, at: int) -> None:
        if self._due.get(key) != at:
            self._due[key] = at
            heappush(self._heap, (at, key))

    def drop(self, key: str) -> None:
        self._due.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        """All keys that are due some time."""
        return iter(self._due)

    def at(self, key: str) -> int | None:
        """When a key is due; None where it is not."""
        return self._due.get(key)

    def pop(self, now: int) -> tuple[int, str] | None:
        """The key due first with its moment, of equal ones by name; None where none is by now. It
        is due no more.
        """
        while self._heap and self._heap[0][0] <= now:
            at, key = heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                return at, key
        return None

    def due(self, now: int) -> list[str]:
        """The keys due by now, the earliest first and then by name; they are due no more."""
        found = []
        while (first := self.pop(now)) is not None:
            found.append(first[1])
        return found

    def rebuild(self, items: Iterable[tuple[str, int]]) -> None:
        self._due = dict(items)
        self._heap = [(at, key) for key, at in self._due.items()]
        heapify(self._heap)
