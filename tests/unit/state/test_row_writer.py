"""Rows are written as the codec would write them, byte for byte."""

from base64 import b64encode
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.codec.columns import encode_batch
from schemas.codec.framing import header
from schemas.text_hash import hash64
from state.arms_table import EVIDENCE_KIND_SYMBOLS, NULLABLE, STATES, ArmsTable
from state.storage.attached_rows import NOTHING, AttachedRows
from state.storage.columnar_table import hash_of_names
from state.storage.name_codes import Key
from state.storage.table import row_key
from tests.support.builders import CODEC

SYMBOLS = {"state": STATES, "evidence_kind": EVIDENCE_KIND_SYMBOLS}
LONGS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, -1, 63, 64, -64, -65, 8191, 8192])
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
KEYS = st.tuples(NAMES, NAMES, NAMES, NAMES, st.none() | NAMES, st.none() | NAMES)


def _values(kind: str, name: str) -> st.SearchStrategy[Any]:
    if name in SYMBOLS:
        return st.integers(0, len(SYMBOLS[name]) - 1)
    if kind == "f":
        return st.floats(allow_nan=name in NULLABLE)
    return st.booleans() if kind == "b" else LONGS


def _filled(keys: list[Key], data: st.DataObject) -> ArmsTable:
    table = ArmsTable()
    for key in keys:
        row = table.add(hash_of_names(key), key)
        for name in table._stored:
            values = _values(table.records.dtype[name].kind, name)
            table.records[name][row] = data.draw(values)
        for slots, attached in _attached(table):
            if data.draw(st.booleans()):
                (slots[row],) = attached.open(1)
                width = attached.values.shape[1]
                doubles = st.lists(st.floats(), min_size=width, max_size=width)
                attached.values[slots[row]] = data.draw(doubles)
        table.touch(np.array([row]))
    return table


def _attached(table: ArmsTable) -> list[tuple[NDArray[np.int32], AttachedRows]]:
    return [
        (table.block_slot, table.blocks),
        (table.bucket_slot, table.buckets),
        (table.beside_slot, table.beside),
    ]


def _by_the_codec(table: ArmsTable) -> list[bytes]:
    rows = np.arange(len(table))
    arrays, names = table.keys.columns(rows), list(table._names)
    for name in table._stored:
        values = np.ascontiguousarray(table.records[name][rows])
        if name in SYMBOLS:
            arrays.append(pa.array(SYMBOLS[name]).take(pa.array(values)))
        else:
            absent = np.isnan(values) if name in NULLABLE else None
            arrays.append(pa.array(values, mask=absent))
        names.append(name)
    for name, (column, attached) in zip(table.ATTACHED, _attached(table), strict=True):
        slots = column[: len(table)].tolist()
        texts = [b64encode(attached.values[slot].tobytes()).decode() for slot in slots]
        held = [text if slot != NOTHING else None for slot, text in zip(slots, texts, strict=True)]
        arrays.append(pa.array(held, pa.string()))
        names.append(name)
    return encode_batch(pa.RecordBatch.from_arrays(arrays, names=names), "ArmRow", CODEC)


@given(st.lists(KEYS, min_size=1, max_size=4, unique=True), st.data())
@settings(max_examples=60, deadline=None)
def test_rows_are_written_as_the_codec_writes_them(keys: list[Key], data: st.DataObject) -> None:
    table = _filled(keys, data)
    written = table.changed(CODEC)
    assert [value for _, value in written] == _by_the_codec(table)
    assert [key for key, _ in written] == [row_key(*key) for key in keys]
    assert table.changed(CODEC) == []
    other = ArmsTable()
    other.restore(written, CODEC)
    assert list(other.snapshot(CODEC)) == written


def test_names_stay_readable_after_rows_are_dropped() -> None:
    table = ArmsTable()
    keys: list[Key] = [("s", "e", "m", f"arm {number}", None, None) for number in range(3_000)]
    for key in keys:
        table.add(hash_of_names(key), key)
    table.drop(np.arange(0, 3_000, 2))
    table.add(
        hash_of_names(("s", "e", "m", "größer", "ö", None)), ("s", "e", "m", "größer", "ö", None)
    )
    values = [value for _, value in table.snapshot(CODEC)]
    assert values == _by_the_codec(table)
    assert all(value.startswith(header(CODEC.schema_id("ArmRow"))) for value in values)


def test_a_key_has_the_hash_of_its_names() -> None:
    names = ["a", "größer", "x" * 300]
    assert [hash_of_names([name]) for name in names] == hash64(pa.array(names)).tolist()
