"""The table of topics agrees with the schemas beside it."""

from importlib.resources import files

import pytest

from schemas import catalog
from schemas.catalog import (
    COMMANDS,
    RECORDS,
    TOPICS,
    local_ids,
    local_schema_id,
    plain_schema,
    schema_text,
)


def test_each_schema_has_one_topic_and_each_topic_a_schema() -> None:
    there = [path.name for path in files("schemas").joinpath("avro").iterdir()]
    on_disk = {name.removesuffix(".avsc") for name in there if name != "older"}
    assert set(RECORDS) == on_disk
    kept = {
        catalog.TABLES_POLICIES,
        catalog.TABLES_TRUST_LEVELS,
    }  # rows are the very records that were accepted
    assert len(RECORDS) == len(set(RECORDS)) == len(TOPICS.keys() - kept) - 1


def test_each_named_topic_is_in_the_table() -> None:
    named = {
        value for name, value in vars(catalog).items() if name.isupper() and isinstance(value, str)
    }
    assert named | set(COMMANDS.values()) == set(TOPICS)


def test_only_dead_letters_hold_bytes_that_are_not_ours() -> None:
    assert [topic.name for topic in TOPICS.values() if topic.record is None] == [
        catalog.DEAD_LETTERS
    ]


def test_commands_must_be_readable_both_ways_and_the_rest_by_newer_readers() -> None:
    full = {topic.name for topic in TOPICS.values() if topic.compatibility == "FULL_TRANSITIVE"}
    assert full == set(COMMANDS.values())


def test_tables_and_policies_are_compacted_and_nothing_else() -> None:
    compacted = {topic.name for topic in TOPICS.values() if topic.cleanup == "compact"}
    assert compacted == {name for name in TOPICS if name.startswith("tables.")} | set(
        catalog.BROADCASTS
    )


def test_only_the_broadcast_has_a_partition_count_of_its_own() -> None:
    assert [topic.name for topic in TOPICS.values() if topic.partitions != "co"] == list(
        catalog.BROADCASTS
    )


def test_local_ids_differ_and_cannot_meet_a_registrys() -> None:
    ids = local_ids().values()
    assert len(set(ids)) == len(RECORDS)
    assert all(0x40000000 <= schema_id < 0x80000000 for schema_id in ids)


def test_a_local_id_does_not_depend_on_the_process() -> None:
    assert local_schema_id("Tick") == 1752576773


def test_a_record_without_a_schema_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        schema_text("Nothing")


def test_plain_schemas_hold_no_logical_types() -> None:
    assert plain_schema(schema_text("Tick"))["fields"][1] == {
        "name": "ticked_at",
        "type": {"type": "long"},
    }
