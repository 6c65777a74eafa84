"""Finds moments that are not plausible, and the unit in which they were probably written.

A moment of an input is milliseconds since 1970. What happened did so from 2000 on and not after the
broker's clock, give or take how far clocks differ; what is planned lies within ten years. The years
2000 to 2099 are apart in seconds, milliseconds, microseconds and nanoseconds, so that a number
tells its unit.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from keyword import iskeyword
from typing import Any

from schemas.catalog import schema_text
from schemas.refusals import Reason

# 2000-01-01: older than Kafka and whatever writes to it; 0 and small numbers are no times
EARLIEST_MS = 946_684_800_000
_LATEST_MS = 4_102_444_800_000  # 2100-01-01: only to tell units apart
FUTURE_MS = 5 * 60_000  # producers' clocks differ; more than this is a wrong clock
PLANNED_MS = 3_653 * 86_400_000  # ten years; a plan for later is a typing error
UNITS: Mapping[str, Fraction] = {  # milliseconds in each
    "seconds": Fraction(1_000),
    "milliseconds": Fraction(1),
    "microseconds": Fraction(1, 1_000),
    "nanoseconds": Fraction(1, 1_000_000),
}
_PLANNED = frozenset({"due_at", "ends_at", "from", "share_from", "share_until"})  # may lie ahead
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Fault = tuple[Reason, str]


@dataclass(frozen=True, slots=True)
class MomentField:
    """The path to a moment in a record: the dataclasses' names on the way, and the last as it is
    written.
    """

    path: tuple[str, ...]
    name: str

    @property
    def may_be_ahead(self) -> bool:
        return self.name in _PLANNED


def unit_of(number: float) -> str | None:
    """The unit in which a number lies between 2000 and 2100; None where it does in none.

    >>> [unit_of(n) for n in (1_700_000_000, 1_700_000_000_000, 1.7e15, 0)]
    ['seconds', 'milliseconds', 'microseconds', None]
    """
    fits = (unit for unit, ms in UNITS.items() if EARLIEST_MS <= number * ms < _LATEST_MS)
    return next(fits, None)


def moment_fault(name: str, at: int, appended: int, may_be_ahead: bool) -> Fault | None:
    """Returns the fault of a moment in a record; None where there is none.

    appended: when the broker appended the record, ms.
    """
    latest = appended + (PLANNED_MS if may_be_ahead else FUTURE_MS)
    if EARLIEST_MS <= at <= latest:
        return None
    unit = unit_of(at)
    if unit not in (None, "milliseconds"):
        day = (_EPOCH + timedelta(milliseconds=int(at * UNITS[unit]))).date()
        return (
            Reason.TIME_UNIT,
            f"{name} {at} looks like {unit} since 1970 ({day}): send milliseconds",
        )
    if at < 0:
        return Reason.NEGATIVE_TIME, f"{name} {at} is before 1970: send milliseconds since 1970"
    if at < EARLIEST_MS:
        return Reason.TOO_EARLY, f"{name} {at} is before 2000-01-01: send milliseconds since 1970"
    most = "10 years" if may_be_ahead else f"{FUTURE_MS // 60_000} minutes"
    sentence = (
        f"{name} {at} is more than {most} after the record was appended, in milliseconds since 1970"
    )
    return Reason.FUTURE, sentence


def moment_faults(record: object, appended: int) -> Iterator[Fault]:
    """Yields the faults of a record's moments, wherever its schema has one."""
    for moment in moments_of(type(record).__name__):
        for at in _values(record, moment.path):
            fault = moment_fault(moment.name, at, appended, moment.may_be_ahead)
            if fault is not None:
                yield fault


@cache
def moments_of(record: str) -> tuple[MomentField, ...]:
    """The moments of a record, by its schema."""
    return tuple(_moments(json.loads(schema_text(record)), ()))


def _moments(schema: Any, path: tuple[str, ...]) -> Iterator[MomentField]:
    match schema:
        case list():
            for option in schema:
                yield from _moments(option, path)
        case {"logicalType": "timestamp-millis"}:
            name = path[-1]
            yield MomentField(path, name[:-1] if iskeyword(name[:-1]) else name)
        case {"type": "record", "fields": fields}:
            for field in fields:
                name = field["name"]
                yield from _moments(field["type"], (*path, f"{name}_" if iskeyword(name) else name))
        case {"type": "array", "items": items}:
            yield from _moments(items, path)


def _values(value: Any, path: tuple[str, ...]) -> Iterator[int]:
    """The moments at the end of a path; lists on the way are walked, what is absent is left out."""
    if value is None:
        return
    if isinstance(value, tuple):
        for item in value:
            yield from _values(item, path)
    elif path:
        yield from _values(getattr(value, path[0]), path[1:])
    else:
        yield value
