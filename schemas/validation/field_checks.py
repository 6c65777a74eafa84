"""Finds what is wrong with fields that several records have: names, symbols, levels, metrics."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from math import isfinite

from schemas.persons import person_fault
from schemas.records import MetricKind, MetricSpec
from schemas.refusals import Reason
from schemas.validation.text import environment_fault, parts_fault, text_fault

Fault = tuple[Reason, str]

ALPHA_MAX = 0.5  # at more, a coin is better evidence


def names_at_fault(**texts: str | None) -> Iterator[Fault]:
    """Yields what is wrong with names and ids, each given under its field's name; an absent one
    (None) has nothing wrong.
    """
    for name, text in texts.items():
        fault = text_fault(name, text)
        if fault is not None:
            yield fault


def shares_at_fault(**values: float) -> Iterator[Fault]:
    """Yields what is wrong with numbers that are to be in [0, 1]."""
    for name, value in values.items():
        if not isfinite(value):
            yield Reason.NOT_FINITE, f"{name} is {value}, which is no finite number"
        elif not 0.0 <= value <= 1.0:
            yield Reason.OUT_OF_RANGE, f"{name} {value:g} is not in [0, 1]"


def keys_at_fault(**names: str) -> Iterator[Fault]:
    """Of names [tenant/]line that records are keyed by."""
    for name, text in names.items():
        fault = text_fault(name, text) or parts_fault(name, text)
        if fault is not None:
            yield fault


def environments_at_fault(**names: str | None) -> Iterator[Fault]:
    """Yields what is wrong with names of environments, which may be absent."""
    for name, text in names.items():
        fault = environment_fault(name, text)
        if fault is not None:
            yield fault


def persons_at_fault(**names: str) -> Iterator[Fault]:
    """Yields what is wrong with names of persons."""
    for name, text in names.items():
        fault = person_fault(name, text)
        if fault is not None:
            yield fault


def symbols_at_fault(**symbols: StrEnum) -> Iterator[Fault]:
    """Yields those fields whose symbol this release does not know."""
    for name, symbol in symbols.items():
        if symbol == "UNKNOWN":
            yield Reason.UNKNOWN_SYMBOL, f"{name} is UNKNOWN"


def levels_at_fault(alpha: float, min_count: int) -> Iterator[Fault]:
    """Yields what is wrong with the level of a test, and with the fewest records it looks at."""
    if not 0 < alpha <= ALPHA_MAX:
        yield Reason.OUT_OF_RANGE, f"alpha {alpha:g} is not in (0, {ALPHA_MAX}]"
    if min_count < 1:
        yield Reason.BAD_COUNT, f"min_count {min_count} is less than 1"


def repeated_names(what: str, names: Iterable[str]) -> Iterator[Fault]:
    """Yields each name that is given more than once. what: what is named."""
    for name, times in Counter(names).items():
        if times > 1:
            yield Reason.DUPLICATE_NAME, f"{what} {name!r} is named {times} times"


def _margins_at_fault(metric: MetricSpec) -> Iterator[Fault]:
    """Yields what is wrong with how much worse a metric may be."""
    if not 0 <= metric.margin < float("inf"):
        yield (
            Reason.OUT_OF_RANGE,
            f"the margin of {metric.name!r} is {metric.margin}, not a finite number from 0 on",
        )
    absolute = metric.absolute_margin
    if absolute is None:
        return
    if not 0 <= absolute < float("inf"):
        yield (
            Reason.OUT_OF_RANGE,
            f"the absolute_margin of {metric.name!r} is {absolute}, not a finite number from 0 on",
        )
    elif metric.kind in (MetricKind.RATE, MetricKind.LATENCY) and absolute >= 1:
        yield (
            Reason.OUT_OF_RANGE,
            f"the absolute_margin of {metric.name!r} is {absolute:g}, which allows any rate: of a "
            f"{metric.kind} it is a difference of shares, 0.01 for one point of a hundred",
        )


def metrics_at_fault(metrics: Iterable[MetricSpec]) -> Iterator[Fault]:
    """Yields what is wrong with what a spec or a policy says of metrics."""
    metrics = tuple(metrics)
    yield from repeated_names("metric", (metric.name for metric in metrics))
    for metric in metrics:
        yield from names_at_fault(metric=metric.name)
        yield from symbols_at_fault(role=metric.role, direction=metric.direction, kind=metric.kind)
        if metric.limit is not None and not isfinite(metric.limit):
            yield (
                Reason.NOT_FINITE,
                f"the limit of {metric.name!r} is {metric.limit}, which is no finite number",
            )
        if metric.cap is not None and not isfinite(metric.cap):
            yield (
                Reason.NOT_FINITE,
                f"the cap of {metric.name!r} is {metric.cap}, which is no finite number",
            )
        yield from _margins_at_fault(metric)
        if metric.expected_count is not None and metric.expected_count < 1:
            yield (
                Reason.BAD_COUNT,
                f"the expected_count of {metric.name!r} is {metric.expected_count}, less than 1",
            )
