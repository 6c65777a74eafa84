"""How `python -m tests` splits the suite, and what it makes of two exit codes."""

import pytest

from tests.__main__ import COMPUTING, ROOT, names_tests, outcome
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


def test_every_closed_room_is_there_and_runs_in_the_process_of_its_own() -> None:
    assert {f"tests/{room}" for room in CLOSED_ROOMS} < set(COMPUTING)
    assert all((ROOT / room).is_dir() for room in COMPUTING)
