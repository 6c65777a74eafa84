"""Forgets subjects that nobody vouched for, once nothing of them is left: their names are made up,
and places are few.

Such a subject goes with the last of its rows: its live metrics leave 30 days after their last
record, its experiments likewise (nobody planned them), its commands 90 days after they ended. So no
moment of its own need be kept.

What is forgotten with it is how many experiments it had and how many gains were proved in them
(e-LOND). The bound of false discoveries is that of the experiments a subject is known by. While one
of them is in the tables, running or not, all that were before it stay counted, so that its level is
never that of an earlier place. When the last has left, the family is closed: no decision of it is
open, none was ever carried out, for a command that was would vouch for the subject, and no later
level is taken from it. The name that comes back begins a family of its own, with a budget of its
own, a month of silence later at the earliest; who wants one budget for good names the subject in a
spec. Proved gains raise later levels, so that to forget them spends nothing.

Fencing tokens are never forgotten, for a target remembers the last: a subject that has some, or is
frozen, keeps its row and takes no place from then on. So many rows stay as newcomers' budget issues
commands.
"""

from collections.abc import Iterable
from dataclasses import replace

from schemas.ids import tenant_of
from schemas.records import SubjectRow
from state.partition.subject_tables import SubjectTables
from state.storage.table import row_key


def left(subjects: Iterable[str], tables: SubjectTables) -> None:
    """Rows of these subjects have left: those of which none is there any more are to be
    forgotten.
    """
    for name in subjects:
        row = tables.subjects.get(row_key(name))
        if row is not None and _is_over(row, tables):
            tables.without_rows.put(name, 0)


def forget(most: int, tables: SubjectTables) -> None:
    """Lets at most so many subjects go, by name."""
    for _ in range(most):
        first = tables.without_rows.pop(0)
        if first is None:
            return
        row = tables.subjects.get(row_key(first[1]))
        if row is not None and _is_over(row, tables):
            tables.newcomers.drop(tenant_of(row.subject), row.new_since)
            if row.tokens or row.frozen_by or row.locks:
                tables.subjects.put(replace(row, new_since=-1))
            else:
                tables.subjects.drop(row_key(row.subject))


def rebuild(tables: SubjectTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.without_rows.rebuild(
        (row.subject, 0) for row in tables.subjects.rows() if _is_over(row, tables)
    )


def _is_over(row: SubjectRow, tables: SubjectTables) -> bool:
    """Returns whether nobody vouched for a subject of which no row is left."""
    counts = (table.count(row.subject) for table in tables.counted)
    return row.new_since >= 0 and not any(counts)
