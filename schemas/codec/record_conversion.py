"""Dataclasses to what fastavro takes, and what it gives to dataclasses."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from keyword import iskeyword
from types import NoneType
from typing import Any

from schemas import records

# what stands in a record as it is; the other types are asked for their fields
_PLAIN = frozenset((str, int, float, bool, bytes, NoneType))


def datum(value: Any) -> Any:
    """A dataclass as fastavro takes it."""
    kind: type = type(value)
    if kind is tuple:
        return [item if type(item) in _PLAIN else datum(item) for item in value]
    names = _names(kind)
    if not names:
        return value
    return {
        avro: each if type(each := getattr(value, name)) in _PLAIN else datum(each)
        for name, avro in names
    }


def builder(schema: Any, named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The function that makes what fastavro gives into dataclasses, tuples and enums.

    named: the builders of the records and enums met so far, which Avro defines at their first use.
    """
    match schema:
        case str():
            return named.get(schema, _same)
        case ["null", other]:
            build = builder(other, named)
            return lambda value: None if value is None else build(value)
        case {"type": "array", "items": items}:
            build = builder(items, named)
            return lambda value: tuple(map(build, value))
        case {"type": "enum", "name": name}:
            named[name] = named_class(name)
            return named[name]
        case {"type": "record", "name": name, "fields": parts}:
            record = named_class(name)
            builders = [
                (part["name"], _python_name(part["name"]), builder(part["type"], named))
                for part in parts
            ]
            named[name] = lambda value: record(
                **{python: build(value[avro]) for avro, python, build in builders}
            )
            return named[name]
    return _same  # a map of plain values, or a long that was a moment


def named_class(avro_name: str) -> Any:
    """The dataclass or enum of a named type, with or without its namespace; AttributeError where
    there is none.
    """
    name = avro_name.rpartition(".")[2]
    return getattr(records, name)


def _python_name(avro_name: str) -> str:
    return f"{avro_name}_" if iskeyword(avro_name) else avro_name


@cache
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    """(dataclass field, Avro field) pairs; none of what is no dataclass."""
    if not is_dataclass(kind):
        return ()
    names = (each.name for each in fields(kind))
    return tuple((name, name[:-1] if iskeyword(name[:-1]) else name) for name in names)


def _same(value: Any) -> Any:
    return value
