"""Totals of every arm after every record of a slice that touched it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Facts, Floats, Ints
from agents.experiments.plan.terms import Tally
from agents.experiments.totals.contributions import Additions
from agents.experiments.totals.totals import Totals
from agents.statistics.running_sums import Runs, bring_together, running_floats, running_ints
from state.experiment_arms import SEVERAL
from state.partition.experiment_tables import ExperimentTables


@dataclass(frozen=True, slots=True)
class Running:
    """Totals of every row after every record that touched it, in run order."""

    runs: Runs
    records: Ints  # position in the facts of each, in run order
    totals: Totals

    @staticmethod
    def of(tables: ExperimentTables, rows: Ints, records: Ints, added: Additions) -> "Running":
        runs = bring_together(rows)
        records = records[runs.order]
        each, arms = runs.each, tables.arms
        lost = np.isnan(added.squares[records])
        squares = np.where(lost, 0.0, added.squares[records])
        lost &= np.isin(arms.tally[runs.rows], (Tally.MEAN, Tally.COUNT))
        missing = (
            running_ints(runs, lost.astype(np.int64), arms.missing_squares[each].astype(np.int64))
            > 0
        )
        measured = arms.tally[runs.rows] != Tally.RATE
        total, squared = arms.sum[runs.rows], arms.sum_squares[runs.rows]
        if measured.any():
            total, squared = _floats(
                runs, measured, added.total[records], squares, arms.sum, arms.sum_squares
            )
        count = running_ints(runs, added.count[records], arms.count[each])
        hits = running_ints(runs, added.hits[records], arms.hits[each])
        total, squared = np.where(measured, total, hits), np.where(measured, squared, hits)
        return Running(runs, records, Totals(count, hits, total, squared, missing))

    def at(self, tables: ExperimentTables, row: int, records: Ints) -> Totals:
        """A row's totals after each of these records of the slice, which ascend; as carried in
        before its first.
        """
        carried, run = totals_of(tables, np.array([row])), int(np.searchsorted(self.runs.each, row))
        if run == len(self.runs.starts) or self.runs.each[run] != row:
            return carried.take(np.zeros(len(records), np.int64))
        stretch = np.arange(self.runs.starts[run], self.runs.starts[run] + self.runs.lengths[run])
        upto = np.searchsorted(self.records[stretch], records, side="right")
        return carried.then(self.totals.take(stretch)).take(upto)

    def store(self, tables: ExperimentTables, facts: Facts) -> None:
        """Writes the last totals of each run to its row, and marks it and the rows compared with it
        as changed.
        """
        arms, each, ends = tables.arms, self.runs.each, self.runs.ends
        arms.count[each] = self.totals.count[ends]
        arms.hits[each] = self.totals.hits[ends]
        arms.sum[each] = self.totals.total[ends]
        arms.sum_squares[each] = self.totals.squares[ends]
        arms.applied_offset[each] = facts.offsets[self.records[ends]]
        arms.last_at[each] = facts.appended[self.records[ends]]
        arms.missing_squares[each] = self.totals.missing[ends]
        arms.touch(each)
        arms.touch(treatments_of(tables, each))


def _floats(
    runs: Runs,
    measured: NDArray[np.bool_],
    total: Floats,
    squares: Floats,
    sums: Floats,
    sums_squares: Floats,
) -> tuple[Floats, Floats]:
    """Running sums and squares of the measured rows only; zeros elsewhere."""
    at = np.flatnonzero(measured)
    sub = bring_together(runs.rows[at])  # already in order: rows ascend
    out = np.zeros(len(measured)), np.zeros(len(measured))
    out[0][at] = running_floats(sub, total[at], sums[sub.each])
    out[1][at] = running_floats(sub, squares[at], sums_squares[sub.each])
    return out


def treatments_of(tables: ExperimentTables, rows: Ints) -> Ints:
    """The treatment rows compared with these control rows."""
    below = tables.arms.treatment[rows]
    several = [
        row
        for control in rows[below == SEVERAL]
        for row in group_of(tables, int(control))
        if row != control
    ]
    return np.concatenate([below[below >= 0], np.array(several, np.int64)])


def group_of(tables: ExperimentTables, row: int) -> list[int]:
    """The rows of all arms that a row is compared with, itself first."""
    beside, rows = tables.arms.next_sibling, [row]
    while (following := int(beside[rows[-1]])) != row:
        rows.append(following)
    return rows


def totals_of(tables: ExperimentTables, rows: Ints) -> Totals:
    """The stored totals of rows."""
    arms = tables.arms
    columns = ("count", "hits", "sum", "sum_squares", "missing_squares")
    return Totals(*(arms[name][rows] for name in columns))
