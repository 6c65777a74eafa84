"""The alerts are about metrics that there are, each is tried, and the runbook has a section for
each.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Info
from prometheus_client.metrics import MetricWrapperBase
from typer.main import get_command

from streams.cli.app import application
from streams.runtime import metrics

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(
        (ROOT / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8")
    )["groups"]
    for rule in group["rules"]
]
CASES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy/prometheus/alerts_test.yaml").read_text(encoding="utf-8")
)["tests"]
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
COMMANDS = sorted(set(re.findall(r"`(mendstream [a-z][^`]*)`", RUNBOOK)))
POINTS = ["Means", "Seen", "Look", "Do", "Over"]
OF_THE_TARGET = {"namespace", "job", "instance"}
ENDINGS = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
}

names = pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}"
)


@cache
def exported() -> dict[str, set[str]]:
    """The labels of each metric that a process serves, by its full name."""
    found: dict[str, set[str]] = {"process_start_time_seconds": set()}
    for metric in (each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)):
        labels = {"role", "group", "slot"} if isinstance(metric, Info) else set(metric._labelnames)
        for family in metric.describe():
            found |= {family.name + ending: labels for ending in ENDINGS[family.type]}
    return found


@cache
def said_in_streams() -> set[str]:
    """Every string in the program: what a label may be set to is among them."""
    trees = (
        ast.parse(path.read_text(encoding="utf-8"))
        for room in ("streams", "schemas", "gateway")
        for path in ROOT.glob(f"{room}/**/*.py")
    )
    return {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {
        slug(heading)
        for heading in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


@names
def test_an_alert_reads_metrics_and_labels_that_are_served(rule: dict[str, Any]) -> None:
    known, expression = exported(), rule["expr"]
    used = set(re.findall(r"\b(?:mendstream|process)_\w+", expression))
    assert used
    assert used <= known.keys()
    for metric, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in known[metric]
            assert set(values.split("|")) <= said_in_streams()
    kept = {
        label.strip()
        for inner in re.findall(r"by \(([^)]*)\)", expression)
        for label in inner.split(",")
    }
    assert kept <= OF_THE_TARGET.union({"le"}, *(known[metric] for metric in used))


@names
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{slug(rule['alert'])}"


@names
def test_an_alert_is_tried_in_its_case_and_in_the_healthy_one(rule: dict[str, Any]) -> None:
    healthy, *cases = CASES
    asked = [each for each in healthy["alert_rule_test"] if each["alertname"] == rule["alert"]]
    assert asked
    assert not any("exp_alerts" in each for each in healthy["alert_rule_test"])
    tried = [
        each
        for case in cases
        for each in case["alert_rule_test"]
        if each["alertname"] == rule["alert"]
    ]
    fired = [
        expected["exp_labels"]["severity"]
        for each in tried
        for expected in each.get("exp_alerts", ())
    ]
    assert rule["labels"]["severity"] in fired
    assert any(rule["labels"]["severity"] not in str(each.get("exp_alerts")) for each in tried), (
        "it never ends"
    )


def test_each_alert_has_a_section_of_the_runbook_and_each_section_an_alert() -> None:
    assert list(SECTIONS) == list(dict.fromkeys(rule["alert"] for rule in RULES))
    for name, text in SECTIONS.items():
        assert re.findall(r"^\* \*\*(\w+)\*\*:", text, re.MULTILINE) == POINTS, name


def test_what_the_runbook_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]*)\)", RUNBOOK):
        path, _, anchor = target.partition("#")
        assert (ROOT / "docs" / path).is_file(), target
        assert not anchor or anchor in anchors(ROOT / "docs" / path), target


def test_the_metrics_that_the_runbook_names_are_served() -> None:
    assert (
        set(re.findall(r"`(?:rate\()?((?:mendstream|process)_\w+)", RUNBOOK)) <= exported().keys()
    )


@pytest.mark.parametrize("example", COMMANDS)
def test_each_command_of_the_runbook_is_one_with_its_options(example: str) -> None:
    command: Any = get_command(application())
    for word in example.split()[1:]:
        if hasattr(command, "commands"):
            assert word in command.commands, example
            command = command.commands[word]
    options = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word for word in example.split() if word.startswith("--")} <= options
