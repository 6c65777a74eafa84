"""Finds a ramp's steps: which one a unit was assigned in, and the totals of both arms within
each.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts
from agents.experiments.evidence.ramp import RampStep, strata_of
from agents.experiments.plan.terms import Method, Tally, ramped, shares_of, steps_of
from agents.experiments.totals.running_totals import Running, totals_of
from agents.experiments.totals.totals import Ints, Sides, Strata, Totals
from schemas.records import ExperimentRow
from state.partition.experiment_tables import ExperimentTables


def assigned_steps(facts: Facts, tables: ExperimentTables, trials: Ints) -> Ints:
    """The step that each record's unit was assigned in, shape (n,); -1 where the experiment is no
    ramp.

    trials: (n,) the trial of each record. The step is that of `assigned_at`, or of `occurred_at`
    where it is absent.
    """
    steps = np.full(len(trials), -1)
    moments = facts.batch.column("assigned_at").cast(pa.int64())
    moments = moments.fill_null(0).to_numpy() if moments.null_count < len(moments) else None
    occurred = facts.ints("occurred_at")
    if moments is not None:
        missing = facts.batch.column("assigned_at").is_null().to_numpy(zero_copy_only=False)
        occurred = np.where(missing, occurred, moments)
    for trial in np.unique(trials):
        experiment = tables.experiments.get(tables.index.key(trial))
        assert experiment is not None
        if ramped(experiment):
            # Before the first step there is none: what was assigned then had the first step's
            # shares.
            starts = [step.from_ or 0 for step in steps_of(experiment)[1:]]
            at = np.flatnonzero(trials == trial)
            steps[at] = np.searchsorted(np.array(starts, np.int64), occurred[at], side="right")
    return steps


def with_strata(
    tables: ExperimentTables,
    pairs: Ints,
    sides: Sides,
    records: Ints | None = None,
    after: Running | None = None,
) -> Sides:
    """The sides with what the steps of ramped pairs come to: after records of a slice, or as
    stored.
    """
    arms = tables.arms
    if not arms.ramped[pairs].any():
        return sides
    found = []
    for pair in np.unique(pairs[arms.ramped[pairs]]):
        at = np.flatnonzero(pairs == pair)
        of_pair = _of_pair(tables, int(pair), None if records is None else records[at], after)
        if of_pair is not None:
            found.append((at, of_pair))
    strata = Strata.none(len(pairs), max((one.share.shape[1] for _, one in found), default=0))
    for at, one in found:
        strata.put(at, one)
    return Sides(sides.control, sides.treatment, strata)


def _of_pair(
    tables: ExperimentTables, pair: int, records: Ints | None, after: Running | None
) -> Strata | None:
    arms = tables.arms
    index = tables.index[arms.experiment_no[pair]]
    experiment = tables.experiments.get(index.key)
    assert isinstance(experiment, ExperimentRow)
    _, _, metric, variant, segment, _ = arms.keys[pair]
    assert metric is not None
    assert variant is not None
    if segment is not None:
        return None  # a segment's steps are not kept apart
    steps, base = [], []
    for number, share in enumerate(shares_of(experiment, variant)):
        rows = index.parts.get((metric, None, str(number)), {})
        control, treatment = rows.get(experiment.control, -1), rows.get(variant, -1)
        sides = [_totals(tables, row, records, after) for row in (control, treatment)]
        if arms.method[pair] == Method.SPLIT:
            sides = [replace(totals, hits=totals.count) for totals in sides]
        steps.append(RampStep(share, *sides))
        base.append(
            tuple(int(arms.base_count[row]) if row >= 0 else 0 for row in (control, treatment))
        )
    tally = arms.tally[pair]
    counted = tally in (Tally.RATE, Tally.LATENCY)
    return strata_of(steps, tally == Tally.COUNT, counted, bool(arms.flipped[pair]), base)  # type: ignore[arg-type]


def _totals(
    tables: ExperimentTables, row: int, records: Ints | None, after: Running | None
) -> Totals:
    """A row's totals at these records, zeros where there is no row."""
    if row < 0:
        n = 1 if records is None else len(records)
        nothing = np.zeros(n, np.int64)
        return Totals(nothing, nothing, np.zeros(n), np.zeros(n), np.zeros(n, np.bool_))
    if after is None or records is None:
        return totals_of(tables, np.array([row]))
    return after.at(tables, row, records)
