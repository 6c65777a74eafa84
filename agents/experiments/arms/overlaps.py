"""Ties each experiment to another one of its subject that runs at the same time, so that what the
arms of that one do to its effects can be tested on the units that both have.

Which arm of the other experiment a unit is in is known from its records there, which the window of
units keeps by hash: nothing more is remembered of a unit. An experiment is tied to one other, the
last that began before it, or the first that began after it where none ran before; a pair needs two
blocks more, whatever the number of units is.
"""

from dataclasses import replace

import numpy as np

from agents.core.policies import EXPOSURE
from agents.experiments.plan.terms import Method, compared, may_command, plan_of
from schemas.records import ExperimentRow, ExperimentStatus
from state.experiment_arms import ExperimentArms
from state.pairs.pair_blocks import NO_BESIDE
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import hash_of_names
from state.storage.table import row_key

_NO_ARM = 0  # in the columns that name arms of the other experiment by their hash


def meet(tables: ExperimentTables, experiment: ExperimentRow) -> ExperimentRow:
    """The row of an experiment that begins, tied to another one that runs, which is tied to it if
    it was to none.
    """
    others = [
        row
        for row in tables.experiments.rows_of(experiment.subject)
        if row.status == ExperimentStatus.RUNNING
        and row.started_offset >= 0
        and row.experiment_id != experiment.experiment_id
    ]
    if not others:
        return experiment
    last = max(others, key=lambda row: row.started_offset)
    if last.overlaps is None:
        tables.experiments.put(replace(last, overlaps=experiment.experiment_id))
    return replace(experiment, overlaps=last.experiment_id)


def tie(tables: ExperimentTables, experiment: ExperimentRow) -> None:
    """Has the rows of an experiment, and of those that are tied to it, know the arms of the other,
    after a row of it was opened.
    """
    _tie_one(tables, experiment)
    for row in tables.experiments.rows_of(experiment.subject):
        if row.overlaps == experiment.experiment_id:
            _tie_one(tables, row)


def rebuild_ties(tables: ExperimentTables) -> None:
    """Ties all, after their rows were restored."""
    for row in tables.experiments.rows():
        if row.overlaps is not None:
            _tie_one(tables, row)


def _tie_one(tables: ExperimentTables, experiment: ExperimentRow) -> None:
    index = index_of(tables, experiment.subject, experiment.experiment_id)
    if index is None or experiment.overlaps is None:
        return
    other = tables.experiments.get(row_key(experiment.subject, experiment.overlaps))
    of_other = index_of(tables, experiment.subject, experiment.overlaps)
    if other is None or of_other is None:
        return
    control, treatment = _arms_of(other, of_other)
    arms = tables.arms
    rows = np.array([row for group in index.arms.values() for row in group.values()], np.int64)
    arms.beside_control[rows], arms.beside_treatment[rows] = control, treatment
    arms.beside_since[rows] = other.started_offset
    if control == _NO_ARM:
        return
    for metric, group in index.arms.items():
        spec = plan_of(experiment, metric)
        for variant, row in group.items():
            judged = arms.method[row] == Method.RATES_IN_BLOCKS and arms.control[row] >= 0
            if (
                judged
                and arms.beside_slot[row] == NO_BESIDE
                and may_command(experiment, spec, variant)
            ):
                arms.beside_slot[row] = arms.beside.open(1)[0]


def index_of(tables: ExperimentTables, subject: str, experiment_id: str) -> ExperimentArms | None:
    """Where the arms of an experiment stand; None where it has none."""
    number = tables.index.number(row_key(subject, experiment_id))
    return tables.index[number] if number is not None else None


def _arms_of(other: ExperimentRow, index: ExperimentArms) -> tuple[int, int]:
    """The hashes of two rows by which units of the other experiment are known, of its control and
    of its first treatment: of its exposures where they come, else of the first metric of both.
    """
    named = [metric for metric in (EXPOSURE, *index.arms) if metric in index.arms]
    for metric in named:
        treatments = [one for one in index.arms[metric] if compared(other, one)]
        if other.control in index.arms[metric] and treatments:
            hashes = [
                hash_of_names((other.subject, other.experiment_id, metric, variant, None, None))
                for variant in (other.control, treatments[0])
            ]
            control, treatment = np.array(hashes, np.uint64).view(np.int64).tolist()
            return control, treatment
    return _NO_ARM, _NO_ARM
