"""The memory of one partition: every table that its records fold into."""

from collections.abc import Iterable, Mapping

from schemas.catalog import (
    TABLES_ARMS,
    TABLES_BUDGETS,
    TABLES_BURN_INS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_METRICS,
    TABLES_POLICIES,
    TABLES_SNAPSHOTS,
    TABLES_SUBJECTS,
)
from schemas.ids import tenant_of
from schemas.records import (
    BudgetRow,
    CommandRow,
    EvidenceKind,
    ExperimentRow,
    MetricRow,
    Policy,
    SnapshotRow,
    SubjectRow,
)
from state import row_expiry
from state.burn_in_buffers import Buffer, BurnInBuffers
from state.deadline_queue import DeadlineQueue
from state.experiment_arms import ExperimentIndex
from state.learning_tables import Lessons
from state.newcomers import Newcomers
from state.policies import Policies
from state.seen_ids import WINDOW, SeenIds
from state.silent_senders import Silence
from state.storage.columnar_table import ColumnarTable
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key

SLICE_MAX = (
    65_536  # offsets; more than a slice spans, within which subjects are folded one after the other
)
BUSY = "busy"  # mark of commands of automation that are at work: their tenant
METRIC = "metric"  # mark of rows of live metrics: subject and metric
# Mark of segments that took in records since a version was last suspected in the whole: subject,
# metric and version.
BEHIND = "behind"
STATES = ("UNKNOWN", "OK", "HARM", "GAIN", "WAIT", "MISSING", "SPLIT", "UNSTABLE")
EVIDENCE_KIND_SYMBOLS = tuple(map(str, EvidenceKind))
ARM_NAMES = ("subject", "experiment_id", "metric", "variant", "segment", "step")
# fmt: off
_ARM_COLUMNS = {
    "count": "i8", "hits": "i8", "sum": "f8", "sum_squares": "f8", "first_offset": "i8",
    "applied_offset": "i8", "base_offset": "i8", "base_count": "i8", "flipped": "?",
    "missing_squares": "?", "repeats": "i8", "unnamed_offset": "i8", "harm_offset": "i8",
    "gain_offset": "i8", "unstable_offset": "i8", "state": "i1", "effect": "f8", "low": "f8",
    "high": "f8", "running_low": "f8", "running_high": "f8", "log_e_harm": "f8", "log_e_gain": "f8",
    "evidence_kind": "i1", "expected_more": "f8", "last_at": "i8", "crossed": "i8",
}
# How the row is judged; worked out from its experiment's row when the row is made or restored.
_ARM_DERIVED = {
    "trial": "i8", "later": "i4", "beside": "i4", "leads": "?", "is_control": "?", "control": "i8",
    "treatment": "i8", "method": "i1", "tally": "i1", "sign": "i1", "share": "f8",
    "harm_level": "f8", "gain_level": "f8", "alpha": "f8", "min_count": "i8", "limit": "f8",
    "cap": "f8", "margin": "f8", "absolute_margin": "f8", "inflation": "f8", "learning": "?",
    "ramped": "?", "stepped": "?", "snapshots": "?", "whole": "i8", "next_mark": "i8",
    "closed_offset": "i8", "ends_at": "i8", "started_offset": "i8", "heard": "i8", "silent": "?",
}
# fmt: on
NULLABLE = ("effect", "low", "high", "running_low", "running_high", "expected_more")


def arms_table() -> ColumnarTable:
    return ColumnarTable(
        TABLES_ARMS,
        "ArmRow",
        ARM_NAMES,
        _ARM_COLUMNS,
        _ARM_DERIVED,
        nullable=NULLABLE,
        enums={"state": STATES, "evidence_kind": EVIDENCE_KIND_SYMBOLS},
    )


def _subject(row: MetricRow | CommandRow | ExperimentRow) -> str:
    return row.subject


def _metric(row: MetricRow) -> Iterable[str]:
    yield row_key(row.subject, row.metric)


def _behind(row: MetricRow) -> Iterable[str]:
    for one in row.versions if row.segment is not None else ():
        if (one.whole_window_count, one.whole_window_bad) != (one.whole_judged, one.whole_bad):
            yield row_key(row.subject, row.metric, one.model_version)


def _busy(row: CommandRow) -> Iterable[str]:
    if row.phase in row_expiry.AT_WORK and not row.requested_by:
        yield tenant_of(row.subject)


def budget_key(tenant: str, shared: bool, newcomers: bool) -> str:
    """The key of a tenant's budget row; of its newcomers there are rows of their own."""
    return row_key(tenant, "shared" if shared else "own", *(["newcomers"] if newcomers else []))


class Tables:
    """All tables of a partition, the ids seen on its inputs, and the policies in force.

    `now` is the highest broker append time applied, in ms. Policies are a broadcast input of which
    each partition keeps what it accepted; `policies` are the same by their ids, worked out anew
    when rows were restored.
    """

    def __init__(
        self, partition: int, partitions: int, dedupe_window: int = WINDOW, learning: bool = True
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.now = 0
        self.arms = arms_table()
        self.trials = ExperimentIndex(self.arms)
        self.silence = Silence(self.arms, self.trials)
        self.pending: set[int] = set()  # trials with a latched verdict and no decision yet
        self.experiments: KeyedTable[ExperimentRow] = KeyedTable(
            TABLES_EXPERIMENTS,
            "ExperimentRow",
            lambda row: row_key(row.subject, row.experiment_id),
            _subject,
            row_expiry.experiment,
        )
        self.metrics: KeyedTable[MetricRow] = KeyedTable(
            TABLES_METRICS,
            "MetricRow",
            lambda row: row_key(row.subject, row.metric, row.segment),
            _subject,
            row_expiry.metric,
            {METRIC: _metric, BEHIND: _behind},
        )
        self.commands: KeyedTable[CommandRow] = KeyedTable(
            TABLES_COMMANDS,
            "CommandRow",
            lambda row: row.command_id,
            _subject,
            row_expiry.command,
            {BUSY: _busy},
        )
        self.subjects: KeyedTable[SubjectRow] = KeyedTable(
            TABLES_SUBJECTS,
            "SubjectRow",
            lambda row: row_key(row.subject),
            lambda row: tenant_of(row.subject),
        )
        self.burn_ins = BurnInBuffers(TABLES_BURN_INS)
        self.learning: dict[
            int, Buffer
        ] = {}  # of the arms' rows that fill one; worked out, never stored
        self.snapshots: KeyedTable[SnapshotRow] = KeyedTable(
            TABLES_SNAPSHOTS,
            "SnapshotRow",
            lambda row: row_key(row.subject, row.experiment_id, row.metric),
        )
        self.budgets: KeyedTable[BudgetRow] = KeyedTable(
            TABLES_BUDGETS,
            "BudgetRow",
            lambda row: budget_key(row.tenant, row.shared, row.newcomers),
            leaves=row_expiry.budget,
        )
        self.newcomers = Newcomers()  # subjects that nobody vouched for; worked out, never stored
        self.bare = (
            DeadlineQueue()
        )  # of those the ones of which no row is left; all are due; worked out, never stored
        self.vigil = (
            DeadlineQueue()
        )  # experiments, by when they are looked at for what they lack; worked out, never stored
        self.again = (
            DeadlineQueue()
        )  # experiments, by when one of their verdicts is open again; worked out, never stored
        self.looked_at: dict[
            str, object
        ] = {}  # metrics: the rule by which all rows stand; worked out, never stored
        self.anew = (
            DeadlineQueue()
        )  # metrics, by when one of their versions is watched anew; worked out, never stored
        self.due = (
            DeadlineQueue()
        )  # commands, by when they move by themselves; worked out, never stored
        self.sober = (
            DeadlineQueue()
        )  # budgets that denied a command, by when the hour of it is over
        self.lessons = Lessons(learning)
        self.accepted: KeyedTable[Policy] = KeyedTable(
            TABLES_POLICIES, "Policy", lambda row: row_key(row.policy_id)
        )
        self.policies = Policies()
        self.dedupe_window = dedupe_window
        self.units = SeenIds(dedupe_window, SLICE_MAX)  # units of arms on the results' partition
        self.unit_arms = SeenIds(
            dedupe_window, SLICE_MAX
        )  # units of metrics there, whichever arm they were in
        self._seen: dict[str, SeenIds] = {}

    def seen(self, topic: str) -> SeenIds:
        return self._seen.setdefault(topic, SeenIds(self.dedupe_window))

    def all(self) -> Mapping[str, Table]:
        """The tables with a changelog, by topic."""
        tables: tuple[Table, ...] = (
            self.arms,
            self.experiments,
            self.metrics,
            self.commands,
            self.budgets,
            self.subjects,
            self.burn_ins,
            self.snapshots,
            self.accepted,
        )
        return {table.topic: table for table in tables} | dict(self.lessons.all())
