"""Every table gives rows as bytes and takes them back; keys are injective."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import TABLES_ARMS
from schemas.records import CommandRow, Order, Phase, SubjectRow
from schemas.text_hash import ABSENT_HASH, hash64, mix, sealed
from state.arms_table import ARM_NAMES, NULLABLE, STATES, ArmsTable
from state.partition.partition_state import PartitionState
from state.storage.columnar_table import ColumnarTable, combine, hash_part
from state.storage.keyed_table import KeyedTable
from state.storage.table import row_key
from tests.support.builders import CODEC, NOON, tables
from tests.support.histories.folding import snapshot
from tests.support.histories.history import History
from tests.support.histories.telling import TELLING

PARTS = st.none() | st.text(st.sampled_from("a|%7C25"), max_size=6)


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(PARTS, min_size=1, max_size=4))
def test_keys_of_different_parts_differ(one: list[str | None], other: list[str | None]) -> None:
    """Absent and empty are one: no part may be empty, so nothing is lost."""
    plain = [[part or "" for part in parts] for parts in (one, other)]
    assert (row_key(*one) == row_key(*other)) == (plain[0] == plain[1])


def arm(table: ColumnarTable, *names: str | None) -> int:
    columns = [pa.array([name], pa.string()) for name in names]
    return table.add(int(combine([hash_part(column) for column in columns])[0]), names)


def found(table: ColumnarTable, *names: str | None) -> int:
    return int(table.find(combine([hash_part(pa.array([name], pa.string())) for name in names]))[0])


def test_a_row_is_found_by_all_of_its_names_and_by_no_others() -> None:
    table = ArmsTable()
    every = list(product(("a", "b"), ("a", "b"), ("x",), ("a", "b"), (None, "a", ""), (None, "1")))
    rows = [arm(table, *names) for names in every]
    assert [found(table, *names) for names in every] == rows == list(range(len(every)))
    assert found(table, "a", "a", "x", "c", None, None) == -1


def test_the_hash_of_names_depends_on_their_order_and_is_never_0() -> None:
    a, b = hash64(pa.array(["a"])), hash64(pa.array(["b"]))
    assert combine([a, b])[0] != combine([b, a])[0]
    assert combine([np.zeros(1, np.uint64)])[0] != 0


def test_parts_mixed_one_after_the_other_are_parts_combined() -> None:
    rng = np.random.default_rng(0)
    for parts in [[0], [0, 0], [5, 0, 7], rng.integers(1, 2**63, 6).tolist()]:
        mixed = np.uint64(parts[0])
        for part in parts[1:]:
            mixed = np.uint64(mix(mixed, np.uint64(part)))
        expected = combine([np.array([part], np.uint64) for part in parts])
        assert int(sealed(mixed)) == int(expected[0])


def test_an_absent_part_has_a_hash_of_its_own() -> None:
    assert hash_part(pa.array([None, "a"], pa.string()))[0] == ABSENT_HASH
    assert hash_part(pa.nulls(1, pa.string()))[0] == ABSENT_HASH


def test_only_touched_rows_are_written_and_each_once() -> None:
    table = ArmsTable()
    for name in "abc":
        arm(table, "bot", "exp", "error", name, None, None)
    table.touch(np.array([0, 2, 2]))
    assert [key for key, _ in table.changed(CODEC)] == ["bot|exp|error|a||", "bot|exp|error|c||"]
    assert table.changed(CODEC) == []


def test_the_hot_table_grows_and_keeps_what_it_holds() -> None:
    table = ArmsTable()
    for n in range(1_100):
        row = arm(table, "bot", "exp", "error", str(n), None, None)
        table["count"][row] = n
        table.touch(np.array([row]))
    assert len(table) == 1_100
    assert table["count"][:1_100].tolist() == list(range(1_100))
    assert len(table.changed(CODEC)) == 1_100
    assert found(table, "bot", "exp", "error", "1099", None, None) == 1_099


@given(
    st.lists(
        st.tuples(
            st.text(max_size=5),
            st.none() | st.text(min_size=1, max_size=3),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.none() | st.floats(allow_nan=False),
            st.sampled_from(range(len(STATES))),
            st.booleans(),
        ),
        max_size=8,
        unique_by=lambda row: row[:2],
    )
)
def test_arms_come_back_as_the_bytes_they_were(
    rows: list[tuple[str, str | None, int, float, float | None, int, bool]],
) -> None:
    table = ArmsTable()
    for name, segment, count, total, effect, state, missing in rows:
        row = arm(table, "bot", "exp", "error", name, segment, None)
        for column, value in (
            ("count", count),
            ("sum", total),
            ("state", state),
            ("missing_squares", missing),
        ):
            table[column][row] = value
        table["effect"][row] = np.nan if effect is None else effect
        for column in NULLABLE[1:]:
            table[column][row] = np.nan
        table.touch(np.array([row]))
    written = table.changed(CODEC)
    other = ArmsTable()
    other.restore(written, CODEC)
    assert list(other.snapshot(CODEC)) == written == list(table.snapshot(CODEC))
    assert other.changed(CODEC) == []
    assert [other.keys[n] for n in range(len(other))] == [table.keys[n] for n in range(len(table))]


def test_the_last_row_of_a_key_wins() -> None:
    table = ArmsTable()
    row = arm(table, "bot", "exp", "error", "b", None, None)
    changes = []
    for count in (1, 2, 3):
        table["count"][row] = count
        table.touch(np.array([row]))
        changes += table.changed(CODEC)
    other = ArmsTable()
    other.restore(changes[:2], CODEC)
    other.restore(changes[2:], CODEC)
    assert (len(other), int(other["count"][0])) == (1, 3)


def subject(name: str, experiments: int) -> SubjectRow:
    return SubjectRow(name, experiments, 0, {"slot": experiments})


def keyed() -> KeyedTable[SubjectRow]:
    return KeyedTable("tables.subjects.v1", "SubjectRow", lambda row: row_key(row.subject))


def test_a_keyed_table_writes_its_last_rows_and_takes_them_back() -> None:
    table = keyed()
    for name, n in (("a", 1), ("b", 1), ("a", 2)):
        table.put(subject(name, n))
    written = table.changed(CODEC)
    assert [key for key, _ in written] == ["a", "b"]
    assert table.changed(CODEC) == []
    other = keyed()
    other.restore([("a", CODEC.encode(subject("a", 0))), *written, ("b", None)], CODEC)
    assert list(other.rows()) == [subject("a", 2)]
    assert other.changed(CODEC) == []


@pytest.mark.parametrize("name", ["two treatments", "a mix shift"])
def test_every_table_that_a_history_fills_comes_back_byte_for_byte(name: str) -> None:
    before = History.of(TELLING[name]).tables
    rows = snapshot(before)
    after = tables(3)
    for topic, table in after.all().items():
        table.restore(list(rows[topic].items()), CODEC)
    assert {topic: dict(table.snapshot(CODEC)) for topic, table in after.all().items()} == rows


def test_every_table_has_its_own_topic_and_a_key_that_people_can_read() -> None:
    state = PartitionState(0, 1)
    row = CommandRow(
        command_id="c",
        attempt=1,
        order=Order.ROLLBACK,
        subject="bot",
        target="bot/production",
        phase=Phase.ISSUED,
        reason="",
        decision_id="d",
        fencing_token=1,
        issued_at=NOON,
        expires_at=NOON,
    )
    state.commands.commands.put(row)
    assert [key for key, _ in state.commands.commands.changed(CODEC)] == ["c"]
    assert len(state.all()) == 21
    assert state.all()[TABLES_ARMS] is state.experiments.arms
    assert ARM_NAMES == ("subject", "experiment_id", "metric", "variant", "segment", "step")


def _marked() -> KeyedTable[SubjectRow]:
    """Marked by how many experiments they had, where there was one."""
    return KeyedTable(
        "t",
        "SubjectRow",
        lambda row: row.subject,
        marks={"n": lambda row: [str(row.experiments)] * (row.experiments > 0)},
    )


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 2)), max_size=20))
def test_rows_are_found_by_their_marks_as_they_stand_and_after_a_restart(
    changes: list[tuple[str, int]],
) -> None:
    """-1: the row is dropped."""
    table, again, plain = _marked(), _marked(), dict[str, int]()
    for name, count in changes:
        if count < 0:
            table.drop(name)
            plain.pop(name, None)
        else:
            table.put(SubjectRow(name, count, 0))
            plain[name] = count
        again.restore(table.changed(CODEC), CODEC)
        for each in (table, again):
            for value in (1, 2):
                found = [row.subject for row in each.marked("n", str(value))]
                assert found == sorted(key for key, held in plain.items() if held == value)
            assert each.marked("n", "0") == []
