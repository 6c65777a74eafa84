"""Which older schemas the compiled decoder takes as they lie, and what it makes of their fields."""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.catalog import schema_text
from schemas.codec import flat_schema
from schemas.codec.flat_schema import fields_written, flat_fields
from schemas.codec.framing import HEADER_BYTES, header
from schemas.codec.record_scan import form_of, room_for, scan, writers_of
from schemas.compiled import read_only
from tests.support.builders import CODEC, result

RESULT = "ExperimentResult"
FIELDS = len(flat_fields(RESULT))
PRESENT, OLDER = CODEC.schema_id(RESULT), 17


def changed(change: Callable[[list[dict[str, Any]]], object]) -> str:
    schema = json.loads(schema_text(RESULT))
    change(schema["fields"])
    return json.dumps(schema)


def _retyped(fields: list[dict[str, Any]]) -> None:
    fields[8]["type"] = "long"


def _renamed(fields: list[dict[str, Any]]) -> None:
    fields[3]["name"] = "arm"


@pytest.mark.parametrize(
    ("change", "written"),
    [
        (lambda fields: None, FIELDS),
        (lambda fields: fields.pop(), FIELDS - 1),
        (lambda fields: (fields.pop(), fields.pop()), FIELDS - 2),
        (lambda fields: fields[0].update(doc="other words"), FIELDS),
        (lambda fields: fields.pop(4), None),
        (lambda fields: fields.reverse(), None),
        (lambda fields: fields.append({"name": "more", "type": "long"}), None),
        (_retyped, None),
        (_renamed, None),
        # Its moment has no default, so nothing stands for what is missing.
        (lambda fields: [fields.pop() for _ in range(3)], None),
    ],
)
def test_a_schema_is_taken_that_lacks_only_fields_at_the_end(
    change: Callable[[list[dict[str, Any]]], object], written: int | None
) -> None:
    text = changed(change)
    assert fields_written(RESULT, text) == written
    writers = writers_of(RESULT, PRESENT, ((OLDER, text),))
    expected = [FIELDS] if written is None else [FIELDS, written]
    assert writers.written.tolist() == expected


def test_fields_that_were_not_written_are_absent_whatever_the_record_before_had() -> None:
    text = changed(lambda fields: (fields.pop(), fields.pop()))
    form, writers = form_of(RESULT), writers_of(RESULT, PRESENT, ((OLDER, text),))
    fields = room_for(form)
    whole = CODEC.encode(result(1, assigned_at=1_700_000_000_001, covariate=2.5))
    older = header(OLDER) + CODEC.encode(result(1))[HEADER_BYTES:-2]
    for value, known in ((whole, True), (older, False)):
        data = read_only(np.frombuffer(value, np.uint8))
        assert scan(data, 0, len(value), writers, form, fields)
        assert fields["present"][-2:].tolist() == [known, known]
    assert (np.isnan(fields["value"][-1]), fields["number"][-2]) == (True, 0)
    for wrong in (older[:-1], older + b"\x00", header(OLDER + 1) + older[HEADER_BYTES:]):
        data = read_only(np.frombuffer(wrong, np.uint8))
        assert not scan(data, 0, len(wrong), writers, form, fields)


def test_a_number_that_stands_for_a_missing_field_is_the_schemas_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a record made up here, for no result has such a field at its end."""
    old = [{"name": "event_id", "type": "string"}]
    symbols = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
    new = [
        {"name": "count", "type": "long", "default": 3},
        {"name": "size", "type": "double", "default": 0.5},
        {"name": "sound", "type": "boolean", "default": True},
        {"name": "colour", "type": symbols, "default": "BLUE"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ]
    texts = [
        json.dumps({"type": "record", "name": "Made", "fields": each})
        for each in (old, [*old, *new])
    ]
    monkeypatch.setattr(flat_schema, "schema_text", lambda _record: texts[1])
    form, writers = form_of("Made"), writers_of("Made", 1, ((2, texts[0]),))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, json.loads(texts[0]), {"event_id": "e"})
    value, fields = header(2) + body.getvalue(), room_for(form)
    data = read_only(np.frombuffer(value, np.uint8))
    assert scan(data, 0, len(value), writers, form, fields)
    assert fields["present"].tolist() == [True, True, True, True, True, False]
    assert fields["number"].tolist() == [0, 3, 0, 1, 1, 0]
    assert fields["value"][2] == 0.5
    # Nothing can stand for a text.
    added = [*old, {"name": "text", "type": "string", "default": "x"}]
    texts[1] = json.dumps({"type": "record", "name": "Made", "fields": added})
    flat_fields.cache_clear()
    assert fields_written("Made", texts[0]) is None
    for cached in (flat_fields, form_of, writers_of):
        cached.cache_clear()
