"""A part of `make hostile`: the worker lives, the other tenant is served as ever, and each record
has its fate.
"""

import pytest

from tests.hostile.__main__ import run
from tests.hostile.cases import cases


def test_there_are_sixty_cases_and_each_has_a_name_of_its_own() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.kafka
def test_a_stranger_harms_nobody() -> None:
    rows = run([case for case in cases() if case.quick], told=lambda _: None)
    assert len(rows) >= 8
    for row in rows:
        assert (row["survived"], row["others_unharmed"], row["told"]) == (True, True, True), row
