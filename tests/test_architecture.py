"""What the rooms may know of each other, and what the project may depend on."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support import structure

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "state", "agents", "streams", "gateway", "mendstream")
MODULE_OF = {  # where a distribution's module has another name
    "confluent-kafka": "confluent_kafka",
    "faust-streaming": "faust",
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "aiohttp-cors": "aiohttp_cors",
    "axe-playwright-python": "axe_playwright_python",
    "openapi-spec-validator": "openapi_spec_validator",
    "pyyaml": "yaml",
}
TOOLS = {
    "editables",
    "hatchling",
    "import-linter",
    "mypy",
    "ruff",
    "pytest-xdist",
}  # run, not imported


def imported(*folders: str) -> set[str]:
    """The top-level modules imported anywhere in these folders."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def names(requirements: list[str]) -> set[str]:
    return {
        requirement.split("[")[0].split(">")[0].split("<")[0].lower()
        for requirement in requirements
    }


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


ENTRIES_MAX = 15  # modules and folders in one folder: what a reader takes in at a glance
MORE_ENTRIES = {"streams/cli": 25, "streams/executor": 25}  # one module a command; many small parts


def test_no_folder_holds_more_than_a_reader_takes_in() -> None:
    for room in ROOMS:
        for folder in [ROOT / room, *(path for path in (ROOT / room).rglob("*") if path.is_dir())]:
            entries = [
                path.name
                for path in folder.iterdir()
                if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
            ]
            shown = [name for name in entries if name not in ("__init__.py", "__pycache__")]
            name = str(folder.relative_to(ROOT))
            assert len(shown) <= MORE_ENTRIES.get(name, ENTRIES_MAX), f"{name}: {sorted(shown)}"


def test_each_name_has_one_owner() -> None:
    assert structure.repeated_classes() == []
    assert len(structure.repeated_names()) <= 6
    assert structure.dispatch_tables() == ["agents/flow/inputs.py"]
    assert structure.top_of("streams") <= ENTRIES_MAX


def test_agents_are_given_their_own_tables_alone() -> None:
    """Only the flow that composes agents takes the whole memory of a partition."""
    whole = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "agents").rglob("*.py")
        if "PartitionState" in path.read_text(encoding="utf-8")
    ]
    assert [path for path in whole if not path.startswith("agents/flow/")] == []


# numpy has more than one form of these, and takes the one for the processor at hand: they differ in
# the last digit. Those of `math` are one for all; `math.fsum` adds up exactly.
BY_PROCESSOR = {
    *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "power", "float_power", "logaddexp"),
    *("sin", "cos", "tan", "tanh", "arctan", "sinh", "cosh", "arctan2", "cbrt"),
    *("dot", "vdot", "inner", "matmul", "einsum", "linalg", "tensordot", "corrcoef", "cov"),
    *("polyfit", "convolve", "correlate", "geomspace", "logspace"),
}


def test_no_row_depends_on_the_kind_of_processor_that_folds_it() -> None:
    found = []
    for path in (path for room in ("agents", "state") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np":
                chosen = node.attr in BY_PROCESSOR
            else:
                chosen = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
            if chosen:
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert found == []


def test_no_other_distribution_supplies_a_room() -> None:
    distributions = packages_distributions()
    for room in (*ROOMS, "tests"):
        assert set(distributions.get(room, ())) <= {"mendstream"}, (
            f"{room} comes from {distributions[room]}"
        )


def test_every_runtime_dependency_is_used_by_a_room() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    used = imported(*ROOMS)
    unused = {
        name for name in names(project["dependencies"]) if MODULE_OF.get(name, name) not in used
    }
    assert unused == set()


def test_every_test_dependency_is_used_by_a_test() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    used = imported("tests")
    wanted = {name for name in names(project["test"]) if not name.startswith("types-")} - TOOLS
    assert {name for name in wanted if MODULE_OF.get(name, name) not in used} == set()


def test_the_documents_say_why_each_dependency_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = (ROOT / "docs" / "dependencies.md").read_text().lower()
    wanted = names(project["dependencies"]) | names(project["optional-dependencies"]["test"])
    assert {name for name in wanted if not name.startswith("types-") and name not in said} == set()
