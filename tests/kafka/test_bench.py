"""`mendstream bench` measures what it says."""

import json
from pathlib import Path

import pytest

from streams.bench import latency, prober
from streams.bench.pace import main

pytestmark = pytest.mark.kafka


def test_the_bench_reports_both_rates_and_their_ratio(tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert main(None, 20_000, report, runs=1) == 0
    figures = json.loads(report.read_text())
    assert figures["records"] == 20_000
    assert figures["ratio"] == pytest.approx(
        figures["mendstream"] / figures["plain_consume"], abs=0.001
    )
    assert figures["mendstream"] > 0


def test_latency_is_told_of_events_and_of_approvals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (latency, prober):
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0.5)
    report = tmp_path / "latency.json"
    assert latency.main(report, rates=(500,), probes=10) == 0
    found = json.loads(report.read_text())
    assert [(one["peer"], one["rate"], one["unseen"]) for one in found] == [
        ("mendstream", 500, 0),
        ("mendstream, from approval to issue", 500, 0),
    ]
    assert all(0 < one["p50"] <= one["p99"] < 30_000 for one in found)
