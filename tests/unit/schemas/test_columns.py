"""Batches become columns, and bad rows neither spoil nor shift their neighbours."""

import json

import numpy as np
import pyarrow as pa
import pyruhvro
import pytest

from schemas.catalog import RECORDS, local_ids, local_schema_id, schema_text
from schemas.codec import columns
from schemas.codec.columns import decode, encode_batch
from schemas.codec.flat_schema import arrow_schema, flat_fields
from schemas.codec.framing import MAX_BYTES, Codec, frame
from schemas.records import Tick
from tests.support.builders import result
from tests.support.samples import (
    BROKEN_RESULTS,
    CODEC,
    ODD_RESULTS,
    result_body,
    sample,
    varint,
)

RESULT_ID = local_schema_id("ExperimentResult")
FLAT = [
    *(
        "ExperimentResult",
        "ModelMetric",
        "CommandStatus",
        "Tick",
        "Recommendation",
        "RecommendationOutcome",
        "Request",
    ),
    *(
        "TrustLevel",
        "TrustFact",
        "LearningFact",
        "Alert",
        "ArmPoint",
        "ArmRow",
        "FollowupRow",
        "AgentDayRow",
        "Review",
        "Proposal",
    ),
    *("Admission", "Transition"),
]
GOOD = CODEC.encode(result())


def rows_alone(values: list[bytes | None], record: str) -> list[object]:
    return [CODEC.read(record, value) for value in values]


@pytest.mark.parametrize("record", FLAT)
def test_columns_hold_what_the_codec_reads(record: str) -> None:
    values = [CODEC.encode(sample(record)) for _ in range(3)]
    decoded = decode(values, record, CODEC)
    assert decoded.batch.schema == arrow_schema(record)
    assert decoded.batch.to_pylist() == rows_alone([*values], record)
    assert (decoded.rows.tolist(), decoded.refused) == ([0, 1, 2], ())


@pytest.mark.parametrize("record", FLAT)
def test_encoded_columns_are_what_the_codec_writes(record: str) -> None:
    values = [CODEC.encode(sample(record)) for _ in range(3)]
    assert encode_batch(decode(values, record, CODEC).batch, record, CODEC) == values


def test_moments_are_int64_and_enums_are_symbols() -> None:
    kinds = {field.name: field.type for field in arrow_schema("ExperimentResult")}
    assert (kinds["occurred_at"], kinds["kind"]) == (pa.int64(), pa.string())


def test_a_record_with_arrays_is_no_table_of_columns() -> None:
    nested = [record for record in RECORDS if record not in FLAT]
    for record in nested:
        with pytest.raises(AssertionError, match="not flat"):
            flat_fields(record)


@pytest.mark.parametrize("name", BROKEN_RESULTS)
def test_a_broken_row_alone_is_refused(name: str) -> None:
    values: list[bytes | None] = [GOOD, GOOD, frame(RESULT_ID, BROKEN_RESULTS[name]), GOOD]
    decoded = decode(values, "ExperimentResult", CODEC)
    assert decoded.rows.tolist() == [0, 1, 3]
    assert decoded.batch.to_pylist() == rows_alone([GOOD, GOOD, GOOD], "ExperimentResult")
    assert [refused.index for refused in decoded.refused] == [2]


@pytest.mark.parametrize("name", ODD_RESULTS)
def test_an_odd_row_is_read_as_the_codec_reads_it(name: str) -> None:
    values: list[bytes | None] = [GOOD, frame(RESULT_ID, ODD_RESULTS[name]), GOOD]
    decoded = decode(values, "ExperimentResult", CODEC)
    assert decoded.batch.to_pylist() == rows_alone(values, "ExperimentResult")


def test_each_way_to_be_bad_has_its_reason() -> None:
    values = [
        None,
        b"\x00" * (MAX_BYTES + 1),
        b"",
        b"\x01" + GOOD[1:],
        frame(7, b"anything"),
        GOOD[:-1],
        GOOD + b"\x00",
        frame(RESULT_ID, BROKEN_RESULTS["bad UTF-8"]),
        frame(RESULT_ID, BROKEN_RESULTS["enum 3"]),
        GOOD,
    ]
    decoded = decode(values, "ExperimentResult", CODEC)
    assert decoded.rows.tolist() == [9]
    assert [(refused.index, refused.reason) for refused in decoded.refused] == [
        (0, "TOMBSTONE"),
        (1, "TOO_LARGE"),
        (2, "NOT_FRAMED"),
        (3, "NOT_FRAMED"),
        (4, "UNKNOWN_SCHEMA"),
        (5, "TRUNCATED"),
        (6, "TRAILING_BYTES"),
        (7, "BAD_UTF8"),
        (8, "UNDECODABLE"),
    ]


def test_a_value_of_the_greatest_size_is_read() -> None:
    long = CODEC.encode(result(event_id="x" * (MAX_BYTES - len(GOOD) - 2 + 36)))
    assert len(long) == MAX_BYTES
    assert decode([GOOD, long], "ExperimentResult", CODEC).rows.tolist() == [0, 1]


def test_no_values_are_no_rows() -> None:
    decoded = decode([], "ExperimentResult", CODEC)
    assert (decoded.batch.num_rows, decoded.batch.schema) == (0, arrow_schema("ExperimentResult"))
    assert decoded.rows.dtype == np.int64
    assert (decoded.rows.tolist(), decoded.refused) == ([], ())


def test_only_bad_values_are_no_rows_either() -> None:
    decoded = decode([None, b"short", GOOD[:-1]], "ExperimentResult", CODEC)
    assert (decoded.batch.num_rows, decoded.batch.schema, len(decoded.refused)) == (
        0,
        arrow_schema("ExperimentResult"),
        3,
    )


def test_values_too_short_for_the_batch_are_read_alone() -> None:
    values = [CODEC.encode(Tick(1, 0)), CODEC.encode(Tick(2, 1 << 40)), CODEC.encode(Tick(3, 1))]
    assert decode(values, "Tick", CODEC).batch.to_pylist() == [
        {"partition": 1, "ticked_at": 0},
        {"partition": 2, "ticked_at": 1 << 40},
        {"partition": 3, "ticked_at": 1},
    ]


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1])
def test_an_int_of_more_than_32_bits_is_refused_not_wrapped(number: int) -> None:
    good = CODEC.encode(Tick(-(1 << 31), 1 << 40))
    wide = frame(local_schema_id("Tick"), varint(number) + varint(1 << 40))
    assert len(wide) == len(good)
    decoded = decode([good, wide], "Tick", CODEC)
    assert decoded.batch.to_pylist() == [{"partition": -(1 << 31), "ticked_at": 1 << 40}]
    assert [refused.reason for refused in decoded.refused] == ["UNDECODABLE"]


def test_text_beyond_ascii_is_read_in_one_batch() -> None:
    values = [
        CODEC.encode(result(segment=segment))
        for segment in ("größe", None, "日本", "", "plain", "🙂")
    ]
    decoded = decode(values, "ExperimentResult", CODEC)
    assert decoded.batch.column("segment").to_pylist() == ["größe", None, "日本", "", "plain", "🙂"]


def test_rows_of_an_older_schema_stand_in_their_place() -> None:
    older = json.loads(schema_text("ExperimentResult"))
    older["fields"] = [field for field in older["fields"] if field["name"] != "assigned_at"]
    codec = Codec(local_ids(), {4: json.dumps(older)})
    values = [GOOD, frame(4, result_body(assigned_at=b"", count=varint(9))), GOOD]
    decoded = decode(values, "ExperimentResult", codec)
    assert decoded.batch.column("count").to_pylist() == [1, 9, 1]
    assert decoded.batch.schema == arrow_schema("ExperimentResult")


def test_a_batch_wholly_of_an_older_id_gives_the_same_columns() -> None:
    codec = Codec({"ExperimentResult": 4}, {RESULT_ID: schema_text("ExperimentResult")})
    values = [CODEC.encode(result(n, segment="ü" if n % 2 else None)) for n in range(20)]
    alone, together = (
        decode(values, "ExperimentResult", codec),
        decode(values, "ExperimentResult", CODEC),
    )
    assert alone.batch.equals(together.batch)
    assert alone.batch.schema == together.batch.schema


class PanicException(BaseException):
    """As pyo3 raises it: no child of Exception."""


def test_a_panic_in_rust_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object) -> None:
        raise PanicException

    monkeypatch.setattr(pyruhvro, "deserialize_array", panic)
    decoded = decode([GOOD, GOOD[:-1], GOOD], "ExperimentResult", CODEC)
    assert decoded.rows.tolist() == [0, 2]
    assert decoded.batch.to_pylist() == rows_alone([GOOD, GOOD], "ExperimentResult")


def test_an_interrupt_is_not_taken_for_a_panic(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyruhvro, "deserialize_array", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decode([GOOD], "ExperimentResult", CODEC)


def test_a_batch_of_good_rows_is_decoded_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = columns._pyruhvro

    def counted(bodies: list[bytes], record: str) -> object:
        calls.append(len(bodies))
        return real(bodies, record)

    monkeypatch.setattr(columns, "_pyruhvro", counted)
    decode([GOOD] * 50, "ExperimentResult", CODEC)
    assert calls == [50]
    decode([GOOD] * 49 + [GOOD[:-1]], "ExperimentResult", CODEC)
    assert calls == [50, 50, 50, 49]  # whole, without headers, then without the bad row


def test_encoding_casts_columns_and_finds_them_by_name() -> None:
    batch = pa.record_batch(
        {
            "ticked_at": pa.array([5, 6], pa.int32()),
            "partition": pa.array([1, 2], pa.int64()),
            "more": ["a", "b"],
        }
    )
    assert encode_batch(batch, "Tick", CODEC) == [
        CODEC.encode(Tick(1, 5)),
        CODEC.encode(Tick(2, 6)),
    ]


def test_encoding_takes_dictionaries_and_large_strings() -> None:
    values = [CODEC.encode(sample("Transition"))] * 2
    batch = decode(values, "Transition", CODEC).batch
    phase, reason = batch.schema.get_field_index("after"), batch.schema.get_field_index("detail")
    batch = batch.set_column(phase, "after", batch.column("after").dictionary_encode())
    batch = batch.set_column(reason, "detail", batch.column("detail").cast(pa.large_string()))
    assert encode_batch(batch, "Transition", CODEC) == values


def test_encoding_no_rows_gives_no_values() -> None:
    assert encode_batch(decode([], "Tick", CODEC).batch, "Tick", CODEC) == []


def test_encoding_refuses_what_pyruhvro_would_write_as_something_else() -> None:
    null = pa.record_batch({"partition": pa.array([None], pa.int32()), "ticked_at": [1]})
    with pytest.raises(AssertionError, match=r"Tick\.partition has a null"):
        encode_batch(null, "Tick", CODEC)
    wide = pa.record_batch({"partition": pa.array([1 << 31], pa.int64()), "ticked_at": [1]})
    with pytest.raises(pa.ArrowInvalid, match="not in range"):
        encode_batch(wide, "Tick", CODEC)


def test_encoding_refuses_a_symbol_that_is_not_in_the_schema() -> None:
    batch = decode([CODEC.encode(sample("Transition"))], "Transition", CODEC).batch
    phase = batch.schema.get_field_index("after")
    with pytest.raises(ValueError, match="NOPE"):
        encode_batch(batch.set_column(phase, "after", pa.array(["NOPE"])), "Transition", CODEC)
