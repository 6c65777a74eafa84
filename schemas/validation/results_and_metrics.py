"""Finds well-formed results and metrics that make no sense, by the batch. The sentences are those
of `observation_checks.py`, which asks the same of one record.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.codec.columns import Columns
from schemas.records import ResultKind
from schemas.refusals import Reason, RefusedRecord
from schemas.validation.field_checks import Fault
from schemas.validation.moments import EARLIEST_MS, FUTURE_MS, moment_fault
from schemas.validation.observation_checks import (
    COUNT_MAX,
    METRIC_TEXTS,
    RESULT_TEXTS,
    count_fault,
    infinite,
    negative_squares,
)
from schemas.validation.text_columns import parts_faults, text_faults

RowFault = tuple[int, Reason, str]
Mask = NDArray[np.bool_]

_UNKNOWN = pa.scalar(
    ResultKind.UNKNOWN.value
)  # made once: making it takes longer than comparing 5 000 rows with it


def check_results(columns: Columns, append_times: NDArray[np.int64]) -> list[RefusedRecord]:
    """The rows of ExperimentResult that are refused, with the first reason of each, ascending.

    append_times: the broker's append time of each of the n values that were decoded, ms, shape
    (n,).
    """
    unknown = pc.equal(columns.batch.column("kind"), _UNKNOWN).to_numpy(zero_copy_only=False)
    faults = _faults(columns, append_times, RESULT_TEXTS, ("occurred_at", "assigned_at"))
    kinds = (
        (row, Reason.UNKNOWN_KIND, "kind is UNKNOWN") for row in np.flatnonzero(unknown).tolist()
    )
    known = _present(columns.batch.column("covariate"), 0.0)
    covariates = _where(~np.isfinite(known), known, partial(infinite, "covariate"))
    return _refused(columns, [*faults, *kinds, *covariates])


def check_metrics(columns: Columns, append_times: NDArray[np.int64]) -> list[RefusedRecord]:
    """The rows of ModelMetric that are refused; as `check_results`."""
    return _refused(columns, _faults(columns, append_times, METRIC_TEXTS, ("occurred_at",)))


def _refused(columns: Columns, faults: Iterable[RowFault]) -> list[RefusedRecord]:
    first: dict[int, RefusedRecord] = {}
    for row, reason, sentence in faults:
        index = int(columns.rows[row])
        first.setdefault(index, RefusedRecord(index, reason, sentence))
    return [first[index] for index in sorted(first)]


def _faults(
    columns: Columns, append_times: NDArray[np.int64], texts: Iterable[str], moments: Iterable[str]
) -> Iterator[RowFault]:
    batch = columns.batch
    for name in texts:
        yield from text_faults(name, batch.column(name))
    yield from parts_faults("subject", batch.column("subject"))
    counts = batch.column("count").to_numpy()
    yield from _where((counts < 1) | (counts > COUNT_MAX), counts, count_fault)
    for name in ("sum", "sum_squares"):
        values = _present(batch.column(name), 0.0)
        yield from _where(~np.isfinite(values), values, partial(infinite, name))
    yield from _where(values < 0, values, negative_squares)
    latest = append_times[columns.rows] + FUTURE_MS
    for name in moments:
        times = _present(batch.column(name), EARLIEST_MS)
        for row in np.flatnonzero((times < EARLIEST_MS) | (times > latest)).tolist():
            appended = int(append_times[columns.rows[row]])
            fault = moment_fault(name, int(times[row]), appended, may_be_ahead=False)
            assert fault is not None, f"{name} {times[row]} is plausible"
            yield row, *fault


def _where(
    wrong: Mask, values: NDArray[Any], fault_of: Callable[[Any], Fault | None]
) -> Iterator[RowFault]:
    """The fault of each value that is wrong; `fault_of` must find one in each of these."""
    if wrong.any():
        for row in np.flatnonzero(wrong).tolist():
            fault = fault_of(values[row].item())
            assert fault is not None, f"{values[row]} is sensible"
            yield row, *fault


def _present(column: pa.Array, absent: float) -> NDArray[Any]:
    if column.null_count == len(column):
        return np.full(len(column), absent)
    values: NDArray[Any] = (column.fill_null(absent) if column.null_count else column).to_numpy()
    return values
