"""A row's own copy of its command is read whichever release wrote it: commands outlive upgrades."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import fastavro
import pytest

from agents.commands.ledger import stored
from schemas.catalog import COMMANDS, TOPICS, local_schema_id, older_command_schemas
from schemas.codec.framing import datum, header
from schemas.records import CommandRow, Order
from tests.support.samples import sample
from tests.unit.schemas.release import RELEASED

RECORDS = {order: TOPICS[topic].record or "" for order, topic in COMMANDS.items()}
KNOWN = older_command_schemas()


def written(schema_id: int, text: str, command: Any) -> bytes:
    """As a release with this schema wrote it."""
    buffer = BytesIO(header(schema_id))
    buffer.seek(0, 2)
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(json.loads(text)), datum(command))
    return buffer.getvalue()


def form(text: str) -> str:
    """What of a schema tells bytes apart: no words, no defaults."""
    return str(fastavro.schema.to_parsing_canonical_form(json.loads(text)))


def test_every_released_schema_of_a_command_is_kept() -> None:
    kept = {form(text) for text in KNOWN.values()}
    for record in RECORDS.values():
        present = form(RELEASED[record][-1])
        for text in RELEASED[record]:
            assert form(text) in kept | {present}, (
                f"copy this schema of {record} into schemas/avro/older: {text[:200]}"
            )
    assert not {local_schema_id(record) for record in RECORDS.values()} & KNOWN.keys()


@pytest.mark.parametrize("schema_id", sorted(KNOWN))
def test_a_copy_of_an_older_release_says_what_it_said(schema_id: int) -> None:
    text = KNOWN[schema_id]
    record = json.loads(text)["name"]
    command: Any = sample(record)
    row: Any = sample("CommandRow")
    order = next(Order(order) for order, name in RECORDS.items() if name == record)
    assert isinstance(row, CommandRow)
    found: Any = stored(replace(row, order=order, command=written(schema_id, text, command)))
    for field in json.loads(text)["fields"]:
        name = field["name"]
        if name not in ("evidence", "compensates"):
            assert getattr(found, name) == getattr(command, name), name
    assert len(found.evidence) == len(command.evidence)
