"""How `python -m tests` splits the suite into stages and processes, and what codes come of it."""

import re

import pytest

from tests import __main__ as suite
from tests.__main__ import COMPUTING, ROOT, files_of_tests, names_tests, outcome, stages
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
    paths = [path for lanes in stages().values() for lane in lanes for path in lane]
    wanted = [file for file in files_of_tests() if not file.startswith("tests/ship/")]
    ran = [file for file in wanted for path in paths if file == path or file.startswith(f"{path}/")]
    assert sorted(ran) == sorted(wanted)


def test_what_the_first_stage_holds_needs_no_kafka() -> None:
    lanes = stages()["closed rooms"]
    rooms = [path for lane in lanes for path in lane]
    marked = re.compile(r"^(pytestmark|@pytest).*mark\.kafka", re.MULTILINE)
    files = [file for file in files_of_tests() if any(file.startswith(room) for room in rooms)]
    assert files
    assert [file for file in files if marked.search((ROOT / file).read_text("utf-8"))] == []


def test_a_stage_that_fails_is_told_and_keeps_none_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = iter([[0, 1], [0, 0], [5, 0]])
    monkeypatch.setattr(suite, "side_by_side", lambda _pytest, _lanes: next(codes))
    assert suite.main([]) == 1
    said = capsys.readouterr().out
    assert "Stage closed rooms: FAILED (1)" in said
    assert "Stage Kafka: passed" in said
    assert "Stage faults, security, oracle: passed" in said
