"""Prints the figures by which the structure of the code is judged; docs/adr/0001-house.md has them.

usage: python -m tests.support.structure
"""

import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.path_trace import modules_on_the_path

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "state", "agents", "streams", "gateway", "mendstream")
LINE_MAX = 100
_UNNAMED = {"__init__.py", "__main__.py"}  # every folder may have one
_RULES = {
    "C901": "functions with a complexity over 10",
    "PLR0913": "functions with more than 7 arguments",
}


def modules() -> list[Path]:
    """The modules of the product."""
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def with_whole_state() -> int:
    """How many functions of agents/ take the whole memory of a partition."""
    return sum(
        any("PartitionState" in annotation for annotation in annotations(function))
        for path in (ROOT / "agents").rglob("*.py")
        for function in functions(path)
    )


def annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The annotations of a function's arguments, as they are written."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [ast.unparse(arg.annotation) for arg in arguments if arg.annotation is not None]


def dispatch_tables() -> list[str]:
    """Module-level tables of agents/ that say something for each of three inputs or more.

    A set of topics (which outputs are urgent) says nothing of what happens to a record.
    """
    catalog = ast.parse((ROOT / "schemas" / "catalog.py").read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in catalog.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INPUTS":
            names = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
    found = []
    for path in sorted((ROOT / "agents").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            if ast.unparse(node.value).startswith("frozenset("):
                continue
            parts = list(ast.walk(node.value))
            maps = any(isinstance(part, ast.Dict | ast.Tuple | ast.List) for part in parts)
            said = set(re.findall(r"[A-Z_]+", ast.unparse(node.value)))
            if maps and len(said & names) >= 3:
                found.append(str(path.relative_to(ROOT)))
    return found


def repeated_names() -> dict[str, list[str]]:
    """File names that stand in more than one folder."""
    places = defaultdict(list)
    for path in modules():
        if path.name not in _UNNAMED:
            places[path.name].append(str(path.parent.relative_to(ROOT)))
    return {name: folders for name, folders in places.items() if len(folders) > 1}


def repeated_classes() -> list[str]:
    """Names that two classes of the product have."""
    counted = Counter(
        node.name
        for path in modules()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    return [name for name, times in counted.items() if times > 1]


def long_lines() -> float:
    """The part of lines, empty ones left out, that are over 100 characters."""
    lines = [line for path in modules() for line in path.read_text().splitlines() if line.strip()]
    return sum(len(line) > LINE_MAX for line in lines) / len(lines)


def broken(rule: str) -> int:
    """How often the product breaks one of ruff's rules."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--select", rule, *ROOMS]
    done = subprocess.run(
        [*command, "--output-format", "json"], cwd=ROOT, capture_output=True, check=False
    )
    return len(json.loads(done.stdout))


def figures() -> dict[str, object]:
    """Each figure under its name."""
    return {
        "modules": len(modules()),
        "modules through which one result goes to its command": len(modules_on_the_path()),
        "functions of agents/ that take the whole state": with_whole_state(),
        "dispatch tables of inputs": len(dispatch_tables()),
        "modules and folders at the top of streams/": top_of("streams"),
        "file names in more than one folder": len(repeated_names()),
        "class names used twice": len(repeated_classes()),
        "lines over 100 characters": f"{long_lines():.1%}",
        **{name: broken(rule) for rule, name in _RULES.items()},
    }


def top_of(room: str) -> int:
    """Modules and folders directly in a room, but for what makes it a package."""
    entries = [path for path in (ROOT / room).iterdir() if path.name != "__pycache__"]
    kept = [path for path in entries if path.suffix == ".py" or any(path.glob("*.py"))]
    return sum(path.name != "__init__.py" for path in kept)


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:54} {value}")
