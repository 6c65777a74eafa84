"""The records whose fields are all single values, and so become columns."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pyarrow as pa

from schemas.catalog import plain_schema, schema_text

MAGIC, SCHEMA_ID = "_magic", "_schema_id"  # names no field of ours has
Kind = Literal["string", "enum", "long", "int", "double", "boolean"]
_ARROW = {
    "string": pa.string(),
    "enum": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class FlatField:
    """One column. symbols: of an enum, in the schema's order; fewer than 65, so that each takes one
    byte. default: what an older writer leaves out stands for, an enum's as the number of its
    symbol; None where it is null, or where there is none.
    """

    name: str
    kind: Kind
    nullable: bool
    symbols: tuple[str, ...] = ()
    default: int | float | None = None


@cache
def flat_fields(record: str) -> tuple[FlatField, ...]:
    """The fields of a flat record in the schema's order; AssertionError for a record with arrays,
    maps or records.
    """
    symbols: dict[str, tuple[str, ...]] = {}
    return tuple(
        _flat_field(record, field, symbols) for field in plain_schema(schema_text(record))["fields"]
    )


def fields_written(record: str, older: str) -> int | None:
    """How many fields an older schema of a flat record has, where these are the first ones of the
    present schema, encoded alike, and what is missing has a default that is null or a number; None
    where it differs otherwise.
    """
    present, before = (plain_schema(text)["fields"] for text in (schema_text(record), older))
    count = len(before)
    alike = [(field["name"], field["type"]) for field in before] == [
        (field["name"], field["type"]) for field in present[:count]
    ]
    described = flat_fields(record)[count:]
    known = all(
        "default" in field and (field["default"] is None) == (flat.default is None)
        for field, flat in zip(present[count:], described, strict=True)
    )
    return count if alike and known else None


@cache
def arrow_schema(record: str) -> pa.Schema:
    """The columns of a flat record: moments int64 in ms, enums as their symbols, null only where
    Avro says so.
    """
    return pa.schema(
        [pa.field(each.name, _ARROW[each.kind], each.nullable) for each in flat_fields(record)]
    )


@cache
def pyruhvro_text(record: str) -> str:
    """The schema to give to pyruhvro: every int a long.

    The two are encoded alike, and pyruhvro wraps an int of more than 32 bits round where it should
    refuse it.
    """
    return json.dumps(_widened(plain_schema(schema_text(record))))


@cache
def framed_text(record: str) -> str:
    """The schema to give to pyruhvro for whole values: the magic byte as a boolean, the schema id
    as a float's four bytes.

    It saves cutting the header off every value.
    """
    schema = _widened(plain_schema(schema_text(record)))
    schema["fields"] = [
        {"name": MAGIC, "type": "boolean"},
        {"name": SCHEMA_ID, "type": "float"},
        *schema["fields"],
    ]
    return json.dumps(schema)


def _flat_field(
    record: str, field: dict[str, Any], symbols: dict[str, tuple[str, ...]]
) -> FlatField:
    inner = field["type"]
    nullable = isinstance(inner, list)
    if nullable:
        assert inner[:1] == ["null"], f"{record}.{field['name']} does not begin with null"
        _, inner = inner
    kind = inner["type"] if isinstance(inner, dict) else inner
    if kind == "enum":
        symbols[inner["name"]] = tuple(inner["symbols"])
        kind = inner["name"]
    if kind in symbols:
        assert len(symbols[kind]) <= 64, (
            f"{record}.{field['name']} has {len(symbols[kind])} symbols"
        )
        default = field.get("default")
        number = symbols[kind].index(default) if default is not None else None
        return FlatField(field["name"], "enum", nullable, symbols[kind], number)
    assert kind in _ARROW, f"{record}.{field['name']} is a {kind}, so {record} is not flat"
    return FlatField(field["name"], kind, nullable, (), _number(kind, field.get("default")))


def _number(kind: str, default: Any) -> int | float | None:
    """A default that is a number or a truth, as its kind has it; None of any other."""
    if default is None or kind == "string":
        return None
    return float(default) if kind == "double" else int(default)


def _widened(schema: Any) -> Any:
    match schema:
        case "int":
            return "long"
        case dict():
            return {key: _widened(value) for key, value in schema.items()}
        case list():
            return [_widened(item) for item in schema]
    return schema
