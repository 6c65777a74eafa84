"""The tables of commands: where each stands, and what automation has spent of its budgets."""

from collections.abc import Iterable
from typing import Protocol

from schemas.catalog import TABLES_BUDGETS, TABLES_COMMANDS
from schemas.ids import tenant_of
from schemas.records import BudgetRow, CommandRow, ExperimentRow, MetricRow
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.partition.alert_tables import AlertTables
from state.partition.subject_tables import SubjectTables
from state.policies_in_force import Policies
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key

BUSY = "busy"  # mark of commands of automation that are at work: their tenant


class ExperimentReader(Protocol):
    """The rows of experiments, to look at."""

    def get(self, key: str) -> ExperimentRow | None:
        """The row of a key, which is made of subject and experiment id."""


class MetricReader(Protocol):
    """The rows of live metrics, to look at."""

    def rows_of(self, group: str) -> Iterable[MetricRow]:
        """The live metrics of one subject."""


class CommandTables:
    """Holds what the agent of commands owns in one partition.

    commands: by command id. budgets: by tenant. deadlines: commands, by when they move by
    themselves. denied_until: budgets that denied a command, by when the hour of it is over.

    Read, and owned by others: policies, experiments, metrics. Subjects are shared: this agent keeps
    their fencing tokens, freezes and locks.

    alerts: handed to the agent of alerts, which alone looks into them.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        policies: Policies,
        subject_tables: SubjectTables,
        alerts: AlertTables,
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.policies = policies
        self.subject_tables = subject_tables
        self.subjects = subject_tables.subjects
        self.alerts = alerts
        self.experiments: ExperimentReader
        self.metrics: MetricReader
        self.commands: KeyedTable[CommandRow] = KeyedTable(
            TABLES_COMMANDS,
            "CommandRow",
            lambda row: row.command_id,
            lambda row: row.subject,
            row_expiry.command,
            {BUSY: _busy},
        )
        self.budgets: KeyedTable[BudgetRow] = KeyedTable(
            TABLES_BUDGETS,
            "BudgetRow",
            lambda row: budget_key(row.tenant, row.shared, row.newcomers),
            leaves=row_expiry.budget,
        )
        # Worked out anew after a restore, never stored.
        self.deadlines = DeadlineQueue()
        self.denied_until = DeadlineQueue()

    def reads(self, experiments: ExperimentReader, metrics: MetricReader) -> None:
        """Gives it the tables of others that it looks at."""
        self.experiments, self.metrics = experiments, metrics

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return self.commands, self.budgets


def budget_key(tenant: str, shared: bool, newcomers: bool) -> str:
    """The key of a tenant's budget row; of its newcomers there are rows of their own."""
    return row_key(tenant, "shared" if shared else "own", *(["newcomers"] if newcomers else []))


def _busy(row: CommandRow) -> Iterable[str]:
    if row.phase in row_expiry.AT_WORK and not row.requested_by:
        yield tenant_of(row.subject)
