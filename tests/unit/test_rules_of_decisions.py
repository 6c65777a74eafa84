"""A decision's rule is one of the words in docs/commands.md, so that programs may compare it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from agents.experiments.oversight.missing_data import OF_SPLIT, LackKind
from tests.golden import store

ROOT = Path(__file__).parents[2]
_SECTION = (ROOT / "docs/commands.md").read_text().split("## Which rule fell")[1].split("\n## ")[0]
_MAKERS = ("Finding", "Decision", "missing_finding")
DOCUMENTED = {
    rule
    for line in _SECTION.splitlines()
    if line.startswith("| `")
    for rule in re.findall(r"`([^`]+)`", line.split("|")[1])
}


def rules_written() -> Iterator[str]:
    """Yields each text that agents/ gives as the rule of a decision; `{}` stands for a value."""
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "agents").rglob("*.py"))]
    named = {
        target.id: node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MAKERS:
            for given in node.keywords:
                if given.arg == "rule":
                    yield from texts(given.value, named)


def texts(node: ast.expr, named: dict[str, ast.expr]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=otherwise):
            yield from texts(body, named)
            yield from texts(otherwise, named)
        case ast.JoinedStr(values=parts):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts
            )
        case ast.Name(id="rule"):  # a parameter of `missing_finding`, whose callers are read
            return
        case ast.Name(id=name):
            yield from texts(named[name], named)
        case ast.Subscript(value=ast.Name(id=name)):
            table = named[name]
            assert isinstance(table, ast.Dict), name
            for value in table.values:
                yield from texts(value, named)
        case _:  # Decision(rule=finding.rule): whatever the finding has
            assert ast.unparse(node) == "finding.rule", ast.unparse(node)


def test_every_rule_that_is_written_is_documented_and_no_other() -> None:
    written = {rule for rule in rules_written() if rule != "{} missing"}
    named = {*OF_SPLIT, LackKind.INTERACTION}
    lacks = {f"{kind.lower()} missing" for kind in LackKind if kind not in named}
    assert written | lacks == DOCUMENTED


def test_every_recorded_decision_names_a_documented_rule() -> None:
    lines = {line for log in store.load().values() for line in log.decisions}
    wrong = [line for line in lines if not line.endswith(tuple(DOCUMENTED))]
    assert (wrong, len(lines) > 100) == ([], True)
