"""Finds out whether one result or metric makes no sense, with the value in the sentence.

It needs no column, so programs that send records ask it before they do; `results_and_metrics.py`
asks the same of a batch, in these words.
"""

from collections.abc import Iterator
from math import isfinite

from schemas.records import ExperimentResult, ModelMetric, ResultKind
from schemas.refusals import Reason
from schemas.validation.field_checks import Fault
from schemas.validation.moments import moment_fault
from schemas.validation.text import parts_fault, text_fault

COUNT_MAX = 10**12  # of one record; nine million of them fit the 64-bit totals of a row
RESULT_TEXTS = ("event_id", "subject", "experiment_id", "variant", "metric", "unit_id", "segment")
METRIC_TEXTS = ("event_id", "subject", "model_version", "metric", "segment")


def check_result(result: ExperimentResult, appended: int) -> list[Fault]:
    """Returns the reasons why a result is refused, the one that is told first; empty where it is
    not.

    appended: when the broker appended it, or will, ms.
    """
    faults = [*_faults(result, RESULT_TEXTS)]
    for name, at in (("occurred_at", result.occurred_at), ("assigned_at", result.assigned_at)):
        faults.extend(_moment(name, at, appended))
    if result.kind == ResultKind.UNKNOWN:
        faults.append((Reason.UNKNOWN_KIND, "kind is UNKNOWN"))
    fault = infinite("covariate", result.covariate)
    return faults if fault is None else [*faults, fault]


def check_metric(metric: ModelMetric, appended: int) -> list[Fault]:
    """Returns the reasons why a model metric is refused; as `check_result`."""
    return [*_faults(metric, METRIC_TEXTS), *_moment("occurred_at", metric.occurred_at, appended)]


def count_fault(count: int) -> Fault | None:
    """Returns what is wrong with the number of units of a record."""
    if count < 1:
        return Reason.BAD_COUNT, f"count {count} is less than 1"
    if count > COUNT_MAX:
        return Reason.BAD_COUNT, f"count {count} is more than {COUNT_MAX}"
    return None


def infinite(name: str, value: float | None) -> Fault | None:
    """Returns the fault of a number that is none, or infinite; an absent one (None) has none."""
    if value is None or isfinite(value):
        return None
    return Reason.NOT_FINITE, f"{name} is {value}"


def negative_squares(value: float | None) -> Fault | None:
    """Returns the fault of a sum of squares below 0."""
    if value is None or not value < 0:
        return None
    return Reason.NEGATIVE_SQUARES, f"sum_squares {value} is negative"


def _faults(record: ExperimentResult | ModelMetric, texts: tuple[str, ...]) -> Iterator[Fault]:
    found = [text_fault(name, getattr(record, name)) for name in texts]
    found += [
        parts_fault("subject", record.subject),
        count_fault(record.count),
        infinite("sum", record.sum),
        infinite("sum_squares", record.sum_squares),
        negative_squares(record.sum_squares),
    ]
    yield from (fault for fault in found if fault is not None)


def _moment(name: str, at: int | None, appended: int) -> Iterator[Fault]:
    fault = None if at is None else moment_fault(name, at, appended, may_be_ahead=False)
    if fault is not None:
        yield fault
