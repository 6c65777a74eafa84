"""Links all rows of the hot table at once, to what `arms.link` gives them one by one.

What depends on an experiment, a metric or an arm is worked out once for each and then spread over
the rows.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from agents.core.batch import Ints
from agents.experiments.evidence.pair_interval import next_marks
from agents.experiments.plan.derived_columns import OF_ARM, OF_EXPERIMENT, OF_METRIC, Reading
from agents.experiments.plan.terms import Method
from state.experiment_arms import NO_ROW, NONE_YET, SEVERAL
from state.pairs.ramp_table import NO_SLOT
from state.partition.experiment_tables import ExperimentTables
from state.storage.name_codes import NO_NAME
from state.storage.table import row_key

_SUBJECT, _EXPERIMENT, _METRIC, _VARIANT, _SEGMENT, _STEP = range(6)


def relink(tables: ExperimentTables) -> None:
    """Works out the derived columns of every row from the stored ones and the rows of the
    experiments.
    """
    arms, n = tables.arms, len(tables.arms)
    if not n:
        tables.index.rebuild([], np.zeros(0, np.int64), np.zeros(0, np.int64))
        return
    keys = arms.keys
    codes = [keys.codes(part).astype(np.int64) for part in range(6)]
    # In the order in which arms first came, as when they were opened.
    order = np.argsort(arms.first_offset[:n], kind="stable")
    trials = np.empty(n, np.int64)
    trials[order] = _numbered(codes[_SUBJECT][order], codes[_EXPERIMENT][order])
    readings = _readings(tables, _first(trials))
    tables.index.rebuild(
        [row_key(r.experiment.subject, r.experiment.experiment_id) for r in readings], trials, order
    )
    metrics = _numbered(trials, codes[_METRIC])
    arm_steps = _numbered(metrics, codes[_VARIANT], codes[_STEP])
    _spread(tables, OF_EXPERIMENT, [reading.of_experiment() for reading in readings], trials)
    _spread(tables, OF_METRIC, _of_metrics(tables, readings, _first(metrics)), metrics)
    _spread(tables, OF_ARM, _of_arms(tables, readings, _first(arm_steps)), arm_steps)
    _made_of_snapshots(tables, metrics)
    arms.stepped[:n] &= codes[_STEP] == NO_NAME
    whole = (codes[_SEGMENT] == NO_NAME) & (codes[_STEP] == NO_NAME)
    for column in ("harm_level", "gain_level"):
        arms[column][:n][~whole] = np.inf
    by_totals = ~whole | arms.snapshots[:n]
    arms.method[:n] = np.where(by_totals, arms.totals_method[:n], arms.method[:n])
    broken = np.array([reading.experiment.split_offset >= 0 for reading in readings])
    arms.harm_level[:n][broken[trials] & (arms.method[:n] == Method.COUNTS)] = np.inf
    controls = np.array([keys.code(reading.experiment.control) for reading in readings])
    leads = controls[trials] == codes[_VARIANT]
    arms.leads[:n], arms.is_control[:n] = leads, leads & whole
    arms.supported[:n] = -1
    arms.ramp_slot[:n] = NO_SLOT
    _tie(tables, order, _numbered(metrics, codes[_SEGMENT], codes[_STEP]), leads)
    _relate(tables, _numbered(metrics, codes[_VARIANT]), whole)


def _numbered(*parts: Ints) -> Ints:
    """Numbers from 0 on, in the order of first appearance, one for each combination of parts, shape
    (n,).
    """
    numbers = parts[0]
    for part in parts[1:]:
        pairs = (
            numbers * (int(part.max()) + 1) + part
        )  # both are below the count of rows or names: no overflow
        numbers = pa.array(pairs).dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _first(numbers: Ints) -> Ints:
    """The first row of each number, shape (numbers,)."""
    first = np.empty(int(numbers.max()) + 1, np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]  # of several the last written stays
    return first


def _readings(tables: ExperimentTables, rows: Ints) -> list[Reading]:
    """Of the experiment of each of these rows."""
    readings = []
    for row in rows.tolist():
        key = tables.arms.keys[row]
        experiment = tables.experiments.get(row_key(*key[:2]))
        assert experiment is not None, f"arm {key} without its experiment's row"
        readings.append(Reading(experiment))
    return readings


def _of_metrics(
    tables: ExperimentTables, readings: Sequence[Reading], rows: Ints
) -> Iterable[tuple[Any, ...]]:
    keys = tables.arms.keys
    names = map(keys.name, keys.codes(_METRIC)[rows].tolist())
    trials = tables.arms.experiment_no[rows].tolist()
    return [
        readings[trial].of_metric(name or "") for trial, name in zip(trials, names, strict=True)
    ]


def _of_arms(
    tables: ExperimentTables, readings: Sequence[Reading], rows: Ints
) -> Iterable[tuple[Any, ...]]:
    keys = tables.arms.keys
    names = [map(keys.name, keys.codes(part)[rows].tolist()) for part in (_METRIC, _VARIANT, _STEP)]
    trials = tables.arms.experiment_no[rows].tolist()
    return [
        readings[trial].of_arm(metric or "", variant or "", step)
        for trial, metric, variant, step in zip(trials, *names, strict=True)
    ]


def _spread(
    tables: ExperimentTables,
    columns: Sequence[str],
    values: Iterable[tuple[Any, ...]],
    numbers: Ints,
) -> None:
    for name, column in zip(columns, zip(*values, strict=True), strict=True):
        stored = tables.arms[name]
        stored[: len(numbers)] = np.array(column, stored.dtype)[numbers]


def _made_of_snapshots(tables: ExperimentTables, metrics: Ints) -> None:
    arms, n = tables.arms, len(metrics)
    arms.snapshots[:n] = False
    if len(tables.snapshots):
        names = [row_key(*arms.keys[row][:3]) for row in _first(metrics).tolist()]
        arms.snapshots[:n] = np.array([tables.snapshots.get(name) is not None for name in names])[
            metrics
        ]
        arms.in_burn_in[:n] &= ~arms.snapshots[:n]


def _tie(tables: ExperimentTables, order: Ints, groups: Ints, leads: Ints) -> None:
    """Each row to the control or the treatments of its group, and to the next row of it."""
    arms, n, count = tables.arms, len(groups), int(groups.max()) + 1
    control = np.full(count, NO_ROW)
    control[groups[leads]] = np.flatnonzero(leads)
    arms.control[:n] = np.where(leads, NO_ROW, control[groups])
    others = np.bincount(groups[~leads], minlength=count)
    other = np.full(count, NONE_YET)
    other[groups[~leads]] = np.flatnonzero(~leads)
    below = np.where(others > 1, SEVERAL, other)
    arms.treatment[:n] = np.where(leads, below[groups], NONE_YET)
    members = order[np.argsort(groups[order], kind="stable")]
    starts = np.diff(groups[members], prepend=-1) != 0
    first = members[starts][np.cumsum(starts) - 1]
    ends = np.append(starts[1:], True)
    arms.next_sibling[members] = np.where(ends, first, np.append(members[1:], NO_ROW))


def _relate(tables: ExperimentTables, arm_of: Ints, whole: Ints) -> None:
    """What depends on several rows: the whole of each part, and the units of it and its control."""
    arms, n = tables.arms, len(arm_of)
    wholes = np.full(int(arm_of.max()) + 1, NO_ROW)
    wholes[arm_of[whole]] = np.flatnonzero(whole)
    arms.aggregate_row[:n] = np.where(wholes[arm_of] >= 0, wholes[arm_of], np.arange(n))
    above = arms.control[:n]
    arms.next_mark[:n] = next_marks(arms.count[:n] + np.where(above >= 0, arms.count[above], 0))
