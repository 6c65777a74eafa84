"""The tables of experiments: arms, what was frozen and decided of each, burn-ins and snapshots."""

from collections.abc import Iterable
from typing import Protocol

from schemas.catalog import TABLES_BURN_INS, TABLES_EXPERIMENTS, TABLES_SNAPSHOTS
from schemas.records import CommandRow, ExperimentRow, SnapshotRow
from state import row_expiry
from state.arms_table import ArmsTable
from state.burn_in_buffers import Buffer, BurnInBuffers
from state.deadline_queue import DeadlineQueue
from state.experiment_arms import ExperimentIndex
from state.pairs.pair_arrays import Pairs
from state.pairs.pair_blocks import WIDTH
from state.pairs.ramp_table import RampTable, StepTimes
from state.partition.begun_experiments import BegunExperiments
from state.partition.subject_tables import SubjectTables
from state.policies_in_force import Policies
from state.seen_ids import SeenIds
from state.silent_senders import SilentSenders
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key

# Offsets; more than a slice spans, within which subjects are folded one after the other.
SLICE_MAX = 65_536
RAMP_TERMS = (
    82  # of a share: the alternatives on either side that a ramp's evidence is averaged over
)


OVERLAPS = "overlaps"  # by what experiments are found that are tied to another one


class CommandReader(Protocol):
    """The rows of commands, to look at."""

    def rows_of(self, group: str) -> Iterable[CommandRow]:
        """The commands of one subject."""


def tied_to(experiment: ExperimentRow) -> str:
    """The value of OVERLAPS by which the experiments are found that are tied to this one."""
    return row_key(experiment.subject, experiment.experiment_id)


def _overlaps(row: ExperimentRow) -> Iterable[str]:
    return [row_key(row.subject, row.overlaps)] if row.overlaps is not None else []


class ExperimentTables:
    """Holds what the agent of experiments owns in one partition.

    experiments: by subject and experiment id. index: where the arms of each stand in `arms`.
    pending: numbers of experiments with a latched verdict and no decision yet. burn_in_buffers: by
    the row of `arms` that fills one. units: of arms, on the partition of results; unit_arms: of
    metrics there, whichever arm they were in. lack_checks: experiments, by when they are looked at
    for what they lack. reopenings: experiments, by when one of their verdicts is open again.

    ramps: the share steps of ramped pairs, by column `ramp_slot` of `arms`. pairs: these, the
    blocks and the buckets of `arms`, as compiled code sees them.

    Read, and owned by others: policies; commands; subjects, of which this agent counts experiments
    and discoveries.
    """

    def __init__(
        self,
        partition: int,
        dedupe_window: int,
        policies: Policies,
        subject_tables: SubjectTables,
        commands: CommandReader,
    ) -> None:
        self.partition = partition
        self.policies = policies
        self.subject_tables = subject_tables
        self.subjects = subject_tables.subjects
        self.commands = commands
        self.arms = ArmsTable()
        self.experiments: KeyedTable[ExperimentRow] = KeyedTable(
            TABLES_EXPERIMENTS,
            "ExperimentRow",
            lambda row: row_key(row.subject, row.experiment_id),
            lambda row: row.subject,
            row_expiry.experiment,
            {OVERLAPS: _overlaps},
        )
        self.burn_ins = BurnInBuffers(TABLES_BURN_INS)
        self.snapshots: KeyedTable[SnapshotRow] = KeyedTable(
            TABLES_SNAPSHOTS,
            "SnapshotRow",
            lambda row: row_key(row.subject, row.experiment_id, row.metric),
        )
        self.units = SeenIds(dedupe_window, SLICE_MAX)
        self.unit_arms = SeenIds(dedupe_window, SLICE_MAX)
        # Worked out anew after a restore, never stored.
        self.index = ExperimentIndex(self.arms)
        self.begun = BegunExperiments(self.experiments)
        self.step_times = StepTimes()
        self.ramps = RampTable(RAMP_TERMS)
        self.silence = SilentSenders(self.arms, self.index)
        self.pending: set[int] = set()
        self.burn_in_buffers: dict[int, Buffer] = {}
        self.lack_checks = DeadlineQueue()
        self.reopenings = DeadlineQueue()

    @property
    def pairs(self) -> Pairs:
        """What compiled code sees of pairs beside their rows; fetch it anew after rows are opened,
        restored or dropped.
        """
        beside = self.arms.beside.values.reshape(-1, WIDTH)
        return Pairs(self.ramps.arrays, self.arms.blocks.values, self.arms.buckets.values, beside)

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return self.arms, self.experiments, self.burn_ins, self.snapshots
