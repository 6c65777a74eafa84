"""Tells the table of ramps the share steps of an experiment's pairs, and the rows of both arms
within each.
"""

from math import exp, log

import numpy as np

from agents.core.batch import Floats
from agents.experiments.evidence.pair_ramp import GRID
from agents.experiments.plan.terms import Method, ramped, shares_of, steps_of
from schemas.records import ExperimentRow
from state.pairs.ramp_table import NO_SLOT, NewStep
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

_RATIOS = [exp(ratio) for ratio in (*GRID, *-GRID)]


def log_terms(share: float) -> Floats:
    """log(share e^d + 1 - share) of each log ratio d, first those of more events: (RAMP_TERMS,)."""
    return np.array([log(share * ratio + 1.0 - share) for ratio in _RATIOS])


def refresh_ramp(
    tables: ExperimentTables, experiment: ExperimentRow, metric: str | None = None
) -> None:
    """Works out the steps of an experiment's pairs, of one metric or of all, from its shares and
    rows as they stand.

    To be called when a row of it is opened, and when its shares or how its pairs are compared have
    changed. A segment's steps are not kept apart, so its rows have none.
    """
    if not ramped(experiment):
        return
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        return
    index = tables.index[number]
    begins = [step.from_ or 0 for step in steps_of(experiment)[1:]]
    times = tables.step_times.put(index.key, begins)
    for name, group in index.arms.items():
        if metric is None or name == metric:
            parts = _parts(index.parts, name)
            for variant, row in group.items():
                tables.arms.step_times[row] = times
                _refresh_pair(tables, experiment, variant, row, parts)


def rebuild_ramps(tables: ExperimentTables) -> None:
    """Works out all steps anew, after rows were restored or have moved."""
    tables.ramps.clear()
    tables.step_times.clear()
    tables.arms.ramp_slot[: len(tables.arms)] = NO_SLOT
    for experiment in tables.experiments.rows():
        refresh_ramp(tables, experiment)


_Parts = dict[str, dict[str, int]]  # step -> variant -> row


def _parts(parts: dict[tuple[str, str | None, str | None], dict[str, int]], metric: str) -> _Parts:
    return {
        step: group
        for (name, segment, step), group in parts.items()
        if name == metric and segment is None and step is not None
    }


def _refresh_pair(
    tables: ExperimentTables, experiment: ExperimentRow, variant: str, row: int, parts: _Parts
) -> None:
    arms = tables.arms
    if not arms.ramped[row] or arms.method[row] == Method.NONE:
        return
    steps = []
    for number, share in enumerate(shares_of(experiment, variant)):
        group = parts.get(str(number), {})
        treatment, control = group.get(variant, -1), group.get(experiment.control, -1)
        steps.append(NewStep(share, treatment, control, log_terms(share)))
    arms.ramp_slot[row] = tables.ramps.put(int(arms.ramp_slot[row]), steps)
