"""The tables of a file of views: one for each view, and those that say how far it has come."""

from collections.abc import Iterator

from gateway.views.definitions import VIEWS, KeptView

# positions: the next offset of each partition, written with the rows that it covers.
# journal: the last entry of each partition; next_offsets as JSON.
# written: where the record of an event id stands that a gateway, or anybody, wrote.
# letters: what was refused, by the place where it stood.
# counts: rows by tenant and value of a view's counted column, kept by triggers.
# documents: what the full text index holds, by its row's number.
_COMMON = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE journal (
  partition INTEGER PRIMARY KEY, number INTEGER NOT NULL, now INTEGER NOT NULL,
  agents TEXT NOT NULL, next_offsets TEXT NOT NULL, broadcast INTEGER NOT NULL,
  applied INTEGER NOT NULL, duplicates INTEGER NOT NULL, dead_letters INTEGER NOT NULL,
  rows INTEGER NOT NULL
);
CREATE TABLE written (
  topic TEXT NOT NULL, event_id TEXT NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL,
  tenant TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (topic, event_id, partition)
) WITHOUT ROWID;
CREATE UNIQUE INDEX written_by_place ON written (topic, partition, first);
CREATE INDEX written_by_age ON written (at);
CREATE TABLE letters (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, tenant TEXT NOT NULL,
  reason TEXT NOT NULL, sentence TEXT NOT NULL, at INTEGER NOT NULL, place TEXT NOT NULL UNIQUE,
  PRIMARY KEY (topic, partition, first)
) WITHOUT ROWID;
CREATE INDEX letters_of_tenant ON letters (tenant, at, place);
CREATE INDEX letters_by_age ON letters (at, place);
CREATE TABLE counts (
  view TEXT NOT NULL, tenant TEXT NOT NULL, value TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (view, tenant, value)
) WITHOUT ROWID;
CREATE TABLE tenants (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE documents (
  number INTEGER PRIMARY KEY, view TEXT NOT NULL, key TEXT NOT NULL, tenant TEXT NOT NULL,
  text TEXT NOT NULL, UNIQUE (view, key)
);
CREATE VIRTUAL TABLE search USING fts5(tenant, text, tokenize = 'trigram');
"""


def statements() -> Iterator[str]:
    """The statements that make an empty file, into which rows go quickly."""
    yield _COMMON
    for view in VIEWS.values():
        yield _table(view)


def finishing() -> Iterator[str]:
    """The statements that make lists quick and count rows, once a file has caught up: an index over
    rows that are there takes a part of the time that each row takes to enter one.
    """
    for view in VIEWS.values():
        for order in view.orders:
            yield _index(view, order, (order,))
            yield _index(view, f"tenant_{order}", ("tenant", order))
        for column in view.filters:
            yield _index(view, f"tenant_{column}_filter", ("tenant", column, view.orders[0]))
        if view.counted is not None:
            yield from _counting(view, view.counted)


def upsert(view: KeptView) -> str:
    """The statement that sets a row: tenant, key, partition, first offset, value, then its
    columns.
    """
    names = ["tenant", "key", "partition", "first", "value", *map(quoted, view.columns)]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "key")
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {view.table} ({', '.join(names)}) VALUES ({marks}) "
        f"ON CONFLICT (key) DO UPDATE SET {changes}"
    )


def quoted(column: str) -> str:
    """A column's name, which may be a word of SQL."""
    return f'"{column}"'


def _table(view: KeptView) -> str:
    columns = "".join(f", {quoted(name)} NOT NULL" for name in view.columns)
    return (
        f"CREATE TABLE {view.table} (tenant TEXT NOT NULL, key TEXT NOT NULL, "
        f"partition INTEGER NOT NULL, first INTEGER NOT NULL, value BLOB NOT NULL{columns}, "
        "PRIMARY KEY (key))"
    )


def _index(view: KeptView, name: str, columns: tuple[str, ...]) -> str:
    return (
        f"CREATE INDEX {view.table}_{name} ON {view.table} ({', '.join(map(quoted, columns))}, key)"
    )


def _counting(view: KeptView, column: str) -> Iterator[str]:
    def counted(row: str, by: int) -> str:
        return (
            f"INSERT INTO counts VALUES ('{view.name}', {row}.tenant, {row}.{quoted(column)}, {by})"
            f" ON CONFLICT (view, tenant, value) DO UPDATE SET number = number + ({by});"
        )

    yield (
        f"INSERT INTO counts SELECT '{view.name}', tenant, {quoted(column)}, count(*) "
        f"FROM {view.table} GROUP BY tenant, {quoted(column)}"
    )
    table, more, less = view.table, counted("new", 1), counted("old", -1)
    yield f"CREATE TRIGGER {table}_in AFTER INSERT ON {table} BEGIN {more} END"
    yield f"CREATE TRIGGER {table}_out AFTER DELETE ON {table} BEGIN {less} END"
    yield f"CREATE TRIGGER {table}_on AFTER UPDATE ON {table} BEGIN {less} {more} END"
