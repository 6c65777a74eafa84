"""The handbook names what there is: each reason of a dead letter, each command and option that it
shows.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from schemas.refusals import Reason
from streams.cli.app import application
from streams.operations.skip import REASON as SKIPPED

ROOT = Path(__file__).parents[2]
_VERBS: Any = typer.main.get_command(application())
GROUPS = {name for name, verb in _VERBS.commands.items() if hasattr(verb, "commands")}
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EXAMPLES = sorted(
    {
        line.partition("#")[0].strip()
        for line in TEXT.splitlines()
        if line.startswith("mendstream ") and "`" not in line
    }
)


def codes_of_agents() -> set[str]:
    """The constants that look like a reason in the modules of the agents that refuse records."""
    found = set()
    for path in (ROOT / "agents").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if any(each in text for each in ("Refused(", "Refusal(", "refused", "def why_")):
            strings = (
                node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
            )
            found |= {
                each
                for each in strings
                if isinstance(each, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", each)
            }
    return found


def codes_of_ingest() -> set[str]:
    """The codes with which `mendstream ingest` refuses records."""
    calls = [
        node
        for path in (ROOT / "ingest").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "Refused"
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_reason_of_a_dead_letter_is_in_the_table() -> None:
    rows = "".join(line for line in TEXT.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`([A-Z_0-9]+)`", rows))
    reasons = {str(reason) for reason in Reason} | codes_of_agents() | {"QUARANTINED", SKIPPED}
    assert {"NOT_A_RATE", "UNKNOWN_COMMAND", "FORWARDED_TWICE"} <= reasons, (
        "the search finds none of the agents'"
    )
    assert {"NOT_JSON", "TOO_LATE"} <= codes_of_ingest()
    reasons |= codes_of_ingest()
    assert named == reasons


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_command_with_its_options(example: str) -> None:
    words = example.split()[1:]
    # A group's own help does not list the options of its commands.
    name = words[:2] if words[0] in GROUPS else words[:1]
    said = CliRunner().invoke(application(), [*name, "--help"], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    for option in (each for each in words if each.startswith("--")):
        assert option in said.output, f"{' '.join(name)} has no {option}"
