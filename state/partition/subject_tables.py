"""The table of subjects: counters of the judge, tokens and locks of commands, who is a newcomer."""

from typing import Protocol

from schemas.catalog import TABLES_SUBJECTS
from schemas.ids import tenant_of
from schemas.records import SubjectRow
from state.deadline_queue import DeadlineQueue
from state.newcomer_times import Newcomers
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class RowCounter(Protocol):
    """A table of another agent, to count in."""

    def count(self, group: str) -> int:
        """How many rows it has of one subject."""


class SubjectTables:
    """One row for each subject, of which two agents keep fields.

    newcomers: subjects that nobody vouched for. without_rows: of those the ones of which no other
    table has a row; all of them are due.

    Read, and owned by others: the tables with rows of a subject, to count these.
    """

    def __init__(self) -> None:
        self.subjects: KeyedTable[SubjectRow] = KeyedTable(
            TABLES_SUBJECTS,
            "SubjectRow",
            lambda row: row_key(row.subject),
            lambda row: tenant_of(row.subject),
        )
        self.counted: tuple[RowCounter, ...] = ()
        # Worked out anew after a restore, never stored.
        self.newcomers = Newcomers()
        self.without_rows = DeadlineQueue()

    def reads(self, *counted: RowCounter) -> None:
        """Gives it the tables of others in which it counts."""
        self.counted = counted

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.subjects,)
