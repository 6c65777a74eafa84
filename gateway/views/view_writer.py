"""Writes what came from Kafka into the file: rows, tails, search, counts and positions, in one
transaction, so that a file that was left in the middle of it stands where it stood before.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from gateway.views import tables
from gateway.views.definitions import BY_TOPIC, LOG_DAYS, LOG_ROWS_MAX, VIEWS, WRITTEN, KeptView
from gateway.views.tenants import of_written
from gateway.views.view_file import note_age
from schemas.catalog import DEAD_LETTERS, JOURNAL, TOPICS
from schemas.codec.framing import Codec
from schemas.ids import tenant_of
from schemas.refusals import DecodeError
from streams.kafka.dead_letters import letter
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError

_DAY_MS = 86_400_000
_PRUNED_AT_ONCE = 20_000  # rows of one view in one transaction
_SEARCHED_MAX = 1_000  # characters of a row that a search finds
_MARK_DIGITS = 24  # no two tenants have one mark by chance


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row of a view that was set or, where it has no value, deleted. tenant: empty where a
    deleted row had not been there. offset: of the record that set it; -1 of a deletion.
    """

    view: str
    tenant: str
    key: str
    value: bytes | None
    partition: int = 0
    offset: int = -1


@dataclass(slots=True)
class Pending:
    """What came since the last transaction: of each key its last message, of a partition of the
    journal its last entry.
    """

    rows: dict[tuple[str, bytes], Message] = field(default_factory=dict)
    records: list[Message] = field(default_factory=list)
    journal: dict[int, Message] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        topic, key = message.topic() or "", message.key() or b""
        if topic == JOURNAL:
            self.journal[message.partition() or 0] = message
        elif topic in BY_TOPIC and not BY_TOPIC[topic].is_log:
            key = key if isinstance(key, bytes) else key.encode()
            self.rows[topic, key] = message
        else:
            self.records.append(message)

    def __len__(self) -> int:
        return len(self.rows) + len(self.records) + len(self.journal)


class ViewWriter:
    """The one writer of a file."""

    def __init__(self, connection: sqlite3.Connection, codec: Codec) -> None:
        self._file, self._codec = connection, codec
        self._upserts = {name: tables.upsert(view) for name, view in VIEWS.items()}
        self._tenants: set[str] = {row[0] for row in connection.execute("SELECT * FROM tenants")}

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset of each partition that was read."""
        found = self._file.execute("SELECT topic, partition, next FROM positions")
        return {(topic, partition): following for topic, partition, following in found}

    def apply(self, pending: Pending, positions: Mapping[tuple[str, int], int]) -> list[RowChange]:
        """Writes what came, and the positions behind it; returns the rows that changed.

        Raises MendstreamError for a row that this version cannot read.
        """
        self._file.execute("BEGIN IMMEDIATE")
        try:
            changes = self._rows([*pending.rows.values(), *pending.records])
            self._journal(pending.journal.values())
            self._file.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(topic, partition, at) for (topic, partition), at in positions.items()],
            )
            note_age(self._file)
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        return changes

    def finish(self) -> None:
        """Makes lists quick, once the file has caught up for the first time."""
        if self._file.execute("SELECT 1 FROM meta WHERE name = 'finished'").fetchone():
            return
        self._file.execute("BEGIN IMMEDIATE")
        for statement in tables.finishing():
            self._file.execute(statement)
        self._file.execute("INSERT INTO meta VALUES ('finished', '1')")
        self._file.execute("COMMIT")
        self._file.execute("PRAGMA optimize")

    def prune(self) -> int:
        """Removes some of what is older than the tails of logs are kept; returns how many rows."""
        cutoff, removed = now_ms() - LOG_DAYS * _DAY_MS, 0
        self._file.execute("BEGIN IMMEDIATE")
        for view in (view for view in VIEWS.values() if view.is_log):
            order = tables.quoted(view.orders[0])
            too_many = max(0, self._count(view) - LOG_ROWS_MAX)
            found = self._file.execute(
                f"SELECT key, {order} < ? FROM {view.table} ORDER BY {order}, key LIMIT ?",
                (cutoff, _PRUNED_AT_ONCE),
            ).fetchall()
            keys = [key for n, (key, old) in enumerate(found) if old or n < too_many]
            self._delete(view, keys)
            removed += len(keys)
        for table in ("written", "letters"):
            removed += self._file.execute(f"DELETE FROM {table} WHERE at < ?", (cutoff,)).rowcount
        self._file.execute("COMMIT")
        self._file.execute("PRAGMA incremental_vacuum(2000)")
        return removed

    def _count(self, view: KeptView) -> int:
        first, last = self._file.execute(
            f"SELECT min(rowid), max(rowid) FROM {view.table}"
        ).fetchone()
        return 0 if last is None else last - first + 1  # rows leave from the front, so nearly exact

    def _rows(self, messages: Sequence[Message]) -> list[RowChange]:
        sets: dict[str, list[tuple[Any, ...]]] = {}
        texts: list[tuple[str, str, str, str]] = []
        changes: list[RowChange] = []
        for message in messages:
            topic = message.topic() or ""
            view = BY_TOPIC.get(topic)
            if view is None:
                self._note(topic, message)
                continue
            made = self._made(view, message)
            if made is None:
                key = (message.key() or b"").decode(errors="replace")
                changes += self._delete(view, [key])
                continue
            row, text = made
            sets.setdefault(view.name, []).append(row)
            changes.append(RowChange(view.name, row[0], row[1], row[4], row[2], row[3]))
            if text is not None:
                texts.append((view.name, row[1], row[0], text))
        for name, rows in sets.items():
            self._file.executemany(self._upserts[name], rows)
        self._index(texts)
        self._know({change.tenant for change in changes if change.tenant})
        return changes

    def _made(self, view: KeptView, message: Message) -> tuple[tuple[Any, ...], str | None] | None:
        """The row that a message sets, and its text; None where it deletes one, or is not shown."""
        value = message.value()
        if value is None:
            return None
        own = (message.key() or b"").decode(errors="replace")
        if view.of_key is not None:
            fields = view.of_key(own)
        else:
            fields = self._read(view, message)
            if not view.keeps(fields):
                return None
        key = own if view.key is None else str(view.key(fields))
        columns = [column(fields) for column in view.columns.values()]
        place = (message.partition(), message.offset(), value)
        text = view.text(fields)[:_SEARCHED_MAX] if view.text is not None else None
        return (view.tenant(fields), key, *place, *columns), text

    def _read(self, view: KeptView, message: Message) -> Mapping[str, Any]:
        try:
            return self._codec.read(view.record, message.value(), own=True)
        except DecodeError as error:
            raise MendstreamError(
                f"{view.topic} holds a row that this version cannot read: {error.sentence}.",
                "Use the version of Mendstream that wrote it, or the Schema Registry that it used.",
            ) from error

    def _delete(self, view: KeptView, keys: Iterable[str]) -> list[RowChange]:
        gone = []
        for key in keys:
            row = self._file.execute(
                f"DELETE FROM {view.table} WHERE key = ? RETURNING tenant", (key,)
            ).fetchone()
            if row is not None:
                gone.append(RowChange(view.name, row[0], key, None))
                self._forget(view.name, key)
        return gone

    def _index(self, texts: Iterable[tuple[str, str, str, str]]) -> None:
        """Puts texts that changed into the full text index."""
        for view, key, tenant, text in texts:
            before = self._file.execute(
                "SELECT text FROM documents WHERE view = ? AND key = ?", (view, key)
            ).fetchone()
            if before == (text,):
                continue
            if before is not None:
                self._forget(view, key)
            made = self._file.execute(
                "INSERT INTO documents (view, key, tenant, text) VALUES (?, ?, ?, ?)",
                (view, key, tenant, text),
            )
            self._file.execute(
                "INSERT INTO search (rowid, tenant, text) VALUES (?, ?, ?)",
                (made.lastrowid, tenant_mark(tenant), text),
            )

    def _forget(self, view: str, key: str) -> None:
        gone = self._file.execute(
            "DELETE FROM documents WHERE view = ? AND key = ? RETURNING number", (view, key)
        ).fetchone()
        if gone is not None:
            self._file.execute("DELETE FROM search WHERE rowid = ?", gone)

    def _know(self, met: set[str]) -> None:
        fresh = met - self._tenants
        self._file.executemany("INSERT OR IGNORE INTO tenants VALUES (?)", [(t,) for t in fresh])
        self._tenants |= fresh

    def _note(self, topic: str, message: Message) -> None:
        """Notes where what was written stands, or what was refused; their bytes are not kept."""
        if topic == DEAD_LETTERS:
            self._refused(message)
            return
        assert topic in WRITTEN, f"nobody asked for {topic}"
        name = TOPICS[topic].record
        assert name is not None, f"{topic} holds records of ours"
        try:
            fields = self._codec.read(name, message.value())
        except DecodeError:
            return  # a stranger's, which is a dead letter
        self._file.execute(
            "INSERT OR IGNORE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(topic, fields["event_id"], message.partition(), message.offset()),
                *(of_written(fields), content_digest(fields), message.timestamp()[1]),
            ),
        )

    def _refused(self, message: Message) -> None:
        found = letter(message)
        if found is None:
            return
        key = (found.key or b"").decode(errors="replace")
        place = f"{found.partition:06}/{found.offset:020}"
        at = message.timestamp()[1]
        self._file.execute(
            "INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(found.topic, found.origin_partition, found.origin_offset, tenant_of(key)),
                *(found.reason, found.sentence, at, place),
            ),
        )

    def _journal(self, messages: Iterable[Message]) -> None:
        for message in messages:
            entry = self._codec.read("JournalEntry", message.value(), own=True)
            names = ("partition", "number", "now", "agents")
            more = ("broadcast_offset", "applied", "duplicates", "dead_letters", "rows")
            self._file.execute(
                "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(entry[name] for name in names),
                    json.dumps(entry["next_offsets"]),
                    *(entry[name] for name in more),
                ),
            )


def content_digest(fields: Mapping[str, Any]) -> str:
    """A digest of what a record says, whenever it was said and under whichever id."""
    said = {n: v for n, v in fields.items() if n != "event_id" and not n.endswith("ed_at")}
    return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:32]


def tenant_mark(tenant: str) -> str:
    """A tenant as the full text index knows it: as long as any other's, so that none holds another,
    and without letters of two cases, which the index takes for one.
    """
    return hashlib.sha256(tenant.encode()).hexdigest()[:_MARK_DIGITS]
