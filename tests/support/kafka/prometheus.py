"""Debian's Prometheus with our own rules, so much quicker that a test sees an alert come and go."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from streams.runtime.clock import wait_until
from tests.support.kafka.console import ROOT

RULES = ROOT / "deploy/prometheus/alerts.yaml"
UNPACKED = ROOT / ".tools/prometheus/usr/bin/prometheus"  # where `make .tools/promtool` puts it
EVERY = "2s"  # for scraping: beside other work a scrape may take one
LOOK = "1s"  # at the rules
SECONDS = 60.0


def quickened(rules: str, bounds: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Our rules: every `for` is a second, and what these bounds say, by alert, stands in its
    expression instead.
    """
    written: dict[str, Any] = yaml.safe_load(rules)
    for group in written["groups"]:
        group["interval"] = LOOK
        for rule in group["rules"]:
            rule["for"] = "1s"
            if rule["alert"] in bounds:
                before, after = bounds[rule["alert"]]
                assert before in rule["expr"], f"{rule['alert']} has another bound than {before}"
                rule["expr"] = rule["expr"].replace(before, after)
    return written


class Prometheus:
    """One that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def knows(self, query: str) -> bool:
        """Whether a query has an answer."""
        with urllib.request.urlopen(
            f"{self._url}/api/v1/query?query={quote(query)}", timeout=10.0
        ) as response:
            return bool(json.load(response)["data"]["result"])

    def firing(self, alert: str) -> bool:
        with urllib.request.urlopen(f"{self._url}/api/v1/alerts", timeout=10.0) as response:
            alerts = json.load(response)["data"]["alerts"]
        return any(
            each["labels"]["alertname"] == alert and each["state"] == "firing" for each in alerts
        )

    def ends(self, alert: str) -> None:
        assert wait_until(lambda: not self.firing(alert), SECONDS), (
            f"{alert} does not end; {self.state()}"
        )

    def state(self) -> str:
        """How the scraping goes, for who asks why an alert did not come."""
        with urllib.request.urlopen(f"{self._url}/api/v1/targets", timeout=10.0) as response:
            (target,) = json.load(response)["data"]["activeTargets"]
        return f"the scraping is {target['health']}, {target['lastError'] or 'without an error'}"


@contextmanager
def prometheus(
    directory: Path, target: str, bounds: Mapping[str, tuple[str, str]]
) -> Iterator[Prometheus]:
    """Scrapes a process at an address, host:port."""
    binary = shutil.which("prometheus") or (str(UNPACKED) if UNPACKED.exists() else None)
    if binary is None:
        pytest.skip("no Prometheus on this machine (on Debian: make .tools/promtool unpacks it)")
    (directory / "rules.yaml").write_text(
        yaml.safe_dump(quickened(RULES.read_text(encoding="utf-8"), bounds))
    )
    config = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": LOOK},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "mendstream", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    log = directory / "prometheus.log"
    given = (f"--config.file={directory}/prometheus.yaml", f"--storage.tsdb.path={directory}/data")
    with log.open("w") as file:
        process = subprocess.Popen(
            [binary, *given, "--web.listen-address=127.0.0.1:0"],
            stdout=file,
            stderr=file,
            cwd=directory,
        )
    try:
        listening = re.compile(r'"?Listening on"? address=(127\.0\.0\.1:[1-9]\d*)')
        assert wait_until(lambda: "Server is ready to receive" in log.read_text(), SECONDS), (
            log.read_text()
        )
        found = listening.search(log.read_text())
        assert found is not None
        yield Prometheus(f"http://{found[1]}")
    finally:
        process.kill()
        process.wait()
