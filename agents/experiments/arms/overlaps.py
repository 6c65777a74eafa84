"""Ties each experiment to another one of its subject that runs at the same time, so that what the
arms of that one do to its effects can be tested on the units that both have.

Which arm of the other experiment a unit is in is known from its records there, which the window of
units keeps by hash: nothing more is remembered of a unit. An experiment is tied to one other, the
last that began before it, or the first that began after it where none ran before. What a row costs
here does not grow with the number of experiments: each knows the arms of the other by columns of
its own rows, which are written when the other has its first pair of arms.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Ints
from agents.core.policies import EXPOSURE
from agents.experiments.plan.terms import compared
from schemas.records import ExperimentRow
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import OVERLAPS, ExperimentTables, tied_to
from state.storage.columnar_table import hash_of_names
from state.storage.name_codes import NO_NAME
from state.storage.table import row_key

_METRIC, _SEGMENT, _STEP = 2, 4, 5  # of ARM_NAMES
_NO_ARM = 0  # in the columns that name arms of the other experiment by their hash


def meet(tables: ExperimentTables, experiment: ExperimentRow) -> ExperimentRow:
    """The row of an experiment that begins, tied to another one that runs, which is tied to it if
    it was to none.
    """
    last = tables.begun.last(experiment.subject)
    tables.begun.put(experiment)
    if last is None:
        return experiment
    if last.overlaps is None:
        tables.experiments.put(replace(last, overlaps=experiment.experiment_id))
    return replace(experiment, overlaps=last.experiment_id)


def tie(tables: ExperimentTables, experiment: ExperimentRow, row: int) -> None:
    """Has a row of an experiment that was opened know the arms of the one that it is tied to; and
    has those that are tied to it know its own, if the row completes the pair that they go by.
    """
    index = index_of(tables, experiment.subject, experiment.experiment_id)
    assert index is not None, f"row {row} without its experiment's arms"
    _inherit(tables, experiment, index, row)
    _, _, metric, variant, _, _ = tables.arms.keys[row]
    if _completes(experiment, index.arms[metric or ""], variant or ""):
        pair = _pair_of(tables, experiment, index)
        for other in tables.experiments.marked(OVERLAPS, tied_to(experiment)):
            of_other = index_of(tables, other.subject, other.experiment_id)
            if of_other is not None:
                _know(tables, _wholes(of_other), experiment, pair)


def rebuild_ties(tables: ExperimentTables) -> None:
    """Ties all, after their rows were restored."""
    tables.begun.rebuild()
    pairs = dict[int, tuple[int, int]]()  # of the experiments by number: control, treatment
    every = np.arange(len(tables.arms))
    for control, treatment in _first_pairs(tables, every).tolist():
        pairs[int(tables.arms.experiment_no[treatment])] = control, treatment
    hashes = tables.arms.hashes().view(np.int64)
    names = np.zeros((len(tables.index), 3), np.int64)  # of the other: control, treatment, since
    known = dict[str, tuple[int, int, int]]()
    for experiment in tables.experiments.rows():
        number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
        if experiment.overlaps is None or number is None:
            continue
        key = row_key(experiment.subject, experiment.overlaps)
        if key not in known:
            known[key] = _known_of(tables, key, pairs, hashes)
        names[number] = known[key]
    arms, numbers = tables.arms, tables.arms.experiment_no[every]
    wholes = every[_is_whole(tables, every)]
    arms.beside_control[wholes] = names[numbers[wholes], 0]
    arms.beside_treatment[wholes] = names[numbers[wholes], 1]
    arms.beside_since[wholes] = names[numbers[wholes], 2]


def index_of(tables: ExperimentTables, subject: str, experiment_id: str) -> ExperimentArms | None:
    """Where the arms of an experiment stand; None where it has none."""
    number = tables.index.number(row_key(subject, experiment_id))
    return tables.index[number] if number is not None else None


def _inherit(
    tables: ExperimentTables, experiment: ExperimentRow, index: ExperimentArms, row: int
) -> None:
    """What all rows of an experiment know, an opened one takes from another; the first one from the
    experiment that it is tied to.
    """
    if experiment.overlaps is None:
        return
    sibling = next((one for one in _rows_of(index) if one != row), None)
    if sibling is not None:
        for column in ("beside_control", "beside_treatment", "beside_since"):
            tables.arms[column][row] = tables.arms[column][sibling]
        return
    other = tables.experiments.get(row_key(experiment.subject, experiment.overlaps))
    of_other = index_of(tables, experiment.subject, experiment.overlaps)
    if other is not None and of_other is not None:
        _know(tables, np.array([row], np.int64), other, _pair_of(tables, other, of_other))


def _know(
    tables: ExperimentTables, rows: Ints, other: ExperimentRow, pair: tuple[int, int] | None
) -> None:
    """Writes the other experiment's pair of arms into these rows."""
    if pair is None:
        return
    keys = [tables.arms.keys[one] for one in pair]
    hashes = np.array([hash_of_names(key) for key in keys], np.uint64).view(np.int64)
    tables.arms.beside_control[rows], tables.arms.beside_treatment[rows] = hashes.tolist()
    tables.arms.beside_since[rows] = other.started_offset


def _known_of(
    tables: ExperimentTables, key: str, pairs: dict[int, tuple[int, int]], hashes: Ints
) -> tuple[int, int, int]:
    """What rows know of an experiment that theirs is tied to: the hashes of its control's and its
    treatment's row, and when it began.
    """
    other, number = tables.experiments.get(key), tables.index.number(key)
    pair = pairs.get(number) if number is not None else None
    if other is None or number is None or pair is None:
        return _NO_ARM, _NO_ARM, 0
    _, _, _, variant, _, _ = tables.arms.keys[pair[1]]
    chosen = pair
    if not compared(other, variant or ""):
        by_plan = _pair_of(tables, other, tables.index[number])
        if by_plan is None:
            return _NO_ARM, _NO_ARM, 0
        chosen = by_plan
    return int(hashes[chosen[0]]), int(hashes[chosen[1]]), other.started_offset


def _completes(experiment: ExperimentRow, group: dict[str, int], variant: str) -> bool:
    """Whether an arm that has just come is the first treatment beside control, or control beside a
    treatment.
    """
    first = next((one for one in group if compared(experiment, one)), None)
    return (
        experiment.control in group
        and first is not None
        and variant
        in (
            experiment.control,
            first,
        )
    )


def _pair_of(
    tables: ExperimentTables, experiment: ExperimentRow, index: ExperimentArms
) -> tuple[int, int] | None:
    """The rows by which units of an experiment are known, of its control and of a treatment; None
    as long as no treatment and control are there.
    """
    rows = [
        row
        for group in index.arms.values()
        for variant, row in group.items()
        if compared(experiment, variant)
    ]
    pairs = _first_pairs(tables, np.array(rows, np.int64))
    return (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) else None


def _first_pairs(tables: ExperimentTables, rows: Ints) -> Ints:
    """Of each experiment that these rows are of, the pair of whole arms that was there first, of
    exposures where they come: control's row and the treatment's, shape (experiments, 2).
    """
    arms = tables.arms
    rows = rows[arms.control[rows] >= 0]
    rows = rows[arms.is_control[arms.control[rows]]]
    controls = arms.control[rows]
    there_at = np.maximum(arms.first_offset[rows], arms.first_offset[controls])
    is_other = arms.keys.codes(_METRIC)[rows] != arms.keys.code(EXPOSURE)
    numbers = arms.experiment_no[rows]
    order = np.lexsort((arms.first_offset[rows], there_at, is_other, numbers))
    first = order[np.diff(numbers[order], prepend=-1) != 0]
    return np.stack([controls[first], rows[first]], axis=1)


def _is_whole(tables: ExperimentTables, rows: Ints) -> NDArray[np.bool_]:
    """Whether each of these rows is of an arm as a whole."""
    segments, steps = (tables.arms.keys.codes(part)[rows] for part in (_SEGMENT, _STEP))
    return np.asarray((segments == NO_NAME) & (steps == NO_NAME))


def _wholes(index: ExperimentArms) -> Ints:
    return np.array(list(_rows_of(index)), np.int64)


def _rows_of(index: ExperimentArms) -> Iterable[int]:
    return (row for group in index.arms.values() for row in group.values())
