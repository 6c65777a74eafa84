"""`mendstream bench` measures what it says."""

import json
from pathlib import Path

import pytest

from streams.bench import main

pytestmark = pytest.mark.kafka


def test_the_bench_reports_both_rates_and_their_ratio(tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert main(None, 20_000, report, runs=1) == 0
    figures = json.loads(report.read_text())
    assert figures["records"] == 20_000
    assert figures["ratio"] == pytest.approx(figures["mendstream"] / figures["plain_consume"], abs=0.001)
    assert figures["mendstream"] > 0
