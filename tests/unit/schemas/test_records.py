"""The dataclasses and the .avsc files say the same."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from keyword import iskeyword
from typing import Any, get_type_hints

import pytest

from schemas import records
from schemas.catalog import RECORDS, schema_text
from schemas.codec.framing import named_class

PLAIN = {"string": str, "long": int, "int": int, "double": float, "boolean": bool, "bytes": bytes}


def named(schema: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Every record or enum of a schema, nested ones included."""
    match schema:
        case dict():
            if schema.get("type") == kind:
                yield schema
            for part in schema.values():
                yield from named(part, kind)
        case list():
            for part in schema:
                yield from named(part, kind)


def all_named(kind: str) -> dict[str, dict[str, Any]]:
    """By name, after a look that schemas which define the same name define the same thing."""
    found: dict[str, dict[str, Any]] = {}
    for record in RECORDS:
        for schema in named(json.loads(schema_text(record)), kind):
            bare = {key: value for key, value in schema.items() if key != "namespace"}
            assert found.setdefault(schema["name"], bare) == bare, (
                f"{schema['name']} has two definitions"
            )
    return found


WORDS = vars(records)
AVRO_RECORDS = all_named("record")
AVRO_ENUMS = all_named("enum")


def python_type(avro: Any) -> Any:
    match avro:
        case ["null", other]:
            return python_type(other) | None
        case {"type": "array", "items": items}:
            return tuple[python_type(items), ...]  # type: ignore[misc]
        case {"type": "map", "values": values}:
            return dict[str, python_type(values)]  # type: ignore[misc]
        case {"type": "record" | "enum", "name": name}:
            return named_class(name)
        case {"type": plain}:
            return PLAIN[plain]
    return PLAIN.get(avro) or named_class(avro)


def python_default(avro: Any) -> Any:
    return tuple(avro) if isinstance(avro, list) else avro


@pytest.mark.parametrize("name", AVRO_RECORDS)
def test_a_dataclass_has_its_schemas_fields_in_order_with_types_and_defaults(name: str) -> None:
    record = named_class(name)
    hints = get_type_hints(record)
    said = [(each.name, hints[each.name], default_of(each)) for each in fields(record)]
    meant = [
        (
            f"{field['name']}_" if iskeyword(field["name"]) else field["name"],
            python_type(field["type"]),
            python_default(field["default"]) if "default" in field else MISSING,
        )
        for field in AVRO_RECORDS[name]["fields"]
    ]
    assert said == meant


def default_of(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def test_no_dataclass_is_without_a_schema() -> None:
    said = {name for name, value in WORDS.items() if is_dataclass(value) and name != "Command"}
    assert said == set(AVRO_RECORDS)


def test_enums_have_the_schemas_symbols_in_order() -> None:
    said = {
        name: [symbol.value for symbol in value]
        for name, value in WORDS.items()
        if isinstance(value, type) and issubclass(value, StrEnum) and value is not StrEnum
    }
    assert said == {name: enum["symbols"] for name, enum in AVRO_ENUMS.items()}


def test_each_enum_begins_with_unknown_and_defaults_to_it() -> None:
    assert {(enum["symbols"][0], enum["default"]) for enum in AVRO_ENUMS.values()} == {
        ("UNKNOWN", "UNKNOWN")
    }


@pytest.mark.parametrize("name", AVRO_RECORDS)
def test_a_dataclass_says_what_its_schema_says_it_is(name: str) -> None:
    doc = " ".join(named_class(name).__doc__.split())
    assert doc == AVRO_RECORDS[name]["doc"]
