"""Prometheus' own tool on the alerts, and on what a processor and an executor really serve.

promtool is taken from the path, or from .tools, where `make .tools/promtool` puts it.
"""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.error import HTTPError

import pytest
import yaml

from schemas.catalog import ALERTS, COMMANDS, RESULTS
from schemas.records import Order
from streams.runtime.clock import now_ms, wait_until
from tests.support.builders import alert
from tests.support.executor.fakes import command
from tests.support.gateway.served import SECRET
from tests.support.kafka.console import output
from tests.support.kafka.logs import send
from tests.support.kafka.running import SECONDS, Child, changed, own_kafka

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yaml"
GARBAGE = 1_500  # enough to be told of as a source of it


def promtool(*arguments: str | Path, given: str | None = None) -> str:
    """What it says; fails the test unless it is content."""
    tool = shutil.which("promtool") or shutil.which(ROOT / ".tools/promtool")
    assert tool is not None, "promtool is missing: run `make .tools/promtool`"
    done = subprocess.run(
        [tool, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def shows(child: Child, texts: list[str]) -> bool:
    """Whether all the texts are among what a process serves."""
    served = scrape(child)
    return all(text in served for text in texts)


def ask_without_token(gateway: Child) -> None:
    """One request that is refused; what it is refused by is counted."""
    gateway.awaits("the gateway is at ")
    found = re.search(r"the gateway is at (http://[\d.:]+)", gateway.log.read_text())
    assert found is not None
    with pytest.raises(HTTPError, match="401"):
        urllib.request.urlopen(f"{found[1]}/api/v1/now", timeout=10.0)


def scrape(child: Child) -> str:
    child.awaits("/metrics, /live and /ready are at ")
    found = re.search(r"are at (http://[\d.:]+)", child.log.read_text())
    assert found is not None
    with urllib.request.urlopen(f"{found[1]}/metrics", timeout=10.0) as response:
        text: str = response.read().decode()
        return text


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each kind of process serves once all that is counted has happened to it."""
    folder = tmp_path_factory.mktemp("scrapes")
    (folder / "targets.yaml").write_text(
        f"targets: [{{kind: file, match: 'shop/*', directory: {folder}}}]"
    )
    (folder / "routes.yaml").write_text(
        "channels: {am: {kind: alertmanager, url: 'http://127.0.0.1:1'}}\nroutes: [{channels: "
        "[am]}]"
    )
    (folder / "keys.txt").write_text(output("keys", "new", folder / "signing.pem"))
    raised = alert(raised_at=now_ms())
    options = [
        f"--{name}={folder / file}"
        for name, file in (("targets", "targets.yaml"), ("routes", "routes.yaml"))
    ]
    asking = {"jwt_secret": SECRET, "jwt_issuer": "https://login.example", "jwt_audience": "a"}
    with (
        own_kafka(signing_key=str(folder / "signing.pem")) as (_, settings),
        Child(settings, folder / "processor.log") as processor,
        Child(
            settings,
            folder / "executor.log",
            "-m",
            "streams",
            "executor",
            *options,
            f"--keys={folder / 'keys.txt'}",
        ) as executor,
        Child(
            changed(settings, gateway_port=0, views_directory=str(folder / "views"), **asking),
            folder / "gateway.log",
            "-m",
            "streams",
            "gateway",
        ) as gateway,
    ):
        send(settings, RESULTS, [b"garbage"] * GARBAGE, ["ill"] * GARBAGE)
        output(
            "rollback", "shop", "--by", "ann", "--version", "v2", "--yes",
            "--bootstrap", settings.bootstrap,
        )  # fmt: skip
        # A forgery, for nobody signed it.
        send(
            settings,
            COMMANDS["ROLLBACK"],
            [command(Order.ROLLBACK, expires_at=now_ms() + 3_600_000)],
        )
        send(settings, ALERTS, [raised], [raised.key])
        wanted = {
            "processor": [
                "_breaker_open{",
                "_garbage_sources{",
                "_transitions_total{",
                "_lag_seconds{",
            ],
            "executor": ['"COMPLETED"', '"UNSIGNED"', '"FAILED"'],
        }
        ask_without_token(gateway)
        wanted["gateway"] = ["_gateway_view_lag_records{", '_refusals_total{reason="NOT_AUTH']
        children = {"processor": processor, "executor": executor, "gateway": gateway}
        for name, texts in wanted.items():
            child = children[name]
            happened = wait_until(partial(shows, child, texts), SECONDS)
            assert happened, child.log.read_text()
        yield {name: scrape(child) for name, child in children.items()}


def test_the_rules_are_rules() -> None:
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert (
        f"{sum(len(each['rules']) for each in yaml.safe_load(RULES.read_text())['groups'])} rules "
        "found" in said
    )


def test_each_alert_comes_in_its_case_when_it_is_due_and_is_silent_in_the_healthy_one() -> None:
    assert "SUCCESS" in promtool("test", "rules", RULES.with_name("alerts_test.yaml"))


@pytest.mark.parametrize("name", ["processor", "executor", "gateway"])
def test_prometheus_has_nothing_to_say_against_the_metrics(
    scrapes: dict[str, str], name: str
) -> None:
    assert promtool("check", "metrics", given=scrapes[name]) == ""
    assert (
        f'mendstream_process_info{{group="mendstream",role="{name}",slot="0"}} 1.0' in scrapes[name]
    )


def test_each_metric_that_an_alert_reads_is_served(scrapes: dict[str, str]) -> None:
    samples = {
        line.split("{")[0].split(" ")[0] for text in scrapes.values() for line in text.splitlines()
    }
    assert (
        set(re.findall(r"\b(?:mendstream|process)_\w+", RULES.read_text().partition("groups:")[2]))
        <= samples
    )
