"""The three stages hold every test that a whole run holds, each once."""

import re
from pathlib import Path

from tests.__main__ import COMPUTING, QUICK, ROOT, SLOW, STAGES


def test_every_path_of_a_stage_is_there_and_inside_no_other() -> None:
    paths = [ROOT / each for each in (*QUICK, *SLOW)]
    assert [each for each in paths if not each.exists()] == []
    assert [(a, b) for a in paths for b in paths if a != b and a.is_relative_to(b)] == []
    assert set(COMPUTING) <= set(QUICK)


def test_what_is_in_no_other_stage_is_in_the_one_of_kafka() -> None:
    paths = [each for stage in STAGES.values() for each in stage]
    assert paths.count("tests") == 1
    left_out = [each.removeprefix("--ignore=") for each in paths if each.startswith("--ignore=")]
    assert sorted(left_out) == sorted([*QUICK, *SLOW])


def test_what_a_closed_stage_holds_needs_no_kafka() -> None:
    modules = [each for path in QUICK for each in Path(ROOT / path).rglob("test_*.py")]
    assert modules
    marked = re.compile(r"^(pytestmark|@pytest).*mark\.kafka", re.MULTILINE)
    assert [each for each in modules if marked.search(each.read_text(encoding="utf-8"))] == []
