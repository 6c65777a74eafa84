"""A pair after one record of a slice: what is said of it, and of others beside it, at that
moment.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.core.batch import Facts
from agents.experiments.evidence.effect import Effect, effects
from agents.experiments.evidence.ramp_steps import with_strata
from agents.experiments.totals.running_totals import Running
from agents.experiments.totals.totals import Sides
from schemas.records import ExperimentRow
from state.partition.experiment_tables import ExperimentTables


@dataclass(frozen=True, slots=True)
class PairMoment:
    """A pair after one record of a slice: its row, the record's position in the facts, both arms as
    they then stood.

    running: the ends of its running interval by then, NaN where it was not cut yet.
    """

    facts: Facts
    tables: ExperimentTables
    after: Running
    experiment: ExperimentRow
    row: int
    record: int
    sides: Sides
    running: tuple[float, float] = (np.nan, np.nan)

    @staticmethod
    def of(
        facts: Facts,
        tables: ExperimentTables,
        after: Running,
        experiment: ExperimentRow,
        row: int,
        record: int,
    ) -> "PairMoment":
        pairs, at = np.array([row]), np.array([record])
        control = int(tables.arms.control[row])
        sides = Sides(after.at(tables, control, at), after.at(tables, row, at))
        sides = with_strata(tables, pairs, sides, at, after)
        return PairMoment(facts, tables, after, experiment, row, record, sides)

    @property
    def offset(self) -> int:
        return int(self.facts.offsets[self.record])

    @property
    def pairs(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([self.row])

    @property
    def variant(self) -> str:
        return self.tables.arms.keys[self.row][3] or ""

    @property
    def metric(self) -> str:
        return self.tables.arms.keys[self.row][2] or ""

    def beside(self, row: int) -> "PairMoment":
        """Another pair of the experiment after the same record."""
        return PairMoment.of(self.facts, self.tables, self.after, self.experiment, row, self.record)

    def with_running(self, low: float, high: float) -> "PairMoment":
        return replace(self, running=(low, high))

    def effect(self) -> Effect:
        """As its row shows it: the interval is what the running one leaves of the present one."""
        low, high = np.array([self.running[0]]), np.array([self.running[1]])
        return effects(self.tables.arms, self.pairs, self.sides).cut(low, high)
