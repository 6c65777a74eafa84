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
    byte.
    """

    name: str
    kind: Kind
    nullable: bool
    symbols: tuple[str, ...] = ()


@cache
def flat_fields(record: str) -> tuple[FlatField, ...]:
    """The fields of a flat record in the schema's order; AssertionError for a record with arrays,
    maps or records.
    """
    symbols: dict[str, tuple[str, ...]] = {}
    return tuple(
        _flat_field(record, field, symbols) for field in plain_schema(schema_text(record))["fields"]
    )


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
        return FlatField(field["name"], "enum", nullable, symbols[kind])
    assert kind in _ARROW, f"{record}.{field['name']} is a {kind}, so {record} is not flat"
    return FlatField(field["name"], kind, nullable)


def _widened(schema: Any) -> Any:
    match schema:
        case "int":
            return "long"
        case dict():
            return {key: _widened(value) for key, value in schema.items()}
        case list():
            return [_widened(item) for item in schema]
    return schema
