"""Says whether a change of a schema is safe for those who still write or read the older one."""

from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import SchemaParseException

from schemas.catalog import Compatibility


def unsafe(old: str, new: str, level: Compatibility) -> str | None:
    """Returns why the schema `new` may not follow `old`; None where it may.

    BACKWARD: the new schema reads what the old one wrote. FULL: the old one reads what the new one
    writes as well. Transitivity is the caller's: ask for each released schema. Raises ValueError
    where a text is not a schema.
    """
    older, newer = _parsed(old), _parsed(new)
    if (why := _unreadable(newer, older)) is not None:
        return f"the new schema cannot read what the old one wrote: {why}"
    if level == "FULL_TRANSITIVE" and (why := _unreadable(older, newer)) is not None:
        return f"the old schema cannot read what the new one writes: {why}"
    return None


def _parsed(text: str) -> Any:
    try:
        return avro.schema.parse(text)
    except SchemaParseException as error:
        raise ValueError(f"not an Avro schema: {error}") from error


def _unreadable(reader: Any, writer: Any) -> str | None:
    checker: Any = ReaderWriterCompatibilityChecker  # untyped
    result = checker().get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return None
    kinds = ", ".join(sorted({kind.value for kind in result.incompatibilities}))
    places = ", ".join(sorted(result.locations - {"/"})) or "/"
    return f"{kinds} at {places}: {'; '.join(sorted(result.messages))}"
