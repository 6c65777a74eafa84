"""A release before this one, that is: two schemas without fields that were added with a default."""

import json
from typing import Any

import pytest

from schemas.catalog import local_ids, local_schema_id, schema_text
from schemas.codec.framing import Codec

ADDED = {
    "JournalEntry": {"rows"},
    "ExperimentRow": {"candidate_version", "baseline_version", "autonomy"},
}
IDS = {"JournalEntry": 1_001, "ExperimentRow": 1_002}  # as a registry would count


def older_text(record: str) -> str:
    schema: dict[str, Any] = json.loads(schema_text(record))
    schema["fields"] = [
        field for field in schema["fields"] if field["name"] not in ADDED.get(record, ())
    ]
    return json.dumps(schema)


def newer_codec() -> Codec:
    """This release's, which a registry tells of the schemas before."""
    return Codec(local_ids(), {number: older_text(record) for record, number in IDS.items()})


def older_codec() -> Codec:
    """The other's, which a registry tells of those that came after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.codec.framing.schema_text", older_text)
        return Codec(
            local_ids() | IDS, {local_schema_id(record): schema_text(record) for record in IDS}
        )
