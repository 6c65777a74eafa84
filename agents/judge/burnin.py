"""Ends the burn-in of a counted metric: what it fixed (which outcome is the rarer) never enters the test."""

import numpy as np

from agents.judge.running import Running
from agents.slice import Ints
from state.tables import Tables

BURN_IN = 100  # units of control: enough to tell a rate near 1 from one near 0


def end_burn_ins(tables: Tables, after: Running, offsets: Ints) -> None:
    """Freezes the base of each metric whose control has just reached BURN_IN, as it stood after that record."""
    arms, runs = tables.arms, after.runs
    each = runs.each
    ended = (arms["base_offset"][each] < 0) & (after.totals.count[runs.ends] >= BURN_IN) & arms["is_control"][each]
    for run in np.flatnonzero(ended):
        start, length = runs.starts[run], runs.lengths[run]
        reached = start + int(np.searchsorted(after.totals.count[start : start + length], BURN_IN))
        _freeze(tables, after, int(each[run]), int(after.records[reached]), int(offsets[after.records[reached]]))


def _freeze(tables: Tables, after: Running, control: int, record: int, offset: int) -> None:
    arms, runs = tables.arms, after.runs
    metric = arms.keys[control][2]
    assert metric is not None
    for row in tables.trials[arms["trial"][control]].arms[metric].values():
        count, hits = int(arms["count"][row]), int(arms["hits"][row])
        run = int(np.searchsorted(runs.each, row))
        if run < len(runs.starts) and runs.each[run] == row:
            start, length = int(runs.starts[run]), int(runs.lengths[run])
            upto = int(np.searchsorted(after.records[start : start + length], record, side="right"))
            if upto:
                count, hits = int(after.totals.count[start + upto - 1]), int(after.totals.hits[start + upto - 1])
        arms["base_offset"][row], arms["base_count"][row], arms["base_hits"][row] = offset, count, hits
        arms.touch(np.array([row]))
