"""Dashboard and alerts ask for metrics and labels that the program exports, and for no others."""

import json
import re
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram, Info
from prometheus_client.metrics import MetricWrapperBase

from streams.runtime import metrics
from tests.support.ship.chart import CHART, ROOT, documents, of_kind

DASHBOARD: dict[str, Any] = json.loads(
    (CHART / "files" / "dashboard.json").read_text(encoding="utf-8")
)
ALERTS: dict[str, Any] = yaml.safe_load(
    (CHART / "files" / "alerts.yaml").read_text(encoding="utf-8")
)
SCRAPED = {"namespace", "pod", "job", "instance"}  # labels that Prometheus adds
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def exported() -> dict[str, set[str]]:
    """The labels of each series that the program exports, by its name."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            labels = set(metric._labelnames)
            match metric:
                case Counter():
                    found[f"{metric._name}_total"] = labels
                case Histogram():
                    found |= {f"{metric._name}_{ending}": labels for ending in ("sum", "count")}
                    found[f"{metric._name}_bucket"] = labels | {"le"}
                case Info():
                    found[f"{metric._name}_info"] = labels
                case _:
                    found[metric._name] = labels
    return found


EXPORTED = exported()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_of_the_dashboard_is_exported(expression: str) -> None:
    names = re.findall(r"\bmendstream_\w+", expression)
    assert names, "it asks for nothing of the program's"
    assert set(names) <= EXPORTED.keys()
    labels = set().union(*(EXPORTED[name] for name in names)) | SCRAPED
    grouped = {
        label.strip()
        for group in re.findall(r"\bby \(([^)]*)\)", expression)
        for label in group.split(",")
    }
    matched = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", expression))
    assert grouped | matched <= labels
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_metric_of_an_alert_is_exported(rule: dict[str, Any]) -> None:
    assert set(re.findall(r"\bmendstream_\w+", rule["expr"])) <= EXPORTED.keys()


def test_a_counter_is_never_read_without_a_rate() -> None:
    for expression in EXPRESSIONS:
        for name in re.findall(r"\bmendstream_\w+(?:_total|_bucket)\b", expression):
            assert re.search(rf"(rate|increase)\({name}", expression), expression


def test_legends_name_labels_that_the_expression_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"\bby \([^)]*\b{label}\b", target["expr"]), target


def test_the_dashboard_is_one_that_grafana_can_place() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24
        assert not cells & taken, f"{panel['title']} lies upon another"
        taken |= cells
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = {name for text in EXPRESSIONS for name in re.findall(r"\$(\w+)", text)} - {
        "__rate_interval"
    }
    assert used <= variables
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in PANELS)


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    assert len({(rule["alert"], rule["labels"]["severity"]) for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule
        assert rule["annotations"].keys() & {"summary", "description"}, rule


def test_the_charts_alerts_are_those_of_the_deployment_without_it() -> None:
    original = ROOT / "deploy" / "prometheus" / "alerts.yaml"
    if original.exists():
        copied = (CHART / "files" / "alerts.yaml").read_text(encoding="utf-8")
        assert copied == original.read_text(encoding="utf-8"), (
            f"cp {original.relative_to(ROOT)} helm/mendstream/files/"
        )


def test_both_arrive_as_they_are_in_the_files() -> None:
    found = documents("production")
    (rules,) = of_kind(found, "PrometheusRule")
    assert rules["spec"] == ALERTS
    (board,) = [each for each in of_kind(found, "ConfigMap") if "mendstream.json" in each["data"]]
    assert json.loads(board["data"]["mendstream.json"]) == DASHBOARD
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
