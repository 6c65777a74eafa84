"""Rows as a program wants them: chosen columns, in order, as JSON lines or CSV."""

import csv
import io
import json

import pytest

from streams.cli.support.row_formats import (
    Format,
    chosen_columns,
    chosen_format,
    fields_of,
    say_rows,
)
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen

ROWS = [
    {"name": 'a "b", c', "value": 1.5, "more": ["x"], "gone": None, "yes": True},
    {"name": "=SUM(A1)", "value": -2, "more": {}, "gone": None, "yes": False},
    {"name": "two\nlines", "value": 3, "more": [], "gone": None, "yes": True},
]


def test_csv_is_read_back_as_it_was_and_nothing_is_a_formula(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_rows(ROWS, ["value", "name", "more", "gone", "yes"], Format.CSV)
    read = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert read == [
        ["value", "name", "more", "gone", "yes"],
        ["1.5", 'a "b", c', '["x"]', "", "true"],
        ["-2", "'=SUM(A1)", "{}", "", "false"],
        ["3", "two\nlines", "[]", "", "true"],
    ]


def test_json_lines_have_the_chosen_fields_in_their_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_rows(ROWS, ["value", "name"], Format.JSON)
    lines = capsys.readouterr().out.splitlines()
    assert [list(json.loads(line)) for line in lines] == [["value", "name"]] * 3


def test_columns_are_those_that_are_there() -> None:
    known = fields_of("tables.arms.v1")
    assert chosen_columns(None, known) == known
    assert chosen_columns(" variant , count", known) == ["variant", "count"]
    with pytest.raises(MendstreamError, match="no field 'varient'") as raised:
        chosen_columns("varient", known)
    assert "variant" in raised.value.remedy
    with pytest.raises(MendstreamError, match="names no field"):
        chosen_columns(" , ", known)
    assert fields_of("dead-letters.v1") == []


def test_the_format_is_what_is_asked_for_else_what_reads_it() -> None:
    someone = Screen(file=io.StringIO(), force_terminal=True)
    program = Screen(file=io.StringIO(), force_terminal=False)
    assert chosen_format(None, False, someone) == Format.TABLE
    assert chosen_format(None, True, someone) == Format.JSON
    assert chosen_format(None, False, program) == Format.JSON
    assert chosen_format(Format.TABLE, False, program) == Format.TABLE
    assert chosen_format(Format.CSV, False, someone) == Format.CSV
