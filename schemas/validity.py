"""Which well-formed records still make no sense: the rules of values, with the value in the sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from math import isfinite
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.columns import Columns
from schemas.records import (
    Autonomy,
    CommandStatus,
    ExperimentSpec,
    MetricSpec,
    Policy,
    ResultKind,
    ShareStep,
)
from schemas.refusals import Reason, Refused
from schemas.texts import text_fault, text_faults

Fault = tuple[Reason, str]
RowFault = tuple[int, Reason, str]
Mask = NDArray[np.bool_]

FUTURE_MS = 5 * 60_000  # producers' clocks differ; more than this is a wrong clock
SHARES_TOLERANCE = 1e-6
ALPHA_MAX = 0.5  # at more, a coin is better evidence
COUNT_MAX = 10**12  # of one record; nine million of them fit the 64-bit totals of a row
STEPS_MAX = 64  # of a ramp; totals of each arm are kept for each
REFERENCE_COUNT_MIN = 100  # fewer records are no reference
FALSE_ALARM_RECORDS_MIN = 1e3

_UNKNOWN = pa.scalar(ResultKind.UNKNOWN.value)  # made once: making it takes longer than comparing 5 000 rows with it
_RESULT_TEXTS = ("event_id", "subject", "experiment_id", "variant", "metric", "unit_id", "segment")
_METRIC_TEXTS = ("event_id", "subject", "model_version", "metric", "segment")


def check_results(columns: Columns, append_times: NDArray[np.int64]) -> list[Refused]:
    """The rows of ExperimentResult that are refused, with the first reason of each, ascending.

    append_times: the broker's append time of each of the n values that were decoded, ms, shape (n,).
    """
    unknown = pc.equal(columns.batch.column("kind"), _UNKNOWN).to_numpy(zero_copy_only=False)
    faults = _faults(columns, append_times, _RESULT_TEXTS, ("occurred_at", "assigned_at"))
    kinds = ((row, Reason.UNKNOWN_KIND, "kind is UNKNOWN") for row in np.flatnonzero(unknown).tolist())
    return _refused(columns, [*faults, *kinds])


def check_metrics(columns: Columns, append_times: NDArray[np.int64]) -> list[Refused]:
    """The rows of ModelMetric that are refused; as `check_results`."""
    return _refused(columns, _faults(columns, append_times, _METRIC_TEXTS, ("occurred_at",)))


def check_spec(spec: ExperimentSpec) -> list[Fault]:
    """Why a spec is refused; empty where it is not."""
    arms = (spec.control, *spec.treatments)
    faults = [
        *names_at_fault(
            event_id=spec.event_id, experiment_id=spec.experiment_id, subject=spec.subject, control=spec.control
        ),
        *names_at_fault(candidate_version=spec.candidate_version, baseline_version=spec.baseline_version),
        *(fault for arm in spec.treatments for fault in names_at_fault(treatment=arm)),
        *_levels(spec.alpha, spec.min_count),
        *_metrics(spec.metrics),
        *_shares(spec.share_steps, arms),
        *_known(status=spec.status, autonomy=spec.autonomy or Autonomy.AUTO),
    ]
    if not spec.treatments:
        faults.append((Reason.NO_TREATMENTS, "treatments is empty"))
    if spec.control in spec.treatments:
        faults.append((Reason.CONTROL_TREATED, f"control {spec.control!r} is among the treatments"))
    faults.extend(_repeated("treatment", spec.treatments))
    return faults


def check_status(status: CommandStatus) -> list[Fault]:
    """Why a status is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=status.event_id, command_id=status.command_id, subject=status.subject),
        *names_at_fault(reporter=status.reporter),
        *_known(status=status.status),
    ]
    if status.attempt < 1:
        faults.append((Reason.BAD_COUNT, f"attempt {status.attempt} is less than 1"))
    if status.reported_at < 0:
        faults.append((Reason.NEGATIVE_TIME, f"reported_at {status.reported_at} is before 1970"))
    return faults


def check_policy(policy: Policy) -> list[Fault]:
    """Why a policy is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=policy.event_id, policy_id=policy.policy_id),
        *(fault for subject in policy.subjects for fault in names_at_fault(subject=subject)),
        *_known(rollback=policy.rollback, deploy=policy.deploy, retrain=policy.retrain, improve=policy.improve),
        *_levels(policy.alpha, policy.min_count),
        *_metrics(policy.metrics),
    ]
    if policy.reference_count < REFERENCE_COUNT_MIN:
        faults.append(
            (Reason.BAD_COUNT, f"reference_count {policy.reference_count} is less than {REFERENCE_COUNT_MIN}")
        )
    if not FALSE_ALARM_RECORDS_MIN <= policy.false_alarm_records < float("inf"):
        sentence = f"false_alarm_records {policy.false_alarm_records:g} is not in [{FALSE_ALARM_RECORDS_MIN:g}, inf)"
        faults.append((Reason.OUT_OF_RANGE, sentence))
    faults.extend(_alert_rules(policy))
    if not 0 < policy.failure_threshold < float("inf"):
        faults.append((Reason.OUT_OF_RANGE, f"failure_threshold {policy.failure_threshold:g} is not above 0"))
    if policy.disable_below is not None and not 0 <= policy.disable_below <= 1:
        faults.append((Reason.OUT_OF_RANGE, f"disable_below {policy.disable_below:g} is not in [0, 1]"))
    for reference in policy.references:
        faults.extend(names_at_fault(reference_metric=reference.metric, reference_segment=reference.segment))
        if reference.count < 1:
            faults.append((Reason.BAD_COUNT, f"the reference of {reference.metric!r} has count {reference.count}"))
        if not isfinite(reference.sum):
            faults.append((Reason.NOT_FINITE, f"the reference of {reference.metric!r} has sum {reference.sum}"))
    return faults


def _refused(columns: Columns, faults: Iterable[RowFault]) -> list[Refused]:
    first: dict[int, Refused] = {}
    for row, reason, sentence in faults:
        index = int(columns.rows[row])
        first.setdefault(index, Refused(index, reason, sentence))
    return [first[index] for index in sorted(first)]


def _faults(
    columns: Columns, append_times: NDArray[np.int64], texts: Iterable[str], moments: Iterable[str]
) -> Iterator[RowFault]:
    batch = columns.batch
    for name in texts:
        yield from text_faults(name, batch.column(name))
    counts = batch.column("count").to_numpy()
    yield from _where(counts < 1, Reason.BAD_COUNT, "count {} is less than 1", counts)
    yield from _where(counts > COUNT_MAX, Reason.BAD_COUNT, f"count {{}} is more than {COUNT_MAX}", counts)
    for name in ("sum", "sum_squares"):
        values = _present(batch.column(name), 0.0)
        yield from _where(~np.isfinite(values), Reason.NOT_FINITE, name + " is {}", values)
    yield from _where(values < 0, Reason.NEGATIVE_SQUARES, "sum_squares {} is negative", values)
    latest = append_times[columns.rows] + FUTURE_MS
    for name in moments:
        times = _present(batch.column(name), 0)
        yield from _where(times < 0, Reason.NEGATIVE_TIME, name + " {} is before 1970", times)
        sentence = name + f" {{}} is more than {FUTURE_MS // 60_000} minutes after the record was appended"
        yield from _where(times > latest, Reason.FUTURE, sentence, times)


def _where(wrong: Mask, reason: Reason, sentence: str, values: NDArray[Any]) -> Iterator[RowFault]:
    if wrong.any():
        for row in np.flatnonzero(wrong).tolist():
            yield row, reason, sentence.format(values[row])


def _present(column: pa.Array, absent: float) -> NDArray[Any]:
    if column.null_count == len(column):
        return np.full(len(column), absent)
    values: NDArray[Any] = (column.fill_null(absent) if column.null_count else column).to_numpy()
    return values


def names_at_fault(**texts: str | None) -> Iterator[Fault]:
    for name, text in texts.items():
        fault = text_fault(name, text)
        if fault is not None:
            yield fault


def _known(**symbols: StrEnum) -> Iterator[Fault]:
    for name, symbol in symbols.items():
        if symbol == "UNKNOWN":
            yield Reason.UNKNOWN_SYMBOL, f"{name} is UNKNOWN"


def _levels(alpha: float, min_count: int) -> Iterator[Fault]:
    if not 0 < alpha <= ALPHA_MAX:
        yield Reason.OUT_OF_RANGE, f"alpha {alpha:g} is not in (0, {ALPHA_MAX}]"
    if min_count < 1:
        yield Reason.BAD_COUNT, f"min_count {min_count} is less than 1"


def _repeated(what: str, names: Iterable[str]) -> Iterator[Fault]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Reason.DUPLICATE_NAME, f"{what} {name!r} is named {times} times"


def _metrics(metrics: Iterable[MetricSpec]) -> Iterator[Fault]:
    metrics = tuple(metrics)
    yield from _repeated("metric", (metric.name for metric in metrics))
    for metric in metrics:
        yield from names_at_fault(metric=metric.name)
        yield from _known(role=metric.role, direction=metric.direction, kind=metric.kind)
        if metric.limit is not None and not isfinite(metric.limit):
            yield Reason.NOT_FINITE, f"the limit of {metric.name!r} is {metric.limit}"
        if metric.cap is not None and not isfinite(metric.cap):
            yield Reason.NOT_FINITE, f"the cap of {metric.name!r} is {metric.cap}"
        if not 0 <= metric.margin < float("inf"):
            yield Reason.OUT_OF_RANGE, f"the margin of {metric.name!r} is {metric.margin}"
        if metric.expected_count is not None and metric.expected_count < 1:
            yield Reason.BAD_COUNT, f"the expected_count of {metric.name!r} is {metric.expected_count}"


def _alert_rules(policy: Policy) -> Iterator[Fault]:
    yield from _repeated("alert", (rule.name for rule in policy.alerts))
    for rule in policy.alerts:
        yield from names_at_fault(alert=rule.name, alert_metric=rule.metric)
        yield from _known(operator=rule.operator, severity=rule.severity)
        if not isfinite(rule.threshold):
            yield Reason.NOT_FINITE, f"the threshold of {rule.name!r} is {rule.threshold}"
        if min(rule.duration_ms, rule.cooldown_ms) < 0:
            yield Reason.OUT_OF_RANGE, f"the duration or cooldown of {rule.name!r} is negative"
        if not _fillable(rule.template):
            sentence = f"the template of {rule.name!r} may name {{key}}, {{value}} and {{threshold}} and nothing else"
            yield Reason.BAD_TEMPLATE, sentence


def _fillable(template: str) -> bool:
    try:
        named = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        template.format(key="", value=0.0, threshold=0.0)
    except (ValueError, LookupError, AttributeError):
        return False
    return named <= {"key", "value", "threshold"}


def _shares(steps: Iterable[ShareStep], arms: tuple[str, ...]) -> Iterator[Fault]:
    steps = tuple(steps)
    if len(steps) > STEPS_MAX:
        yield Reason.BAD_SHARES, f"{len(steps)} share steps are more than {STEPS_MAX}"
    for step in steps:
        total = sum(share.share for share in step.shares)
        if not abs(total - 1) <= SHARES_TOLERANCE:
            yield Reason.BAD_SHARES, f"the shares from {step.from_} add up to {total:g}, not 1"
        yield from _repeated("share of", (share.variant for share in step.shares))
        for share in step.shares:
            if share.variant not in arms:
                yield Reason.BAD_SHARES, f"a share names {share.variant!r}, which is not among {arms}"
            if not 0 < share.share <= 1:
                yield Reason.BAD_SHARES, f"the share of {share.variant!r} is {share.share:g}"
    for before, after in pairwise(steps):
        if after.from_ is None or after.from_ <= (before.from_ or 0):
            yield Reason.BAD_SHARES, f"share step from {after.from_} does not follow {before.from_}"
