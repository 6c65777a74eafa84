"""Partition logs with transactions, as a broker keeps them: read_committed readers see no further
than the first open one.
"""

from dataclasses import dataclass, field
from enum import Enum

TopicPartitionKey = tuple[str, int]
Headers = list[tuple[str, bytes]]


class Fate(Enum):
    """The fate of an entry's transaction; a marker is the end of one, and no record."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"
    MARKER = "marker"


@dataclass(slots=True)
class Entry:
    """One offset of a partition's log."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    at: int  # append time, ms
    fate: Fate
    owner: str | None = None  # transactional id


@dataclass(slots=True)
class Log:
    """A partition; offsets are positions."""

    entries: list[Entry] = field(default_factory=list)
    open: dict[str, int] = field(
        default_factory=dict
    )  # transactional id -> offset of its first record

    @property
    def stable_end(self) -> int:
        """The last stable offset: no reader of committed records gets past it."""
        return min(self.open.values(), default=len(self.entries))

    @property
    def last_end(self) -> int:
        """Past the last record that stands: markers and aborted records may follow."""
        standing = (
            n for n in range(len(self.entries), 0, -1) if self.entries[n - 1].fate == Fate.COMMITTED
        )
        return next(standing, 0)

    def append(self, entry: Entry) -> int:
        if entry.fate == Fate.OPEN:
            assert entry.owner is not None
            self.open.setdefault(entry.owner, len(self.entries))
        self.entries.append(entry)
        return len(self.entries) - 1

    def end(self, transactional_id: str, fate: Fate, at: int) -> None:
        first = self.open.pop(transactional_id)
        for entry in self.entries[first:]:
            if entry.owner == transactional_id and entry.fate == Fate.OPEN:
                entry.fate = fate
        self.append(Entry(None, None, [], at, Fate.MARKER))
