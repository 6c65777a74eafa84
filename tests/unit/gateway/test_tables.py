"""Every list is read off an index, whatever it is sorted and filtered by."""

import sqlite3
from collections.abc import Iterator

import pytest

from gateway.views.definitions import VIEWS, KeptView
from gateway.views.tables import finishing, quoted, statements


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:")
    for statement in (*statements(), *finishing()):
        made.executescript(statement)
    yield made
    made.close()


def plan(file: sqlite3.Connection, view: KeptView, order: str, *equal: str) -> str:
    where = " AND ".join(f"{quoted(column)} = ?" for column in equal)
    asked = (
        f"EXPLAIN QUERY PLAN SELECT {quoted(order)}, key FROM {view.table} "
        f"{'WHERE ' if where else ''}{where} ORDER BY {quoted(order)} DESC, key DESC LIMIT 50"
    )
    return "; ".join(row[3] for row in file.execute(asked, ["x"] * len(equal)))


@pytest.mark.parametrize("name", VIEWS)
def test_a_list_is_read_off_an_index_alone(file: sqlite3.Connection, name: str) -> None:
    view = VIEWS[name]
    plans = [plan(file, view, order) for order in view.orders]
    plans += [plan(file, view, order, "tenant") for order in view.orders]
    plans += [plan(file, view, view.orders[0], "tenant", column) for column in view.filters]
    for told in plans:
        assert "COVERING INDEX" in told, told
        assert "TEMP B-TREE" not in told, told


def test_counts_follow_every_change(file: sqlite3.Connection) -> None:
    view = VIEWS["alerts"]
    columns = ", ".join(
        map(quoted, ["tenant", "key", "partition", "first", "value", *view.columns])
    )
    for key, state in (("a", "RAISED"), ("b", "RAISED"), ("a", "RESOLVED"), ("b", None)):
        if state is None:
            file.execute(f"DELETE FROM {view.table} WHERE key = ?", (key,))
        else:
            row = ("t", key, 0, 0, b"", *(state if c == "state" else "" for c in view.columns))
            file.execute(
                f"INSERT INTO {view.table} ({columns}) VALUES ({', '.join('?' * len(row))}) "
                "ON CONFLICT (key) DO UPDATE SET state = excluded.state",
                row,
            )
    counts = file.execute("SELECT tenant, value, number FROM counts WHERE number > 0").fetchall()
    assert counts == [("t", "RESOLVED", 1)]
