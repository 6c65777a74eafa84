"""What the first records of a control arm fix: the cap of a mean and how its values follow each
other, a latency's limit.

They depend on the order of the log. Until a cap or a limit stands, records of the metric are
counted as units and add nothing else, in every arm: what fixed it never enters the test. Where the
spec states the cap, nothing is left out.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agents.experiments.plan.terms import learns, plan_of
from agents.statistics.variance_inflation import inflation_of
from schemas.records import ExperimentRow, Frozen, MetricKind
from state.burn_in_buffers import Buffer
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LEARNED = 500  # units of control
LIMIT = 0.99  # quantile of a latency's values; requests that fail are few and far out
# times the median, which a cap is not below: where all values are alike it would hide any that are
# larger
ROOM = 1.5
# quantile of a mean's values; at a higher one a rise of a fifth in a heavy tail is found too late
CAP = 0.98


def learn(tables: ExperimentTables, rows: Ints, units: Ints, values: Floats) -> None:
    """Keeps what control arms sent in their burn-ins: each record's row, its units, and its value,
    NaN where it is of several units; in the order of the log.
    """
    order = np.argsort(rows, kind="stable")
    rows, units, values = rows[order], units[order], values[order]
    bounds = np.flatnonzero(np.diff(rows, prepend=-1, append=-1)).tolist()
    single = bool((units == 1).all())
    for start, end in pairwise(bounds):
        own, count = values[start:end], end - start
        if not single:
            own, count = own[units[start:end] == 1], int(units[start:end].sum())
        tables.burn_ins.add(_buffer(tables, int(rows[start])), count, own)


def end_burn_in(tables: ExperimentTables, row: int, offset: int) -> None:
    """Puts in force what a control row's values fix, by the record at this offset.

    Where the cap was not stated, the evidence of each row of the metric begins here: what it holds
    by now fixed the terms of its test.
    """
    arms, stated = tables.arms, bool(np.isfinite(tables.arms.cap[row]))
    index = tables.index[arms.experiment_no[row]]
    frozen = _freeze(tables, row, index, offset)
    if stated:
        return
    rows = index.rows_of(frozen.metric)
    arms.base_offset[rows] = offset
    arms.base_count[rows] = arms.count[rows]
    arms.touch(np.array(rows))


def units_learned(tables: ExperimentTables) -> Iterable[tuple[int, int]]:
    """The row of each control arm whose burn-in is not over, and the units that it holds."""
    for buffer in tables.burn_ins.buffers():
        number = tables.index.number(row_key(buffer.subject, buffer.experiment_id))
        group = tables.index[number].arms.get(buffer.metric, {}) if number is not None else {}
        yield from ((row, buffer.count) for row in group.values() if tables.arms.is_control[row])


def _buffer(tables: ExperimentTables, row: int) -> Buffer:
    """Where the values of a control row are kept."""
    buffer = tables.burn_in_buffers.get(row)
    if buffer is None:
        subject, experiment_id, metric = tables.arms.keys[row][:3]
        buffer = tables.burn_in_buffers[row] = tables.burn_ins.of(
            subject or "", experiment_id or "", metric or ""
        )
    return buffer


def _freeze(tables: ExperimentTables, row: int, index: ExperimentArms, offset: int) -> Frozen:
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    buffer = _buffer(tables, row)
    del tables.burn_in_buffers[row]
    tables.burn_ins.drop(buffer)
    frozen = _frozen(experiment, buffer.metric, np.array(buffer.values), offset)
    tables.experiments.put(replace(experiment, frozen=(*experiment.frozen, frozen)))
    _put_in_force(tables, index, frozen)
    return frozen


def _frozen(experiment: ExperimentRow, metric: str, values: Floats, offset: int) -> Frozen:
    spec = plan_of(experiment, metric)
    assert learns(experiment, spec), f"{metric} has nothing to learn"
    if spec.kind == MetricKind.LATENCY:
        limit = float(np.quantile(values, LIMIT, method="higher")) if len(values) else None
        return Frozen(metric=metric, limit=limit, inflation=inflation_of(values), offset=offset)
    cap = _cap(values) if spec.cap is None else None
    return Frozen(metric=metric, cap=cap, inflation=inflation_of(values), offset=offset)


def _cap(values: Floats) -> float | None:
    """What is extreme among the values above 0, for of revenue most are 0; None where there is
    none.
    """
    sized = values[values > 0.0]
    if not len(sized):
        return None
    return float(
        max(
            np.quantile(sized, CAP, method="higher"),
            ROOM * np.quantile(sized, 0.5, method="higher"),
        )
    )


def _put_in_force(tables: ExperimentTables, index: ExperimentArms, frozen: Frozen) -> None:
    arms, rows = tables.arms, np.array(index.rows_of(frozen.metric))
    arms.in_burn_in[rows] = False
    arms.inflation[rows] = frozen.inflation
    if frozen.limit is not None:
        arms.limit[rows] = frozen.limit
        arms.design_effect[rows] = np.maximum(arms.design_effect[rows], frozen.inflation)
    if frozen.cap is not None:
        arms.cap[rows] = frozen.cap
