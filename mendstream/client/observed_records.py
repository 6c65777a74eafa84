"""Makes the records of what a program observed, and refuses what the processor would refuse."""

from datetime import datetime
from operator import index
from uuid import UUID

from mendstream.client.exceptions import InvalidRecord
from mendstream.client.time_and_ids import ms_of, now_ms, random_id
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ModelMetric
from schemas.refusals import Reason
from schemas.validation.field_checks import Fault
from schemas.validation.observation_checks import check_metric, check_result

Moment = datetime | int


def result_of(
    subject: str,
    experiment_id: str,
    variant: str,
    metric: str,
    value: float,
    *,
    unit_id: str | None = None,
    segment: str | None = None,
    occurred_at: Moment | None = None,
    assigned_at: Moment | None = None,
    covariate: float | None = None,
    event_id: str | None = None,
) -> ExperimentResult:
    """The record of `Results.observe`. Raises InvalidRecord."""
    _texts(subject=subject, experiment_id=experiment_id, variant=variant, metric=metric)
    _texts(**_present(unit_id=unit_id, segment=segment, event_id=event_id))
    now = now_ms()
    record = ExperimentResult(
        event_id=_event_id(event_id, "result", subject, experiment_id, metric),
        subject=subject,
        experiment_id=experiment_id,
        variant=variant,
        metric=metric,
        unit_id=unit_id,
        sum=_number("value", value),
        segment=segment,
        occurred_at=_ms("occurred_at", occurred_at, now),
        assigned_at=None if assigned_at is None else _ms("assigned_at", assigned_at, now),
        covariate=None if covariate is None else _number("covariate", covariate),
    )
    _accept(check_result(record, now))
    return record


def metric_of(
    subject: str,
    model_version: str,
    metric: str,
    value: float,
    *,
    count: int = 1,
    sum_squares: float | None = None,
    segment: str | None = None,
    occurred_at: Moment | None = None,
    event_id: str | None = None,
) -> ModelMetric:
    """The record of `Metrics.observe`. Raises InvalidRecord."""
    _texts(subject=subject, model_version=model_version, metric=metric)
    _texts(**_present(segment=segment, event_id=event_id))
    now = now_ms()
    record = ModelMetric(
        event_id=_event_id(event_id, "metric", subject, model_version, metric),
        subject=subject,
        model_version=model_version,
        metric=metric,
        count=_whole("count", count),
        sum=_number("value", value),
        sum_squares=None if sum_squares is None else _number("sum_squares", sum_squares),
        segment=segment,
        occurred_at=_ms("occurred_at", occurred_at, now),
    )
    _accept(check_metric(record, now))
    return record


def _accept(faults: list[Fault]) -> None:
    for reason, sentence in faults:
        raise InvalidRecord(reason, sentence)


def _event_id(given: str | None, *about: str) -> str:
    """The id of an event that a program names, or a random one."""
    if given is None:
        return random_id()
    try:
        if str(UUID(given)) == given.lower():
            return given
    except ValueError:
        pass
    return event_uuid("client", *about, given) if given else given


def _present(**texts: str | None) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text is not None}


def _texts(**texts: object) -> None:
    """Raises InvalidRecord for a text that is none, since not every program checks its types."""
    for name, text in texts.items():
        if not isinstance(text, str):
            raise InvalidRecord(Reason.UNDECODABLE, f"{name} is {text!r}: give a str")


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRecord(Reason.UNDECODABLE, f"{name} is {value!r}: give a number") from error


def _whole(name: str, value: int) -> int:
    try:
        return index(value)
    except TypeError as error:
        sentence = f"{name} is {value!r}: give a whole number"
        raise InvalidRecord(Reason.UNDECODABLE, sentence) from error


def _ms(name: str, moment: Moment | None, now: int) -> int:
    try:
        return now if moment is None else ms_of(name, moment)
    except (TypeError, ValueError) as error:
        raise InvalidRecord(Reason.UNDECODABLE, str(error)) from error
