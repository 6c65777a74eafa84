"""The memory of one partition: the tables of every agent, and which records were seen."""

from collections.abc import Mapping

from schemas.catalog import TABLES_POLICIES
from schemas.records import Policy
from state.partition.alert_tables import AlertTables
from state.partition.anomaly_tables import AnomalyTables
from state.partition.command_tables import CommandTables
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.failure_tables import FailureTables
from state.partition.ingress_memory import IngressMemory
from state.partition.learning_tables import LearningTables
from state.partition.subject_tables import SubjectTables
from state.partition.trust_tables import TrustTables
from state.policies_in_force import Policies
from state.seen_ids import WINDOW
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key


class PartitionState:
    """Everything that the records of one partition fold into.

    now: the highest append time applied, by the broker's clock, ms. policies: in force, by id and
    by subject; a broadcast input, of which each partition keeps what it accepted as rows of
    `accepted_policies`. dedupe_window: offsets among which an id is known again.

    An agent is given its own tables alone. What it reads of others it holds as a reader: the
    constructor below is the one place that says who reads what.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        dedupe_window: int = WINDOW,
        learning: bool = True,
        policies: Policies | None = None,
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.dedupe_window = dedupe_window
        self.now = 0
        self.ingress = IngressMemory(partition, partitions, dedupe_window)
        self.policies = policies if policies is not None else Policies()
        self.accepted_policies: KeyedTable[Policy] = KeyedTable(
            TABLES_POLICIES, "Policy", lambda row: row_key(row.policy_id)
        )
        self.subjects = SubjectTables()
        self.alerts = AlertTables(self.policies, self.subjects)
        self.commands = CommandTables(
            partition, partitions, self.policies, self.subjects, self.alerts
        )
        self.experiments = ExperimentTables(
            partition,
            dedupe_window,
            self.policies,
            self.subjects,
            self.commands.commands,
        )
        self.drift = DriftTables(self.policies)
        self.anomalies = AnomalyTables(self.policies, self.drift.metrics)
        self.commands.reads(self.experiments.experiments, self.drift.metrics)
        self.subjects.reads(
            self.experiments.experiments, self.drift.metrics, self.commands.commands
        )
        self.trust = TrustTables(learning, self.policies, self.alerts)
        self.failures = FailureTables(self.trust)
        self.learning = LearningTables(learning, self.policies, self.alerts)

    def all(self) -> Mapping[str, Table]:
        """The tables with a changelog, by topic, in the order in which they are written."""
        experiments, drift = self.experiments, self.drift
        tables: tuple[Table, ...] = (
            experiments.arms,
            experiments.experiments,
            drift.metrics,
            *self.anomalies.stored(),
            *self.commands.stored(),
            *self.subjects.stored(),
            experiments.burn_ins,
            experiments.snapshots,
            self.accepted_policies,
            *self.failures.stored(),
            self.trust.trust,
            self.trust.days,
            *self.learning.stored(),
            *self.alerts.stored(),
            self.trust.accepted_levels,
        )
        return {table.topic: table for table in tables}
