"""Defines what a view is: rows of a table by name, and ranks over them. One contract for every
store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.catalog import TABLES_ALERTS, TABLES_LESSONS, TABLES_PATTERNS, TABLES_TRUST

Row = Mapping[str, Any]  # as JSON knows it


class StoreDown(Exception):
    """The store cannot be reached, or is too slow; what was not applied must be given again."""


@dataclass(frozen=True, slots=True)
class View:
    """One table as dashboards ask for it. ranks: the fields that rows are ranked by, the highest
    first.
    """

    name: str
    ranks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a view set, or deleted where it is None."""

    view: str
    key: str
    row: Row | None


VIEWS = {
    TABLES_TRUST: View("trust-scores", ("overall", "boost", "outcomes")),
    TABLES_PATTERNS: View("failure-patterns", ("month", "week", "loss", "last_at")),
    TABLES_LESSONS: View("lessons", ("approved", "outcomes")),
    TABLES_ALERTS: View("alerts", ("raised_at",)),
}
RANKS = {view.name: view.ranks for view in VIEWS.values()}


class Store(Protocol):
    """Keeps views. Every method raises StoreDown where the store does not answer in time."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Takes changes in their order; the last of a key wins."""
        ...

    def get(self, view: str, key: str) -> Row | None:
        """One row."""
        ...

    def top(self, view: str, rank: str, count: int, start: int = 0) -> list[Row]:
        """The rows with the highest values of a rank, from the start-th on; of equals the later
        name first.
        """
        ...

    def keys(self, view: str) -> set[str]:
        """The keys of all rows."""
        ...

    def mark(self, text: str) -> None:
        """Notes what the views were built from; `marked` gives it back until the store forgets it
        all.
        """
        ...

    def marked(self) -> str | None: ...


class MemoryStore:
    """Views of one process."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {name: {} for name in RANKS}
        self._mark: str | None = None

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.row is None:
                self._rows[change.view].pop(change.key, None)
            else:
                self._rows[change.view][change.key] = change.row

    def get(self, view: str, key: str) -> Row | None:
        return self._rows[view].get(key)

    def top(self, view: str, rank: str, count: int, start: int = 0) -> list[Row]:
        assert rank in RANKS[view], f"{view} is not ranked by {rank}"
        ordered = sorted(
            self._rows[view].items(), key=lambda item: (float(item[1][rank]), item[0]), reverse=True
        )
        return [row for _, row in ordered[start : start + count]]

    def keys(self, view: str) -> set[str]:
        return set(self._rows[view])

    def mark(self, text: str) -> None:
        self._mark = text

    def marked(self) -> str | None:
        return self._mark
