"""How `python -m tests` splits the suite into stages and processes, and what codes come of it."""

import re

import pytest

from tests import __main__ as suite
from tests.__main__ import COMPUTING, LONG, ROOT, files_of_tests, names_tests, outcome, stages
from tests.conftest import CLOSED_ROOMS


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("tests/kafka/test_broker.py::test_x", True),
        ("tests", True),
        ("-k", False),
        ("", False),
        ("no_such_file.py", False),
    ],
)
def test_a_path_of_tests_is_told_from_an_option(argument: str, named: bool) -> None:
    assert names_tests(argument) is named


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([0, 0], 0), ([0, 5], 0), ([5, 5], 5), ([1, 0], 1), ([0, 2], 2), ([5, 1], 1), ([0, -9], 9)],
)
def test_a_process_without_a_test_fails_only_where_both_have_none(
    codes: list[int], worst: int
) -> None:
    assert outcome(codes) == worst


def test_every_closed_room_is_there() -> None:
    assert {f"tests/{room}" for room in CLOSED_ROOMS} <= set(COMPUTING)
    assert all((ROOT / room).is_dir() for room in COMPUTING)


def test_every_file_of_tests_runs_once() -> None:
    ran = [file for files in stages().values() for file in files]
    wanted = [file for file in files_of_tests() if not file.startswith("tests/ship/")]
    assert sorted(ran) == sorted(wanted)


def test_what_takes_longest_begins_first() -> None:
    """A name that stands for no file any more would be found by nobody."""
    for files in stages().values():
        is_long = [file.startswith(LONG) for file in files]
        assert is_long == sorted(is_long, reverse=True)
    assert all(any(file.startswith(name) for file in files_of_tests()) for name in LONG)


def test_what_the_first_stage_holds_needs_no_kafka() -> None:
    marked = re.compile(r"^(pytestmark|@pytest).*mark\.kafka", re.MULTILINE)
    files = stages()["closed rooms"]
    assert len(files) > 100
    assert [file for file in files if marked.search((ROOT / file).read_text("utf-8"))] == []


def test_a_stage_that_fails_is_told_and_keeps_none_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = iter([1, 0, 5])
    monkeypatch.setattr(suite, "run", lambda _command: next(codes))
    assert suite.main([]) == 1
    said = capsys.readouterr().out
    assert "Stage closed rooms: FAILED (1)" in said
    assert "Stage Kafka: passed" in said
    assert "Stage faults, security, oracle: passed" in said
