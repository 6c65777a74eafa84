"""docs/reference/records.md: each record with its fields, from schemas/avro."""

import json
from collections.abc import Iterator
from typing import Any

from schemas.catalog import RECORDS, TOPICS, schema_text
from tests.reference.markdown import cell, page, sentence, table

_HEADER = ("field", "type", "default", "meaning")


def records_page() -> str:
    topics: dict[str, list[str]] = {}
    for topic in TOPICS.values():
        if topic.record is not None:
            topics.setdefault(topic.record, []).append(topic.name)
    parts = []
    for name in sorted(RECORDS):
        schema = json.loads(schema_text(name))
        where = ", ".join(f"`{topic}`" for topic in topics[name])
        parts.append(f"## {name}\n\n{sentence(schema.get('doc', ''))}On {where}.")
        parts += list(_tables(schema, top=True))
    return page(
        "Records and their fields",
        "Each record is Avro in Confluent's wire format; [schemas/avro](../../schemas/avro) holds "
        "the schemas themselves. Moments are milliseconds since 1970 UTC. A field with a default "
        "may be left out. `?` behind a type means that the field may be null.",
        *parts,
    )


def _tables(schema: dict[str, Any], top: bool = False) -> Iterator[str]:
    """The table of a record, then those of the records within it."""
    if not top:
        yield f"**{schema['name']}**: {schema.get('doc', '')}".removesuffix(": ")
    rows = [
        (
            f"`{field['name']}`",
            _type(field["type"]),
            f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else "",
            cell(field.get("doc", "")),
        )
        for field in schema["fields"]
    ]
    yield table(_HEADER, rows)
    for inner in _inner(schema["fields"]):
        yield from _tables(inner)


def _inner(fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records that are defined within these fields."""
    for field in fields:
        waiting = [field["type"]]
        while waiting:
            kind = waiting.pop()
            if isinstance(kind, list):
                waiting += kind
            elif isinstance(kind, dict) and kind["type"] == "record":
                yield kind
            elif isinstance(kind, dict):
                waiting += [kind[key] for key in ("items", "values") if key in kind]


def _type(kind: Any) -> str:
    """A type for people.

    >>> _type(["null", {"type": "array", "items": "string"}])
    'list of string?'
    """
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        named = " or ".join(_type(one) for one in kind if one != "null")
        return f"{named}?" if "null" in kind else named
    match kind["type"]:
        case "array":
            return f"list of {_type(kind['items'])}"
        case "map":
            return f"map of {_type(kind['values'])}"
        case "enum":
            return f"{kind['name']}: {', '.join(kind['symbols'])}"
        case "record":
            return str(kind["name"])
    return str(kind.get("logicalType", kind["type"]))
