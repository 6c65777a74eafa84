"""Reads what a record of a source says: an exposure, outcomes, a result, a metric, or why none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from math import isfinite
from typing import Any

from agents.core.batch import Delivered
from ingest.mapping import Kind, Source
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ModelMetric, UnitExposure, UnitOutcome
from schemas.validation.moments import FUTURE_MS
from schemas.validation.text import MAX_CHARACTERS

RECORDS_MAX = 10_000  # of one message: what a batch of a megabyte may hold at 100 bytes each


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies, and when it was written there (ms)."""

    topic: str
    partition: int
    offset: int
    written_at: int
    index: int = 0  # of the record within its message

    @property
    def event_id(self) -> str:
        """The id of a record that brings none: of where it lies."""
        return event_uuid("place", self.topic, self.partition, self.offset, self.index)


@dataclass(frozen=True, slots=True)
class Exposed:
    """A unit saw a variant."""

    unit_id: str
    exposure: UnitExposure


@dataclass(frozen=True, slots=True)
class Happened:
    """A unit did something: one value for each metric."""

    unit_id: str
    outcomes: tuple[UnitOutcome, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record is not taken: a code and a sentence."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Passed:
    """The map's `where` leaves the record out."""


Said = Exposed | Happened | ExperimentResult | ModelMetric | Refused | Passed


def said(source: Source, record: Delivered, place: Place) -> Iterator[Said]:
    """What a message of a source says, record by record."""
    value = record.value()
    if value is None:
        yield Refused("TOMBSTONE", "it has no value")
        return
    try:
        message = json.loads(value)
    except (ValueError, RecursionError) as error:
        yield Refused("NOT_JSON", f"it is no JSON: {_cause(error)}")
        return
    if source.records is None:
        yield _one(source, message, place)
        return
    try:
        found = source.records(message)
    except ValueError as error:
        yield Refused("NO_RECORDS", f"records: {error}")
        return
    if not isinstance(found, list):
        yield Refused("NO_RECORDS", "the path `records` leads to no list")
    elif len(found) > RECORDS_MAX:
        yield Refused("TOO_LARGE", f"it holds {len(found)} records, more than {RECORDS_MAX}")
    else:
        for index, each in enumerate(found):
            at = Place(place.topic, place.partition, place.offset, place.written_at, index)
            yield _one(source, each, at)


def _is_false(found: Any) -> bool:
    """Returns whether JMESPath calls a value false: nothing, false, or what is empty."""
    return found is None or found is False or found in ("", [], {})


def _cause(error: Exception) -> str:
    """Returns where it breaks off, without what stands there."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "nested too deeply" if isinstance(error, RecursionError) else "not UTF-8"


def _one(source: Source, record: Any, place: Place) -> Said:
    name = "where"
    try:
        if source.where is not None and _is_false(source.where(record)):
            return Passed()
        fields: dict[str, Any] = {}
        for name, get in source.fields.items():
            if (found := get(record)) is not None:
                fields[name] = found
        values: dict[str, float] = {}
        for name, get in source.values.items():
            if (number := get(record)) is not None:
                values[name] = number
    except (ValueError, TypeError) as error:
        return Refused("BAD_FIELD", f"{name}: {error}")
    fault = _fault(fields, values, place)
    return fault or _MAKERS[source.kind](fields, values, place)


def _fault(fields: dict[str, Any], values: dict[str, float], place: Place) -> Refused | None:
    if fields.get("occurred_at", 0) > place.written_at + FUTURE_MS:
        return Refused(
            "FUTURE",
            f"occurred_at {fields['occurred_at']} is after it was written, "
            f"{place.written_at}: a clock is wrong",
        )
    for name, value in fields.items():
        if isinstance(value, str) and not 0 < len(value) <= MAX_CHARACTERS:
            said = f"{name} has {len(value)} characters, not 1 to {MAX_CHARACTERS}"
            return Refused("BAD_TEXT", said)
    for name, number in values.items():
        if not isfinite(number):
            return Refused("NOT_FINITE", f"{name} is {number}")
    return None


def _lacking(fields: dict[str, Any], *names: str) -> Refused | None:
    missing = [name for name in names if name not in fields]
    return Refused("LACKING", f"it has no {', '.join(missing)}") if missing else None


def unit_hash(unit: str) -> str:
    """The hash by which a unit is known: neither results nor tables name a person."""
    return blake2b(unit.encode(), digest_size=16).hexdigest()


def _id(fields: dict[str, Any], place: Place) -> str:
    """The id of an event: its own is only told apart within its topic."""
    own = fields.get("event_id")
    return place.event_id if own is None else event_uuid("event", place.topic, own, place.index)


def _exposure(fields: dict[str, Any], _: dict[str, float], place: Place) -> Said:
    lacking = _lacking(fields, "unit_id", "subject", "experiment_id", "variant")
    return lacking or Exposed(
        unit_hash(fields["unit_id"]),
        UnitExposure(
            subject=fields["subject"],
            experiment_id=fields["experiment_id"],
            variant=fields["variant"],
            segment=fields.get("segment"),
            event_id=_id(fields, place),
            occurred_at=fields.get("occurred_at", place.written_at),
            arrived_at=place.written_at,
        ),
    )


def _outcome(fields: dict[str, Any], values: dict[str, float], place: Place) -> Said:
    if lacking := _lacking(fields, "unit_id"):
        return lacking
    if not values:
        return Refused("LACKING", "it has a value for none of the metrics")
    event_id, at = _id(fields, place), fields.get("occurred_at", place.written_at)
    return Happened(
        unit_hash(fields["unit_id"]),
        tuple(
            UnitOutcome(
                metric=metric,
                value=value,
                event_id=event_id,
                occurred_at=at,
                arrived_at=place.written_at,
            )
            for metric, value in values.items()
        ),
    )


def _result(fields: dict[str, Any], _: dict[str, float], place: Place) -> Said:
    lacking = _lacking(fields, "subject", "experiment_id", "variant", "metric", "sum")
    if lacking:
        return lacking
    if "unit_id" in fields:
        fields["unit_id"] = unit_hash(fields["unit_id"])
    fields["event_id"] = _id(fields, place)
    fields.setdefault("occurred_at", place.written_at)
    return ExperimentResult(**fields)


def _metric(fields: dict[str, Any], _: dict[str, float], place: Place) -> Said:
    lacking = _lacking(fields, "subject", "model_version", "metric", "sum")
    if lacking:
        return lacking
    fields["event_id"] = _id(fields, place)
    fields.setdefault("occurred_at", place.written_at)
    return ModelMetric(**fields)


_MAKERS = {
    Kind.EXPOSURES: _exposure,
    Kind.OUTCOMES: _outcome,
    Kind.RESULTS: _result,
    Kind.METRICS: _metric,
}
