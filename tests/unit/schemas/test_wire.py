"""Framing, headers, and the codec that has the last word on what a record is."""

import json
from dataclasses import replace

import pytest

from schemas.catalog import RECORDS, local_ids, local_schema_id, schema_text
from schemas.codec.framing import Codec, cloud_event_headers, frame, unframe
from schemas.records import ResultKind, Share, ShareStep, Step, SubjectRow, Tick
from schemas.refusals import DecodeError
from tests.support.builders import result, spec
from tests.support.samples import (
    BROKEN_RESULTS,
    CODEC,
    ODD_RESULTS,
    result_body,
    sample,
    text,
    varint,
)

RESULT_ID = local_schema_id("ExperimentResult")


def refusal(record: str, value: bytes | None, codec: Codec = CODEC) -> tuple[str, str]:
    with pytest.raises(DecodeError) as caught:
        codec.decode(record, value)
    return caught.value.reason, caught.value.sentence


def test_a_frame_is_a_zero_the_id_and_the_body() -> None:
    assert frame(0x40000001, b"body") == b"\x00\x40\x00\x00\x01body"
    assert unframe(b"\x00\x40\x00\x00\x01body") == (0x40000001, b"body")


@pytest.mark.parametrize("value", [b"", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x01body"])
def test_what_has_no_frame_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError, match="no schema id"):
        unframe(value)


def test_cloud_event_headers_are_binary_mode() -> None:
    headers = cloud_event_headers(
        "mendstream.Decision", "id-1", "/mendstream", 1_700_000_000_007, "größe"
    )
    assert headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"id-1"),
        ("ce_source", b"/mendstream"),
        ("ce_type", b"mendstream.Decision"),
        ("ce_time", b"2023-11-14T22:13:20.007Z"),
        ("ce_subject", "größe".encode()),
        ("content-type", b"application/avro"),
    ]


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_comes_back_as_it_went(name: str) -> None:
    record = sample(name)
    assert CODEC.decode(name, CODEC.encode(record)) == record


def test_absent_fields_come_back_absent() -> None:
    assert CODEC.decode("ExperimentResult", CODEC.encode(result())) == result()
    assert CODEC.decode("ExperimentSpec", CODEC.encode(spec(share_steps=()))) == spec(
        share_steps=()
    )


def test_the_field_that_python_cannot_name_is_from_on_the_wire() -> None:
    value = CODEC.encode(spec(share_steps=(ShareStep(from_=5, shares=(Share("b", 1.0),)),)))
    assert CODEC.read("ExperimentSpec", value)["share_steps"] == [
        {"from": 5, "shares": [{"variant": "b", "share": 1.0}]}
    ]


@pytest.mark.parametrize("name", BROKEN_RESULTS)
def test_broken_bytes_are_refused(name: str) -> None:
    reason, sentence = refusal("ExperimentResult", frame(RESULT_ID, BROKEN_RESULTS[name]))
    assert reason in ("TRUNCATED", "TRAILING_BYTES", "BAD_UTF8", "UNDECODABLE")
    assert sentence


@pytest.mark.parametrize("name", ODD_RESULTS)
def test_odd_but_whole_bytes_are_taken(name: str) -> None:
    CODEC.decode("ExperimentResult", frame(RESULT_ID, ODD_RESULTS[name]))


@pytest.mark.parametrize(
    ("body", "reason", "sentence"),
    [
        (
            result_body()[:-1],
            "TRUNCATED",
            "ExperimentResult.covariate: the bytes end within an integer",
        ),
        (result_body() + b"!", "TRAILING_BYTES", "1 bytes follow a record of 39 bytes"),
        (result_body(kind=varint(-1)), "UNDECODABLE", "ExperimentResult.kind: symbol -1 of 3"),
        (
            result_body(unit_id=varint(2)),
            "UNDECODABLE",
            "ExperimentResult.unit_id: branch 2 of a union of 2",
        ),
        (
            result_body(event_id=varint(-1)),
            "UNDECODABLE",
            "ExperimentResult.event_id: a string of -1 bytes",
        ),
        (
            result_body(metric=text(b"\xff")),
            "BAD_UTF8",
            "ExperimentResult.metric is not UTF-8: b'\\xff'",
        ),
    ],
)
def test_a_refusal_names_the_field_and_the_value(body: bytes, reason: str, sentence: str) -> None:
    assert refusal("ExperimentResult", frame(RESULT_ID, body)) == (reason, sentence)


def test_an_integer_of_more_than_32_bits_is_refused_where_avro_says_int() -> None:
    body = varint(1 << 31) + varint(0)
    assert refusal("Tick", frame(local_schema_id("Tick"), body)) == (
        "UNDECODABLE",
        "Tick.partition: 2147483648 is not a 32-bit integer",
    )


def test_a_boolean_is_0_or_1() -> None:
    value = bytearray(CODEC.encode(sample("RollbackCommand")))
    value[-1] = 2
    reason, sentence = refusal("RollbackCommand", bytes(value))
    assert (reason, sentence) == ("UNDECODABLE", "RollbackCommand.dry_run: 2 is not a boolean")


def test_arrays_in_several_or_sized_blocks_are_read() -> None:
    """Go's hamba/avro sends the size of each block, with a negative count."""
    ticks = varint(-1) + varint(2) + text(b"a") + varint(1) + text(b"b") + varint(0)
    whole = CODEC.encode(spec(treatments=("a", "b"), share_steps=(), metrics=()))
    assert whole.count(varint(2) + text(b"a") + text(b"b") + varint(0)) == 1
    value = whole.replace(varint(2) + text(b"a") + text(b"b") + varint(0), ticks)
    assert CODEC.decode("ExperimentSpec", value) == spec(
        treatments=("a", "b"), share_steps=(), metrics=()
    )


def test_an_array_that_announces_more_than_there_is_costs_nothing() -> None:
    value = CODEC.encode(spec(treatments=(), share_steps=(), metrics=()))
    at = value.index(text(b"control")) + len(text(b"control"))
    reason, sentence = refusal("ExperimentSpec", value[:at] + varint(1 << 60))
    assert (reason, sentence) == (
        "TRUNCATED",
        "ExperimentSpec.treatments: 1152921504606846976 items announced, 0 bytes left",
    )


def test_no_value_is_a_tombstone() -> None:
    assert refusal("Tick", None) == ("TOMBSTONE", "no value")


def test_a_strangers_value_may_be_64_kib_and_a_row_of_ours_may_be_more() -> None:
    big = "x" * 70_000
    reason, sentence = refusal("ExperimentSpec", CODEC.encode(spec(control=big)))
    assert reason == "TOO_LARGE"
    assert sentence.endswith(" bytes, more than 65536")
    row = SubjectRow(big, 1, 0)
    assert CODEC.decode("SubjectRow", CODEC.encode(row)) == row


def test_an_unknown_schema_is_refused_and_so_is_another_records() -> None:
    assert refusal("Tick", frame(99, b""))[0] == "UNKNOWN_SCHEMA"
    assert refusal("Tick", CODEC.encode(result()))[0] == "UNKNOWN_SCHEMA"
    assert CODEC.knows(local_schema_id("ExperimentResult"))
    assert not CODEC.knows(99)


def older_schema() -> str:
    """ExperimentResult before it had `assigned_at`, with a field dropped since and a kind not known
    here.
    """
    schema = json.loads(schema_text("ExperimentResult"))
    schema["fields"] = [
        {"name": "source", "type": "string"},
        *(field for field in schema["fields"] if field["name"] != "assigned_at"),
    ]
    kind = next(field for field in schema["fields"] if field["name"] == "kind")
    kind["type"]["symbols"] = ["UNKNOWN", "OBSERVATION", "GUESS"]
    return json.dumps(schema)


def test_what_an_older_schema_wrote_is_read_as_the_present_one() -> None:
    codec = Codec(local_ids(), {12: older_schema()})
    body = text(b"legacy") + result_body(assigned_at=b"")
    expected = CODEC.decode("ExperimentResult", frame(RESULT_ID, result_body()))
    assert codec.decode("ExperimentResult", frame(12, body)) == expected
    assert codec.knows(12)


def test_a_symbol_not_known_here_becomes_unknown() -> None:
    codec = Codec(local_ids(), {12: older_schema()})
    body = text(b"legacy") + result_body(kind=varint(2), assigned_at=b"")
    expected = CODEC.decode("ExperimentResult", frame(RESULT_ID, result_body()))
    assert codec.decode("ExperimentResult", frame(12, body)) == replace(
        expected, kind=ResultKind.UNKNOWN
    )


def test_an_older_schema_that_cannot_be_resolved_refuses_its_values() -> None:
    schema = {
        "type": "record",
        "name": "Tick",
        "namespace": "mendstream",
        "fields": [{"name": "n", "type": "long"}],
    }
    codec = Codec(local_ids(), {5: json.dumps(schema)})
    reason, sentence = refusal("Tick", frame(5, varint(1)), codec)
    assert reason == "UNDECODABLE"
    assert sentence.startswith("not readable as Tick with schema 5: ")


def test_an_older_schema_of_another_record_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="schema 5 is of Tick, which this codec does not read"):
        Codec({"Policy": 1}, {5: schema_text("Tick")})


def test_encoding_uses_the_ids_given() -> None:
    codec = Codec({"Tick": 3})
    assert unframe(codec.encode(Tick(1, 2))) == (3, varint(1) + varint(2))
    assert codec.schema_id("Tick") == 3


def test_bytes_and_maps_come_back() -> None:
    assert CODEC.decode("JournalEntry", CODEC.encode(sample("JournalEntry"))) == sample(
        "JournalEntry"
    )
    assert Step("t", 0, 1).record is None
