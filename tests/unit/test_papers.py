"""The documents of the project: what they link to is there, and what they promise of themselves
holds.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.alerts.alert_metrics import check_policy
from schemas.catalog import TOPICS
from schemas.records import ExperimentSpec, Policy
from schemas.validation import spec_checks
from streams.files.parsing import build

ROOT = Path(__file__).parents[2]
PAPERS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob(".github/**/*.md")})
NAMES = [str(path.relative_to(ROOT)) for path in PAPERS]
README_WORDS = 1_500
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What a link can name of a document, as GitHub makes it of headings.

    >>> "learning" in anchors(ROOT / "docs" / "memory.md")
    True
    """
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def wrong_links(path: Path) -> list[str]:
    """Links of a document to what is not in the tree."""
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, place = link.partition("#")
        to = (path.parent / name).resolve() if name else path
        if not to.exists() or (place and to.suffix == ".md" and place not in anchors(to)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    assert wrong_links(ROOT / name) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n[here](#a), [there](b.md), [nowhere](#b)\n", encoding="utf-8")
    assert wrong_links(page) == ["b.md", "#b"]


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= README_WORDS


def test_the_index_names_every_page() -> None:
    index = prose(ROOT / "docs" / "README.md")
    linked = {
        ((ROOT / "docs") / link.partition("#")[0]).resolve()
        for link in re.findall(r"\]\(([^)\s]+)\)", index)
    }
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr"}
    assert pages - linked - {ROOT / "docs" / "README.md"} == set()


def test_every_decision_is_numbered_and_says_what_would_change_our_mind() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert records, "there are no records of decisions"
    numbers = [path.name[:4] for path in records]
    assert len(numbers) == len(set(numbers))
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert f"({path.name})" in index, path.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        wanted = ["Context", "Decision", "Price", "What would change our mind"]
        assert headings == wanted, path.name


def defined(path: Path) -> set[str]:
    """The functions, methods and constants of a module.

    >>> {"defined", "NAMES"} <= defined(Path(__file__))
    True
    """
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, _FUNCTIONS):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = (each.name for each in node.body if isinstance(each, _FUNCTIONS))
            found |= {node.name, *(f"{node.name}.{name}" for name in inner)}
        elif isinstance(node, ast.Assign):
            found |= {each.id for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def stages() -> list[tuple[str, str]]:
    """The file and each function of the stages that the architecture page tells."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ [^|]+\| \[[^]]+\]\(([^)]+)\) \| ([^|]+) \|", text, re.MULTILINE)
    return [(file, name) for file, names in rows for name in re.findall(r"`([^`]+)`", names)]


@pytest.mark.parametrize(("file", "name"), stages())
def test_each_stage_is_where_the_architecture_page_says(file: str, name: str) -> None:
    assert name in defined(ROOT / file)


def test_the_architecture_page_tells_the_whole_path() -> None:
    assert len({file for file, _ in stages()}) > 20


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_each_name_that_a_page_tells_beside_a_file_is_in_it(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?:\]\(|`)([a-z_]+/[a-z_/]+\.py)[`)] `([A-Za-z_.]+)`", text)
    named += [
        (file, name)
        for name, file in re.findall(r"`([A-Za-z_.]+)` in `([a-z_]+/[a-z_/]+\.py)`", text)
    ]
    assert len(named) > 5
    for file, name in named:
        assert name in defined(ROOT / file), f"{file} has no {name}"


def test_the_hooks_before_a_commit_check_what_make_check_does() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    wanted = set(re.findall(r"\$\(BIN\)/(\S+)", recipe[1]))
    assert {program for entry in entries for program in re.findall(r"\.venv/bin/(\S+)", entry)} == (
        wanted
    )


def test_the_architecture_page_names_every_room_and_every_table() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [
        f"{above}/{path.name}"
        for above in ("agents", "streams")
        for path in (ROOT / above).iterdir()
        if (path / "__init__.py").exists()
    ]
    assert {room for room in rooms if f"`{room}`" not in text} == set()
    tables = [name for name in TOPICS if name.startswith("tables.")]
    assert {name for name in tables if f"`{name}`" not in text} == set()


def shown() -> list[tuple[str, dict[str, Any]]]:
    """The specs and policies that the documents show, whole."""
    found = []
    for path in PAPERS:
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        blocks += re.findall(r"<<'END'\n(.*?)END\n", text, re.DOTALL)
        written = [yaml.safe_load(block) for block in blocks]
        found += [
            (str(path.relative_to(ROOT)), one)
            for one in written
            if one.keys() & {"policy_id", "experiment_id"}
        ]
    return found


@pytest.mark.parametrize(("name", "written"), shown())
def test_each_spec_and_policy_that_a_document_shows_is_good(
    name: str, written: dict[str, Any]
) -> None:
    document = {"event_id": "x"} | written
    if "experiment_id" in written:
        faults = spec_checks.check_spec(build(ExperimentSpec, document, name))
    else:
        faults = check_policy(build(Policy, document, name))
    assert list(faults) == []


def test_the_documents_show_specs_and_policies() -> None:
    assert len(shown()) > 5
