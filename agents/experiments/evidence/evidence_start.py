"""Where a row's evidence begins: at the end of its metric's burn-in, or where it was chosen what is
counted.
"""

import numpy as np

from agents.core.batch import Ints
from agents.experiments.evidence.looks import Looks
from agents.experiments.plan.terms import Method, Tally
from agents.experiments.totals.burn_in import BurnIn
from agents.experiments.totals.running_totals import Running
from state.partition.experiment_tables import ExperimentTables

CHOSEN_AT = 40  # units of both arms: enough to tell a rate near 1 from one near 0


def end_burn_ins(tables: ExperimentTables, after: Running, burn_in: BurnIn, offsets: Ints) -> None:
    """Sets what each row of a metric held when its burn-in ended."""
    arms = tables.arms
    for ended in burn_in.ended:
        for row in tables.index[ended.trial].rows_of(ended.metric):
            arms.base_offset[row] = offsets[ended.record]
            arms.base_count[row] = after.at(tables, row, np.array([ended.record])).count[0]
            arms.touch(np.array([row]))


def choose_outcomes(tables: ExperimentTables, looks: Looks) -> Ints:
    """Chooses for each pair of a count test what is counted, hits or misses, at the first look with
    CHOSEN_AT units.

    Chosen from both arms together: under the null who is in which arm says nothing of the outcomes,
    so a choice that does not ask for the arm favours none, and the units that it was made from stay
    in the test. Returns the pairs.
    """
    arms = tables.arms
    undecided = (arms.base_offset[looks.pairs] < 0) & (arms.method[looks.pairs] == Method.COUNTS)
    if not undecided.any():
        return np.zeros(0, np.int64)
    c, t = looks.sides.control, looks.sides.treatment
    units = c.count + t.count
    at = np.flatnonzero(undecided & (units >= CHOSEN_AT) & (np.minimum(c.count, t.count) > 0))
    pairs, first = np.unique(looks.pairs[at], return_index=True)
    at = at[first]
    rate = arms.tally[pairs] != Tally.COUNT
    arms.base_offset[pairs] = looks.offsets[at]
    arms.flipped[pairs] = rate & (2 * (c.hits + t.hits)[at] > units[at])
    return np.asarray(pairs)


def take_back_outcomes(tables: ExperimentTables, pairs: Ints) -> None:
    """Takes back what was chosen by records after a pair was decided: no look would have been taken
    at them.
    """
    arms = tables.arms
    late = pairs[arms.base_offset[pairs] > arms.closed_offset[pairs]]
    arms.base_offset[late], arms.flipped[late] = -1, False
