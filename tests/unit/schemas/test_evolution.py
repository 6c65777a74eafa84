"""Schemas change only in ways that older readers and writers survive.

released.json holds, for each record, the texts of the schemas released so far, oldest first. To
release a change, run `python -m tests.unit.schemas.release`; it refuses one that is not safe.
"""

import json
from typing import Any

import pytest

from schemas.catalog import RECORDS, TOPICS, Compatibility, schema_text
from schemas.codec.evolution import unsafe
from tests.unit.schemas.release import RELEASED, faults


def changed(record: str = "Tick", **fields: Any) -> str:
    """A schema with fields added (a dict), retyped (a str) or removed (None)."""
    schema = json.loads(schema_text(record))
    kept = [
        {**field, "type": fields.get(field["name"], field["type"])}
        for field in schema["fields"]
        if fields.get(field["name"], "") is not None
    ]
    added = [{"name": name, **field} for name, field in fields.items() if isinstance(field, dict)]
    return json.dumps({**schema, "fields": kept + added})


TICK = schema_text("Tick")


@pytest.mark.parametrize(
    ("new", "backward", "full"),
    [
        (TICK, True, True),
        (changed(note={"type": "string", "default": ""}), True, True),
        (changed(note={"type": "string"}), False, False),
        (changed(ticked_at=None), True, False),
        (changed(partition="long"), True, False),
        (changed(partition="string"), False, False),
    ],
)
def test_a_change_is_judged_by_who_must_read_what(new: str, backward: bool, full: bool) -> None:
    levels: dict[Compatibility, bool] = {"BACKWARD_TRANSITIVE": backward, "FULL_TRANSITIVE": full}
    assert {level: unsafe(TICK, new, level) is None for level in levels} == levels


def test_a_symbol_more_is_safe_both_ways_because_enums_have_a_default() -> None:
    old = schema_text("CommandStatus")
    assert unsafe(old, old.replace('"REFUSED"', '"REFUSED", "PAUSED"'), "FULL_TRANSITIVE") is None


def test_the_answer_names_the_place() -> None:
    assert unsafe(TICK, changed(note={"type": "string"}), "BACKWARD_TRANSITIVE") == (
        "the new schema cannot read what the old one wrote: reader_field_missing_default_value at "
        "/fields/2: note"
    )


def test_what_is_no_schema_is_an_error() -> None:
    with pytest.raises(ValueError, match="not an Avro schema"):
        unsafe(TICK, '{"type": "nothing"}', "BACKWARD_TRANSITIVE")


@pytest.mark.parametrize("record", RECORDS)
def test_the_present_schema_is_safe_after_every_released_one(record: str) -> None:
    assert faults(record, RELEASED.get(record, [])) == []


@pytest.mark.parametrize("record", RECORDS)
def test_the_present_schema_is_the_last_released_one(record: str) -> None:
    assert json.loads(RELEASED[record][-1]) == json.loads(schema_text(record)), (
        "python -m tests.unit.schemas.release"
    )


def test_nothing_released_is_forgotten() -> None:
    assert set(RELEASED) == {topic.record for topic in TOPICS.values() if topic.record}
