"""A part of `make hostile`: the worker lives, the other tenant is served as ever, and each record
has its fate.
"""

import pytest

from tests.hostile.__main__ import run
from tests.hostile.cases import cases
from tests.hostile.names import serve_until


def test_there_are_sixty_cases_and_each_has_a_name_of_its_own() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) >= 60


def test_a_callback_that_comes_early_does_not_quicken_the_pace() -> None:
    clock = iter((0.0, 0.25, 0.5, 1.0))
    waited: list[float] = []
    serve_until(1.0, waited.append, lambda: next(clock))
    assert waited == [0.0, 1.0, 0.75, 0.5]


def test_callbacks_run_where_the_pace_is_behind() -> None:
    waited: list[float] = []
    serve_until(1.0, waited.append, lambda: 2.0)
    assert waited == [0.0]


@pytest.mark.kafka
def test_a_stranger_harms_nobody() -> None:
    rows = run([case for case in cases() if case.quick], told=lambda _: None)
    assert len(rows) >= 8
    for row in rows:
        assert (row["survived"], row["others_unharmed"], row["told"]) == (True, True, True), row
