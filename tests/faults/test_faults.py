"""Faults that nothing else in the suite does, at a smaller size; `make faults` does all of them at
full size.

How soon a worker recovers is measured there too: other tests' brokers on the same cores would make
a bar here a coin toss.
"""

from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.support.faults.case import Case, Harm, Setting
from tests.support.kafka.running import SECONDS

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.fault) for case in CASES if case.quick]
)
def test_a_fault_changes_no_command_and_no_table(case: Case, tmp_path: Path) -> None:
    outcome = case.run(Setting(full=False, directory=tmp_path))
    assert outcome.runs > 0
    assert outcome.harm == Harm(0, 0, 0)
    assert outcome.recovered_seconds <= SECONDS
