"""The table of subjects: counters of the judge, tokens and locks of commands, who is a newcomer."""

from schemas.catalog import TABLES_SUBJECTS
from schemas.ids import tenant_of
from schemas.records import SubjectRow
from state.deadline_queue import DeadlineQueue
from state.newcomer_times import Newcomers
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class SubjectTables:
    """One row for each subject, of which two agents keep fields.

    newcomers: subjects that nobody vouched for. without_rows: of those the ones of which no other
    table has a row; all of them are due.
    """

    def __init__(self) -> None:
        self.subjects: KeyedTable[SubjectRow] = KeyedTable(
            TABLES_SUBJECTS,
            "SubjectRow",
            lambda row: row_key(row.subject),
            lambda row: tenant_of(row.subject),
        )
        # Worked out anew after a restore, never stored.
        self.newcomers = Newcomers()
        self.without_rows = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.subjects,)
