"""Low-volume tables: frozen dataclasses in a dict."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from schemas.codec.framing import Codec, Record
from state.deadline_queue import DeadlineQueue
from state.row_expiry import NEVER

R = TypeVar("R", bound=Record)


class KeyedTable(Generic[R]):
    """Rows by key; bounded by what the topics name (subjects, experiments, metrics, commands)."""

    def __init__(
        self,
        topic: str,
        record: str,
        key: Callable[[R], str],
        group: Callable[[R], str] | None = None,
        leaves: Callable[[R], int] | None = None,
        marks: Mapping[str, Callable[[R], Iterable[str]]] | None = None,
    ) -> None:
        """group: what `rows_of` finds rows by; a row never changes its group.

        marks: what `marked` finds rows by, by the name of each: the values that a row has as it
        stands. leaves: the moment from which on a row may go, by the row alone; NEVER where it may
        not as it stands.
        """
        self._leaves = leaves
        self._marks = marks or {}
        self._marked: dict[str, dict[str, dict[str, None]]] = {name: {} for name in self._marks}
        self._leaving = (
            DeadlineQueue()
        )  # rows by when they may go, or sooner; worked out, never stored
        self.topic = topic
        self._group = group
        self._groups: dict[str, dict[str, None]] = {}
        self._record = record
        self._key = key
        self._rows: dict[str, R] = {}
        self._dirty: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> R | None:
        return self._rows.get(key)

    def put(self, row: R) -> None:
        key = self._key(row)
        self._set(key, row)
        self._dirty[key] = None

    def drop(self, key: str) -> None:
        """Deletes a row; nothing where there is none."""
        if self._remove(key):
            self._dirty[key] = None

    def expire(self, now: int, most: int) -> list[R]:
        """Drops at most so many rows whose moment has come, the earliest first; returns them."""
        gone: list[R] = []
        while len(gone) < most and (row := self.ready(now)) is not None:
            self.drop(self._key(row))
            gone.append(row)
        return gone

    def ready(self, now: int) -> R | None:
        """The row whose moment came first, None where none has come; the caller drops it or puts it
        with a later one.
        """
        assert self._leaves is not None, f"rows of {self.topic} never leave"
        while (first := self._leaving.pop(now)) is not None:
            at, key = first
            row = self._rows[key]
            leaves_at = self._leaves(row)
            if leaves_at == at:
                return row
            if leaves_at != NEVER:
                self._leaving.put(key, leaves_at)
        return None

    def rows(self) -> Iterable[R]:
        """All rows in the order first put."""
        return self._rows.values()

    def rows_of(self, group: str) -> Iterable[R]:
        """The rows of one group, in the order first put."""
        return [self._rows[key] for key in self._groups.get(group, ())]

    def count(self, group: str) -> int:
        """The rows of one group."""
        return len(self._groups.get(group, ()))

    def marked(self, name: str, value: str) -> list[R]:
        """The rows that have this value of a mark, by key: the order of putting is another after a
        restart.
        """
        return [self._rows[key] for key in sorted(self._marked[name].get(value, ()))]

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        return [
            (key, codec.encode(self._rows[key]) if key in self._rows else None) for key in dirty
        ]

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        for key, value in rows:
            if value is not None:
                self._set(key, codec.decode(self._record, value, own=True))  # type: ignore[arg-type]
            else:
                self._remove(key)

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [(key, codec.encode(row)) for key, row in self._rows.items()]

    def _remove(self, key: str) -> bool:
        gone = self._rows.pop(key, None)
        self._leaving.drop(key)
        self._mark(key, gone, None)
        if gone is not None and self._group is not None:
            group = self._group(gone)
            del self._groups[group][key]
            if not self._groups[group]:
                del self._groups[group]
        return gone is not None

    def _set(self, key: str, row: R) -> None:
        if self._group is not None and key not in self._rows:
            self._groups.setdefault(self._group(row), {})[key] = None
        self._mark(key, self._rows.get(key), row)
        self._rows[key] = row
        if self._leaves is not None:
            at, known = self._leaves(row), self._leaving.at(key)
            # One that may go later than it was known to is looked at when that time comes.
            if at != NEVER and (known is None or at < known):
                self._leaving.put(key, at)

    def _mark(self, key: str, before: R | None, row: R | None) -> None:
        for name, mark in self._marks.items():
            marked = self._marked[name]
            old = set(mark(before)) if before is not None else set()
            new = set(mark(row)) if row is not None else set()
            for value in old - new:
                del marked[value][key]
                if not marked[value]:
                    del marked[value]
            for value in new - old:
                marked.setdefault(value, {})[key] = None
