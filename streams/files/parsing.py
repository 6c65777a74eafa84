"""Makes records from what people write: YAML documents, rows of CSV, JSON lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from functools import cache, partial
from keyword import iskeyword
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from schemas.validation.moments import UNITS, unit_of

T = TypeVar("T")
Convert = Callable[[Any], Any]
TimeFormat = Literal["auto", "iso", "ms", "s"]
Times = TimeFormat | Literal["written"]  # by hand: ISO 8601, or milliseconds
_TOO_LARGE = 2.0**63
_TRUTH = {"true": 1.0, "false": 0.0}


class FormError(ValueError):
    """A text that does not make the record; the sentence says where and why."""


def names_of(record: type) -> dict[str, str]:
    """The fields of a record as people write them, with the dataclass's names: `from` is from_."""
    return {_written(field.name): field.name for field in fields(record)}


def required(record: type) -> list[str]:
    return [
        _written(f.name)
        for f in fields(record)
        if f.default is MISSING and f.default_factory is MISSING
    ]


def build(record: type[T], written: object, where: str) -> T:
    """A record from a mapping of its fields. Raises FormError for unknown, missing or senseless
    ones.
    """
    if not isinstance(written, Mapping):
        raise FormError(f"{where} is {_shown(written)}, not a mapping of fields")
    names = names_of(record)
    for name in written:
        if name not in names:
            raise FormError(f"{where} has no field {name!r}; there are {', '.join(names)}")
    missing = [name for name in required(record) if name not in written]
    if missing:
        raise FormError(f"{where} lacks {', '.join(missing)}")
    values = {}
    for name, value in written.items():
        try:
            values[names[name]] = converter(record, name)(value)  # type: ignore[arg-type]
        except FormError as error:
            raise FormError(f"{where}, {name}: {error}") from error
    return record(**values)


@cache
def converter(record: type, name: str, times: Times = "written") -> Convert:
    """The function that makes a written value that of a field; it raises FormError."""
    field = names_of(record)[name]
    kind = get_type_hints(record)[field]
    if is_moment(field):
        moment = partial(_moment, times=times)
        return _optional(moment) if NoneType in get_args(kind) else moment
    return _converter(kind)


def _converter(kind: Any) -> Convert:
    if get_origin(kind) is UnionType:
        (inner,) = (option for option in get_args(kind) if option is not NoneType)
        return _optional(_converter(inner))
    if get_origin(kind) is tuple:
        return partial(_items, convert=_converter(get_args(kind)[0]))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return partial(_symbol, kind=kind)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return lambda value: build(kind, value, kind.__name__)
    return {str: _text, int: _whole, float: _number, bool: _truth}[kind]


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None or value == "" else convert(value)


def _items(value: object, convert: Convert) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise FormError(f"{_shown(value)} is no list")
    return tuple(convert(item) for item in value)


def _symbol(value: object, kind: type[StrEnum]) -> StrEnum:
    try:
        return kind(str(value).upper())
    except ValueError as error:
        known = ", ".join(symbol for symbol in kind if symbol != "UNKNOWN")
        raise FormError(f"{_shown(value)} is none of {known}") from error


def _text(value: object) -> str:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise FormError(f"{_shown(value)} has half a character")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise FormError(f"{_shown(value)} is no text; put it in quotes")


def _number(value: object) -> float:
    if isinstance(value, str):
        truth = _TRUTH.get(value.lower())
        if truth is not None:
            return truth
    if isinstance(value, str | int | float):
        try:
            return float(value)
        except ValueError:
            pass
    raise FormError(f"{_shown(value)} is no number")


def _whole(value: object) -> int:
    number = _number(value)
    if not number.is_integer() or abs(number) >= _TOO_LARGE:
        raise FormError(f"{_shown(value)} is no whole number of 64 bits")
    return int(value) if isinstance(value, int) else int(number)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        raise FormError(f"{_shown(value)} is neither true nor false")
    return bool(truth)


def is_moment(field: str) -> bool:
    """Returns True if a field of what people write holds a time."""
    return field.endswith("_at") or field == "from_"


def unit_written(value: object) -> str | None:
    """The unit in which a number was written that is a plausible moment; None of what is no number,
    or of none.
    """
    return unit_of(float(str(value))) if _is_numeric(value) else None


def _is_numeric(value: object) -> bool:
    try:
        return not isinstance(value, bool) and isfinite(float(str(value)))
    except ValueError:
        return False


def _moment(value: object, times: Times) -> int:
    """Milliseconds since 1970. A time without a zone is UTC."""
    if isinstance(value, datetime):
        return _milliseconds(value)
    if isinstance(value, date):
        return _milliseconds(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if times in ("ms", "s") or (times != "iso" and _is_numeric(value)):
        return _counted(value, times)
    try:
        return _milliseconds(datetime.fromisoformat(str(value).strip()))
    except ValueError as error:
        raise FormError(
            f"{_shown(value)} is no time (ISO 8601, or milliseconds since 1970)"
        ) from error


def _counted(value: object, times: Times) -> int:
    """Milliseconds out of a number of units: the stated one, or where none is stated that in which
    it is plausible.
    """
    number, known = _finite(value), unit_written(value)
    stated = {"s": "seconds", "ms": "milliseconds", "written": "milliseconds"}.get(times)
    if known is None:
        raise FormError(
            f"{_shown(value)} is no time from 2000 to 2099 in {stated or 'any unit'} since 1970"
        )
    if stated is not None and known != stated:
        raise FormError(f"{_shown(value)} looks like {known} since 1970, not {stated}")
    exact = Fraction(str(value).strip()) if isinstance(value, str | int) else Fraction(number)
    return round(exact * UNITS[known])


def _finite(value: object) -> float:
    number = _number(value)
    if not isfinite(number):
        raise FormError(f"{_shown(value)} is no time")
    return number


def _milliseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000)


def _written(name: str) -> str:
    return name[:-1] if iskeyword(name[:-1]) else name


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
