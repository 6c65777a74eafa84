"""The table of alerts that stand, or are about to."""

from schemas.catalog import TABLES_ALERTS
from schemas.records import AlertRow
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.partition.subject_tables import SubjectTables
from state.policies_in_force import Policies
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class AlertTables:
    """Holds what the agent of alerts owns in one partition.

    alerts: by what they are about. raises: alerts, by when a rule that is broken has been so for
    long enough.

    Read, and owned by others: policies, for their rules; subjects, for whose alerts are one storm.
    """

    def __init__(self, policies: Policies, subject_tables: SubjectTables) -> None:
        self.policies = policies
        self.subject_tables = subject_tables
        self.alerts: KeyedTable[AlertRow] = KeyedTable(
            TABLES_ALERTS, "AlertRow", alert_key, leaves=row_expiry.alert
        )
        # Worked out anew after a restore, never stored.
        self.raises = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.alerts,)


def alert_key(row: AlertRow) -> str:
    """The key of an alert's row: rule and thing, and of a command's end what it is about."""
    return row_key(row.rule, row.key, row.about) if row.about else row_key(row.rule, row.key)
