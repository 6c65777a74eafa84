"""Records as JSON, and what OpenAPI says of them; both by their Avro schemas.

Moments are ISO 8601 in UTC, and null where a record has -1 for "never". Bytes are left out.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from schemas.catalog import schema_text
from schemas.codec.framing import Codec
from streams.files.rendering import moment

Json = dict[str, Any]
_MOMENT = "timestamp-millis"
_PLAIN: dict[str, Json] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": ["number", "null"]},  # what is no number is null
    "double": {"type": ["number", "null"]},
    "boolean": {"type": "boolean"},
}
Render = Callable[[Any], Any]


def rendered(codec: Codec, record: str, value: bytes) -> Json:
    """A framed value of our own as JSON knows it."""
    return render(record, codec.read(record, value, own=True))


def render(record: str, fields: Mapping[str, Any]) -> Json:
    """A record's fields, moments as int ms, as JSON knows them."""
    made: Json = _renderer(record)(fields)
    return made


def moment_or_none(ms: int | None) -> str | None:
    """A moment as it is shown; None where there is none."""
    return None if ms is None or ms < 0 else moment(ms)


@cache
def described(record: str) -> Json:
    """What OpenAPI says of a record: a JSON schema with everything that its Avro schema tells."""
    return _described(json.loads(schema_text(record)), {})


@cache
def _renderer(record: str) -> Render:
    found = _render(json.loads(schema_text(record)), {})
    assert found is not None, f"{record} has moments or bytes, or it needs no rendering"
    return found


def _render(schema: Any, named: dict[str, Render | None]) -> Render | None:
    """How values of a schema become JSON; None where they are it already."""
    match schema:
        case {"type": "bytes"} | "bytes":
            return _nothing
        case {"logicalType": kind} if kind == _MOMENT:
            return moment_or_none
        case ["null", other]:
            inner = _render(other, named)
            return None if inner is None else partial(_optionally, inner)
        case {"type": "array", "items": items}:
            inner = _render(items, named)
            return None if inner is None else partial(_each, inner)
        case {"type": "record", "name": name, "fields": fields}:
            made = _record(fields, named)
            named[name] = made
            return made
        case {"type": dict() | list() as nested}:
            return _render(nested, named)
        case str():
            return named.get(schema.rpartition(".")[2])
    return None


def _record(fields: list[Json], named: dict[str, Render | None]) -> Render:
    renders = {field["name"]: _render(field["type"], named) for field in fields}
    left_out = {name for name, render in renders.items() if render is _nothing}
    left_out |= {field["name"] for field in fields if field["type"] in (["null", "bytes"], "bytes")}
    changed = {
        name: render
        for name, render in renders.items()
        if render is not None and name not in left_out
    }

    def made(values: Mapping[str, Any]) -> Json:
        shown = {name: value for name, value in values.items() if name not in left_out}
        for name, render in changed.items():
            shown[name] = render(shown[name])
        return shown

    return made


def _optionally(inner: Render, value: Any) -> Any:
    return None if value is None else inner(value)


def _each(inner: Render, values: list[Any]) -> list[Any]:
    return [inner(value) for value in values]


def _nothing(_value: Any) -> None:
    return None


def _described(schema: Any, named: dict[str, Json]) -> Json:
    match schema:
        case {"logicalType": kind} if kind == _MOMENT:
            return {"type": ["string", "null"], "format": "date-time"}
        case ["null", other]:
            return _optional(_described(other, named))
        case {"type": "array", "items": items}:
            return {"type": "array", "items": _described(items, named)}
        case {"type": "map", "values": values}:
            return {"type": "object", "additionalProperties": _described(values, named)}
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = {"type": "string", "enum": list(symbols)}
            return named[name]
        case {"type": "record", "name": name, "fields": fields}:
            named[name] = _object(schema, fields, named)
            return named[name]
        case {"type": nested}:
            return _described(nested, named)
    return _PLAIN.get(schema) or named[schema.rpartition(".")[2]]


def _object(schema: Json, fields: list[Json], named: dict[str, Json]) -> Json:
    shown = [field for field in fields if field["type"] not in (["null", "bytes"], "bytes")]
    properties = {}
    for field in shown:
        told = dict(_described(field["type"], named))
        if "doc" in field:
            told["description"] = field["doc"]
        properties[field["name"]] = told
    made: Json = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return made | ({"description": schema["doc"]} if "doc" in schema else {})


def _optional(told: Json) -> Json:
    kind = told.get("type")
    if "enum" in told:
        return {**told, "type": ["string", "null"], "enum": [*told["enum"], None]}
    if isinstance(kind, str):
        return {**told, "type": [kind, "null"]}
    return told if isinstance(kind, list) else {"anyOf": [told, {"type": "null"}]}
