"""The moments of a slice at which a comparison has new evidence."""

from dataclasses import dataclass

import numpy as np

from agents.core.batch import Facts, Ints
from agents.experiments.evidence.ramp_steps import with_strata
from agents.experiments.plan.terms import Method
from agents.experiments.totals.running_totals import Running, group_of, treatments_of
from agents.experiments.totals.totals import Flags, Sides, Totals
from agents.statistics.running_sums import stable_order
from state.experiment_arms import SEVERAL
from state.partition.experiment_tables import ExperimentTables


@dataclass(frozen=True, slots=True)
class Looks:
    """Moments with new evidence, by pair and in the order of the log within each, all shape (m,).

    pairs: the treatment's row; records: position in the facts; offsets; sides: both arms at that
    moment.
    """

    pairs: Ints
    records: Ints
    offsets: Ints
    sides: Sides


def looks_of(facts: Facts, tables: ExperimentTables, after: Running) -> Looks | None:
    """The moments at which a pair that may still command has new evidence, by pair and then in the
    order of the log.
    """
    arms, runs = tables.arms, after.runs
    each = runs.each
    candidates = np.unique(
        np.concatenate([each[arms.control[each] >= 0], treatments_of(tables, each)])
    )
    levels = np.minimum(arms.harm_level[candidates], arms.gain_level[candidates])
    open_pairs = candidates[np.isfinite(levels) & (arms.method[candidates] != Method.NONE)]
    if not len(open_pairs):
        return None
    wanted = np.zeros(len(arms), np.bool_)
    wanted[open_pairs] = True
    below = arms.treatment[runs.rows]
    own = np.flatnonzero(wanted[runs.rows])
    single = np.flatnonzero((below >= 0) & wanted[np.maximum(below, 0)])
    pairs = [runs.rows[own], below[single]]
    at = [own, single]
    for run in np.flatnonzero(arms.treatment[each] == SEVERAL):
        stretch = np.arange(runs.starts[run], runs.starts[run] + runs.lengths[run])
        for row in group_of(tables, int(each[run])):
            if wanted[row]:
                pairs.append(np.full(len(stretch), row))
                at.append(stretch)
    sides = np.concatenate([np.ones(len(own), np.bool_), np.zeros(sum(map(len, at[1:])), np.bool_)])
    return _sorted_looks(facts, tables, after, np.concatenate(pairs), np.concatenate(at), sides)


def _sorted_looks(
    facts: Facts, tables: ExperimentTables, after: Running, pairs: Ints, at: Ints, own: Flags
) -> Looks | None:
    if not len(pairs):
        return None
    records = after.records[at]
    order = stable_order(records)
    order = order[stable_order(pairs[order])]
    pairs, at, own, records = pairs[order], at[order], own[order], records[order]
    starts = np.concatenate([[True], pairs[1:] != pairs[:-1]])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(pairs)), 0))
    treatment = _filled(tables, after, pairs, at, own, first)
    control = _filled(tables, after, tables.arms.control[pairs], at, ~own, first)
    looks = Looks(pairs, records, facts.offsets[records], Sides(control, treatment))
    # One record can change both arms (a complete set of snapshots): it is one moment, after both.
    whole = np.append((pairs[1:] != pairs[:-1]) | (records[1:] != records[:-1]), True)
    if not whole.all():
        looks = take(looks, np.flatnonzero(whole))
    strata = with_strata(tables, looks.pairs, looks.sides, looks.records, after)
    return Looks(looks.pairs, looks.records, looks.offsets, strata)


def take(looks: Looks, at: Ints) -> Looks:
    return Looks(looks.pairs[at], looks.records[at], looks.offsets[at], looks.sides.take(at))


def _filled(
    tables: ExperimentTables, after: Running, rows: Ints, at: Ints, mine: Flags, first: Ints
) -> Totals:
    """An arm's totals at each look: after its latest event in this slice, or as carried into it."""
    arms = tables.arms
    latest = np.maximum.accumulate(np.where(mine, np.arange(len(rows)), -1))
    inside = latest >= first
    source = at[np.maximum(latest, 0)]
    totals = after.totals
    return Totals(
        np.where(inside, totals.count[source], arms.count[rows]),
        np.where(inside, totals.hits[source], arms.hits[rows]),
        np.where(inside, totals.total[source], arms.sum[rows]),
        np.where(inside, totals.squares[source], arms.sum_squares[rows]),
        np.where(inside, totals.missing[source], arms.missing_squares[rows]),
    )
