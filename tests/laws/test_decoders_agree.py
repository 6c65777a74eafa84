"""Law: a batch decoded by columns says what each of its values says alone, whatever the bytes."""

from dataclasses import fields
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.columns import decode, encode_batch
from schemas.codec.flat_schema import arrow_schema
from schemas.codec.framing import Record, named_class
from schemas.records import ExperimentResult
from tests.support.builders import CODEC, result
from tests.support.decoding import each_alone, exact

FLAT = ("ExperimentResult", "ModelMetric", "CommandStatus", "Tick", "ArmRow", "Transition")
INT32 = ("attempt", "partition")
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
_LONG = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-70, 70)


def _values(kind: Any, name: str) -> st.SearchStrategy[Any]:
    if name in INT32:
        return st.integers(-(1 << 31), (1 << 31) - 1)
    if NoneType in get_args(kind):
        return st.none() | _values(get_args(kind)[0], name)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    return {str: _TEXT, int: _LONG, float: st.floats(), bool: st.booleans()}[kind]


@st.composite
def _records(draw: st.DrawFn, name: str) -> Record:
    record = named_class(name)
    hints = get_type_hints(record)
    filled: Record = record(
        **{each.name: draw(_values(hints[each.name], each.name)) for each in fields(record)}
    )
    return filled


@st.composite
def _mangled(draw: st.DrawFn, value: bytes) -> bytes | None:
    """A value cut, extended, overwritten or with bytes put in; now and then as it was, or none at
    all.
    """
    match draw(
        st.sampled_from(["whole", "none", "cut", "longer", "overwritten", "inserted", "any"])
    ):
        case "none":
            return None
        case "cut":
            return value[: draw(st.integers(0, len(value)))]
        case "longer":
            return value + draw(st.binary(min_size=1, max_size=12))
        case "overwritten":
            at, put = draw(st.integers(0, len(value) - 1)), draw(st.binary(min_size=1, max_size=12))
            return value[:at] + put + value[at + len(put) :]
        case "inserted":
            at = draw(st.integers(5, len(value)))
            return (
                value[:at]
                + draw(st.binary(min_size=1, max_size=12) | st.just(b"\x80"))
                + value[at:]
            )
        case "any":
            return value[:5] + draw(st.binary(max_size=80))
    return value


@st.composite
def _batches(draw: st.DrawFn) -> tuple[str, list[bytes | None]]:
    name = draw(st.sampled_from(FLAT))
    whole = [
        CODEC.encode(record) for record in draw(st.lists(_records(name), min_size=1, max_size=6))
    ]
    mangled = draw(st.sets(st.integers(0, len(whole) - 1)))
    return name, [draw(_mangled(value)) if n in mangled else value for n, value in enumerate(whole)]


@given(_batches())
def test_columns_say_what_each_value_says_alone(batch: tuple[str, list[bytes | None]]) -> None:
    name, values = batch
    rows, good, refused = each_alone(name, values)
    decoded = decode(values, name, CODEC)

    assert [exact(row) for row in decoded.batch.to_pylist()] == rows
    assert decoded.rows.tolist() == good
    assert [(each.index, each.reason, each.sentence) for each in decoded.refused] == refused
    assert decoded.batch.schema == arrow_schema(name)


@given(_batches())
def test_columns_written_anew_say_the_same(batch: tuple[str, list[bytes | None]]) -> None:
    name, values = batch
    decoded = decode(values, name, CODEC)
    again = decode(encode_batch(decoded.batch, name, CODEC), name, CODEC)
    assert [exact(row) for row in again.batch.to_pylist()] == [
        exact(row) for row in decoded.batch.to_pylist()
    ]
    assert again.refused == ()


@given(st.lists(st.sampled_from(FLAT).flatmap(_records), min_size=1, max_size=3))
def test_a_record_comes_back_as_it_went(sent: list[Record]) -> None:
    for record in sent:
        value = CODEC.encode(record)
        back = CODEC.decode(type(record).__name__, value)
        assert repr(back) == repr(record)
        assert CODEC.encode(back) == value


@given(st.lists(st.binary(max_size=60) | st.none(), max_size=20))
def test_strange_bytes_do_not_disturb_a_neighbour(strange: list[bytes | None]) -> None:
    good = CODEC.encode(result())
    values = [good, *strange, good]
    decoded = decode(values, "ExperimentResult", CODEC)
    kept = decoded.batch.to_pylist()
    assert kept[0] == kept[-1] == CODEC.read("ExperimentResult", good)
    assert len(kept) + len(decoded.refused) == len(values)
    assert isinstance(CODEC.decode("ExperimentResult", good), ExperimentResult)
