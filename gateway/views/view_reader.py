"""Answers questions to a file of views: each set of them in one snapshot, for the tenants that they
are asked for.
"""

import asyncio
import heapq
import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from gateway.views.definitions import VIEWS, KeptView
from gateway.views.tables import quoted
from gateway.views.tenants import TenantScope
from gateway.views.view_file import reader
from gateway.views.view_writer import tenant_mark

T = TypeVar("T")
THREADS = 4  # that read at once; SQLite lets other threads run meanwhile
PAGE_MAX = 500  # rows of one page
SEARCH_CHARACTERS_MIN = 3  # shorter texts are in no index of trigrams
_LAST = "\U0010ffff"  # after every character of a key
_FOUND_MAX = 200  # rows of one search, before they are shown


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row as it is kept. order: the value that its page is sorted by."""

    view: str
    tenant: str
    key: str
    partition: int
    offset: int
    value: bytes
    order: Any = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which rows of a view, in which order.

    order: a column of the view's `orders`. equal: columns of its `filters` and the values that rows
    must have. after: order and key of the last row
    that was seen.
    """

    order: str
    descending: bool = True
    equal: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[Any, str] | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class JournalRow:
    """How far the processors have come in one partition."""

    partition: int
    number: int
    now: int  # the partition's clock, ms
    agents: str
    next_offsets: Mapping[str, int]
    broadcast: int  # next offset of policies.v1
    applied: int
    duplicates: int
    dead_letters: int
    rows: int


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """Where a record of a person's word stands. digest: of what it says."""

    topic: str
    event_id: str
    partition: int
    offset: int
    tenant: str
    digest: str
    at: int


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A record that was refused: where it stood, and why. place: orders letters of one moment."""

    topic: str
    partition: int
    offset: int
    tenant: str
    reason: str
    sentence: str
    at: int
    place: str


class Snapshot:
    """The views as they stand after one transaction of their writer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._file = connection

    def row(self, view: str, scope: TenantScope, key: str) -> StoredRow | None:
        """One row; None where there is none of these tenants."""
        one = VIEWS[view]
        found = self._file.execute(
            f"SELECT tenant, key, partition, first, value FROM {one.table} WHERE key = ?", (key,)
        ).fetchone()
        if found is None or not scope.sees(found[0]):
            return None
        return StoredRow(view, *found)

    def page(self, view: str, scope: TenantScope, query: PageQuery) -> list[StoredRow]:
        """Rows in the order of the query, the key deciding between equals.

        Each tenant's rows stand in an index of their own, and the pages of several are merged.
        """
        one = VIEWS[view]
        assert query.order in one.orders, f"{view} has no order {query.order}"
        assert query.equal.keys() <= set(one.filters), f"{view} is not filtered by {query.equal}"
        if scope.everything and not query.equal:
            places = self._places(one, None, query)
        else:
            lists = [self._places(one, tenant, query) for tenant in self._named(scope)]
            merged = heapq.merge(*lists, reverse=query.descending)
            places = list(islice(merged, query.limit))
        return self._rows(one, places)

    def counts(self, view: str, scope: TenantScope) -> dict[str, int]:
        """Rows by the value of the view's counted column."""
        assert VIEWS[view].counted is not None, f"{view} is not counted"
        condition, values = _tenants(scope)
        found = self._file.execute(
            f"SELECT value, sum(number) FROM counts WHERE view = ? AND {condition} "
            "GROUP BY value HAVING sum(number) > 0",
            (view, *values),
        )
        return dict(found.fetchall())

    def search(self, scope: TenantScope, text: str, limit: int) -> list[StoredRow]:
        """Rows whose text holds this one, of at least SEARCH_CHARACTERS_MIN characters; the last
        that came first.
        """
        asked = f"text : {_phrase(text)}"
        if not scope.everything and not scope.names:
            return []
        if not scope.everything:
            marks = " OR ".join(_phrase(tenant_mark(name)) for name in scope.names)
            asked = f"tenant : ({marks}) AND {asked}"
        found = self._file.execute(
            "SELECT d.view, d.key FROM search JOIN documents d ON d.number = search.rowid "
            "WHERE search MATCH ? ORDER BY search.rowid DESC LIMIT ?",
            (asked, min(limit, _FOUND_MAX)),
        ).fetchall()
        rows = (self.row(view, scope, key) for view, key in found)
        return [row for row in rows if row is not None]

    def journal(self) -> dict[int, JournalRow]:
        """How far the processors have come, by partition; nobody's own."""
        found = self._file.execute("SELECT * FROM journal ORDER BY partition")
        rows: list[Any] = found.fetchall()
        return {row[0]: JournalRow(*_decoded(row)) for row in rows}

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset of each partition that the snapshot covers; nobody's own."""
        found = self._file.execute("SELECT topic, partition, next FROM positions")
        return {(topic, partition): following for topic, partition, following in found}

    def beginning(
        self, view: str, scope: TenantScope, prefix: str, limit: int, after: str = ""
    ) -> list[StoredRow]:
        """Rows whose keys begin so, in the order of their keys, behind the key `after`."""
        condition, values = _tenants(scope)
        found = self._file.execute(
            f"SELECT tenant, key, partition, first, value, key FROM {VIEWS[view].table} "
            f"WHERE key >= ? AND key < ? AND key > ? AND {condition} ORDER BY key LIMIT ?",
            (prefix, prefix + _LAST, after, *values, limit),
        )
        return [StoredRow(view, *row) for row in found.fetchall()]

    def mean(self, view: str, scope: TenantScope, column: str) -> float | None:
        """The mean of a column that lists are sorted by; None where there is no row."""
        assert column in VIEWS[view].orders, f"{view} has no order {column}"
        condition, values = _tenants(scope)
        found = self._file.execute(
            f"SELECT avg({quoted(column)}) FROM {VIEWS[view].table} WHERE {condition}", values
        )
        mean: float | None = found.fetchone()[0]
        return mean

    def written(self, topic: str, event_id: str) -> list[WrittenRow]:
        """Where the records of an event id stand; the id tells whose they are."""
        found = self._file.execute(
            "SELECT * FROM written WHERE topic = ? AND event_id = ? ORDER BY partition",
            (topic, event_id),
        )
        return [WrittenRow(*row) for row in found.fetchall()]

    def written_at(
        self, scope: TenantScope, topic: str, partition: int, offset: int
    ) -> WrittenRow | None:
        """The record at a place; None where there is none of these tenants."""
        found = self._file.execute(
            "SELECT * FROM written WHERE topic = ? AND partition = ? AND first = ?",
            (topic, partition, offset),
        ).fetchone()
        row = None if found is None else WrittenRow(*found)
        return row if row is not None and scope.sees(row.tenant) else None

    def letter(self, topic: str, partition: int, offset: int) -> LetterRow | None:
        """The refusal of the record at a place that its writer was told; None where it was not
        refused.
        """
        found = self._file.execute(
            "SELECT * FROM letters WHERE topic = ? AND partition = ? AND first = ?",
            (topic, partition, offset),
        ).fetchone()
        return None if found is None else LetterRow(*found)

    def letters(
        self, scope: TenantScope, after: tuple[int, str] | None, limit: int
    ) -> list[LetterRow]:
        """What was refused of these tenants' keys, the last first."""
        condition, values = _tenants(scope)
        if after is not None:
            condition, values = f"{condition} AND (at, place) < (?, ?)", [*values, *after]
        found = self._file.execute(
            f"SELECT * FROM letters WHERE {condition} ORDER BY at DESC, place DESC LIMIT ?",
            (*values, limit),
        )
        return [LetterRow(*row) for row in found.fetchall()]

    def _named(self, scope: TenantScope) -> Sequence[str]:
        if not scope.everything:
            return scope.names
        return [row[0] for row in self._file.execute("SELECT tenant FROM tenants ORDER BY tenant")]

    def _places(
        self, view: KeptView, tenant: str | None, query: PageQuery
    ) -> list[tuple[Any, str]]:
        """Order and key of the rows of a page; all of it stands in an index."""
        conditions: list[str] = []
        values: list[Any] = []
        if tenant is not None:
            conditions.append("tenant = ?")
            values.append(tenant)
        for column, value in query.equal.items():
            conditions.append(f"{quoted(column)} = ?")
            values.append(value)
        order, way = quoted(query.order), "DESC" if query.descending else "ASC"
        if query.after is not None:
            conditions.append(f"({order}, key) {'<' if query.descending else '>'} (?, ?)")
            values += query.after
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        found = self._file.execute(
            f"SELECT {order}, key FROM {view.table} {where} "
            f"ORDER BY {order} {way}, key {way} LIMIT ?",
            (*values, query.limit),
        )
        return found.fetchall()

    def _rows(self, view: KeptView, places: Sequence[tuple[Any, str]]) -> list[StoredRow]:
        """The rows of these keys, in this order."""
        keys = [key for _, key in places]
        found = self._file.execute(
            f"SELECT tenant, key, partition, first, value FROM {view.table} "
            f"WHERE key IN ({', '.join('?' * len(keys))})",
            keys,
        )
        rows = {row[1]: StoredRow(view.name, *row) for row in found.fetchall()}
        return [replace(rows[key], order=order) for order, key in places]


class ViewReader:
    """Threads that read a file of views, each with a connection of its own. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self.threads = ThreadPoolExecutor(THREADS, "view-reader")

    def __enter__(self) -> "ViewReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown()
        for connection in self._connections:
            connection.close()

    def ask(self, question: Callable[[Snapshot], T]) -> T:
        """The answer to a question; to be called from one of `threads`."""
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            return question(Snapshot(connection))
        finally:
            with suppress(sqlite3.OperationalError):  # a failed statement may have ended it
                connection.execute("COMMIT")

    async def read(self, question: Callable[[Snapshot], T]) -> T:
        """The answer to a question, without keeping the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.ask, question)

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = self._own.connection = reader(self._path)
            self._connections.append(found)
        return found


def _decoded(row: Sequence[Any]) -> Sequence[Any]:
    return [*row[:4], json.loads(row[4]), *row[5:]]


def _tenants(scope: TenantScope) -> tuple[str, list[Any]]:
    if scope.everything:
        return "true", []
    return f"tenant IN ({', '.join('?' * len(scope.names))})", list(scope.names)


def _phrase(text: str) -> str:
    """A text as the full text index takes one to be found as it is."""
    return '"' + text.replace('"', '""') + '"'
