"""The tables of recommendations: runs, patterns among them, and what tenants learn."""

from schemas.catalog import TABLES_LEARNING, TABLES_LESSONS, TABLES_RUNS
from schemas.records import LearningRow, LessonRow, RunRow
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.partition.alert_tables import AlertTables
from state.policies_in_force import Policies
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class LearningTables:
    """Holds what the agent of learning owns in one partition.

    enabled: whether anything is learnt at all. runs: by tenant and run id. lessons: recommendation
    patterns, by tenant, category and name. tenants: by tenant. run_expiry: runs, by when they go.
    cycles: tenants, by when a learning cycle is due.

    Read, and owned by others: policies. alerts: handed to the agent of alerts, which alone looks
    into them.
    """

    def __init__(self, enabled: bool, policies: Policies, alerts: AlertTables) -> None:
        self.enabled = enabled
        self.policies = policies
        self.alerts = alerts
        self.runs: KeyedTable[RunRow] = KeyedTable(
            TABLES_RUNS, "RunRow", lambda row: row_key(row.tenant, row.run_id)
        )
        self.lessons: KeyedTable[LessonRow] = KeyedTable(
            TABLES_LESSONS,
            "LessonRow",
            lambda row: row_key(row.tenant, row.category, row.name),
            lambda row: row.tenant,
            row_expiry.lesson,
        )
        self.tenants: KeyedTable[LearningRow] = KeyedTable(
            TABLES_LEARNING,
            "LearningRow",
            lambda row: row_key(row.tenant),
            leaves=row_expiry.learning,
        )
        # Worked out anew after a restore, never stored.
        self.run_expiry = DeadlineQueue()
        self.cycles = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return self.runs, self.lessons, self.tenants
