"""A pair of arms after one record: what is said of it, and of others beside it, at that moment."""

from dataclasses import dataclass

import numpy as np

from agents.core.provenance import Provenance
from agents.experiments.evidence.covariate_balance import raw_effect
from agents.experiments.evidence.pair_interval import interval_of, shown_interval
from agents.experiments.evidence.pair_likely import likely_effect
from agents.experiments.plan.terms import Tally
from schemas.records import ExperimentRow
from state.partition.experiment_tables import ExperimentTables


@dataclass(frozen=True, slots=True)
class Interval:
    """Treatment minus control per unit, and the ends of its interval; NaN where there are none."""

    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairMoment:
    """A pair after the record at `place`, as the tables then stand; row: the treatment's."""

    place: Provenance
    tables: ExperimentTables
    experiment: ExperimentRow
    row: int

    @property
    def control(self) -> int:
        """The row of its control."""
        return int(self.tables.arms.control[self.row])

    @property
    def variant(self) -> str:
        return self.tables.arms.keys[self.row][3] or ""

    @property
    def metric(self) -> str:
        return self.tables.arms.keys[self.row][2] or ""

    def beside(self, row: int) -> "PairMoment":
        """Another pair of the experiment after the same record."""
        return PairMoment(self.place, self.tables, self.experiment, row)

    def units(self) -> tuple[int, int]:
        """Units of control and treatment, those of a burn-in included."""
        count = self.tables.arms.count
        return int(count[self.control]), int(count[self.row])

    def shown(self) -> Interval:
        """As its row shows it: the interval is what the running one leaves of the present one."""
        rows, pairs = self.tables.arms.records, self.tables.pairs
        effect, low, high = interval_of(rows, pairs, self.row, 1.0)
        return Interval(effect, *shown_interval(rows, self.row, low, high))

    def raw(self) -> float | None:
        """Its effect without its covariate; None where none is used."""
        found = raw_effect(self.tables.arms.records, self.tables.pairs, self.row)
        return float(found) if np.isfinite(found) else None

    def likely(self) -> float | None:
        """Its effect drawn towards none, of a part as of the whole; None where it is not known."""
        found = likely_effect(self.tables.arms.records, self.tables.pairs, self.row)
        return float(found) if np.isfinite(found) else None


def judged_units(tables: ExperimentTables, row: int) -> int:
    """Units of a row's arm without those of its burn-in."""
    return int(tables.arms.count[row] - tables.arms.base_count[row])


def cut_off_of(tables: ExperimentTables, *rows: int) -> float:
    """Which share of the sum of these rows' values a cap cuts off, of 1."""
    arms, chosen = tables.arms, np.array(rows, np.int64)
    cut = float(arms.cut_off[chosen].sum())
    kept = float(arms.sum[chosen].sum() + arms.adjusted[chosen].sum())
    return cut / (cut + kept) if cut > 0.0 else 0.0


def total_of(tables: ExperimentTables, row: int) -> float:
    """What the units judged add up to: the hits of a rate, the sum of other values as sent."""
    arms = tables.arms
    counted = arms.tally[row] in (Tally.RATE, Tally.LATENCY)
    return float(arms.hits[row] if counted else arms.sum[row] + arms.adjusted[row])


def per_unit(tables: ExperimentTables, row: int) -> float:
    """The mean of the units judged; NaN where there are none."""
    units = judged_units(tables, row)
    return total_of(tables, row) / units if units > 0 else np.nan
