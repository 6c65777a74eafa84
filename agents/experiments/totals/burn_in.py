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
from agents.experiments.totals.covariates import put_in_force, with_line
from agents.statistics.covariate_line import Line, line_of, taken_off
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


def learn(
    tables: ExperimentTables, rows: Ints, units: Ints, values: Floats, covariates: Floats
) -> None:
    """Keeps what control arms sent in their burn-ins: each record's row, its units, its value, NaN
    where it is of several units, and its covariate, NaN where it has none; in the order of the log.
    """
    order = np.argsort(rows, kind="stable")
    rows, units = rows[order], units[order]
    values, covariates = values[order], covariates[order]
    bounds = np.flatnonzero(np.diff(rows, prepend=-1, append=-1)).tolist()
    single = bool((units == 1).all())
    for start, end in pairwise(bounds):
        own, beside, count = values[start:end], covariates[start:end], end - start
        if not single:
            alone = units[start:end] == 1
            own, beside, count = own[alone], beside[alone], int(units[start:end].sum())
        tables.burn_ins.add(_buffer(tables, int(rows[start])), count, own, beside)


def draw_first_line(tables: ExperimentTables, row: int, offset: int) -> None:
    """Draws the line of a covariate by what a control row has sent so far, up to the record at this
    offset; where it tells something, records are adjusted from here on.
    """
    index, buffer = tables.index[tables.arms.experiment_no[row]], _buffer(tables, row)
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    cap = float(tables.arms.cap[row])
    line = line_of(np.minimum(np.array(buffer.values), cap), np.array(buffer.covariates))
    if line is not None:
        tables.experiments.put(with_line(experiment, buffer.metric, line, offset))
        put_in_force(tables.arms, np.array(index.rows_of(buffer.metric)), line)


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
    values, covariates = np.array(buffer.values), np.array(buffer.covariates)
    frozen, line = _frozen(experiment, buffer.metric, values, covariates, offset)
    experiment = replace(experiment, frozen=(*experiment.frozen, frozen))
    if line is not None:
        experiment = with_line(experiment, buffer.metric, line, offset)
        put_in_force(tables.arms, np.array(index.rows_of(buffer.metric)), line)
    tables.experiments.put(experiment)
    _put_in_force(tables, index, frozen)
    return frozen


def _frozen(
    experiment: ExperimentRow, metric: str, values: Floats, covariates: Floats, offset: int
) -> tuple[Frozen, Line | None]:
    """What is fixed, and the line of a covariate that tells something."""
    spec = plan_of(experiment, metric)
    assert learns(experiment, spec), f"{metric} has nothing to learn"
    if spec.kind == MetricKind.LATENCY:
        limit = float(np.quantile(values, LIMIT, method="higher")) if len(values) else None
        fixed = Frozen(metric=metric, limit=limit, inflation=inflation_of(values), offset=offset)
        return fixed, None
    cap, inflation = _cap(values) if spec.cap is None else None, inflation_of(values)
    most = spec.cap if spec.cap is not None else np.inf if cap is None else cap
    capped = np.minimum(values, most)
    line = line_of(capped, covariates)
    if line is not None:
        # What is judged follows itself as what is left of the values does, and as they did before.
        left = inflation_of(capped - taken_off(line, covariates))
        inflation = left if spec.cap is None else max(inflation, left)
    return Frozen(metric=metric, cap=cap, inflation=inflation, offset=offset), line


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
