"""Long work says how far it is, and once that it has to compile first."""

import pytest

from schemas import compiled_files
from streams.cli.support.output import COMPILING, progress


def test_work_that_has_to_compile_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading"):
        compiled_files.is_lacking("agents.one")
        compiled_files.is_lacking("agents.other")
    compiled_files.is_lacking("agents.after")
    assert capsys.readouterr().err == f"{COMPILING}.\n"


def test_work_for_which_all_is_kept_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading") as told:
        told("partition 0: 10 records folded again")
    assert capsys.readouterr().err == "", "how far it is, a terminal alone is told"
