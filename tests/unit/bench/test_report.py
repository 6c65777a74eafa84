"""What the bench says follows from what it measured."""

import re

import pytest

from bench.peers.pace import Pace
from bench.peers.report import Report, picture, table
from streams.bench.latency import RATES, Latency


def report(**rates: list[float]) -> Report:
    made = Report({"faust": "needs a thing: get it"})
    for name, of_rounds in rates.items():
        for rate in of_rounds:
            made.add(name, Pace(1_000_000, 1_000_000 / rate, 2.0))
    return made


def test_a_ratio_is_the_median_of_those_of_the_rounds_to_the_faster_of_the_others() -> None:
    made = report(
        mendstream_same_job=[900.0, 1_000.0, 400.0],
        kafka_streams_memory=[300.0, 100.0, 200.0],
        kafka_streams_memory_alone=[100.0, 250.0, 100.0],
    )
    # 900/300, 1000/250, 400/200
    assert (
        made.ratio("mendstream_same_job", "kafka_streams_memory", "kafka_streams_memory_alone")
        == 3.0
    )
    assert made.ratio("mendstream_same_job", "quix_streams") is None


def test_a_bar_that_is_missed_is_told() -> None:
    made = report(mendstream_same_job=[299.0], kafka_streams_memory=[100.0])
    made.latencies.append(Latency("mendstream", max(RATES), p50=14.0, p99=51.0, unseen=0))
    assert [(bar.value, bar.bar, bar.holds) for bar in made.bars()] == [
        (2.99, 3.0, False),
        (14.0, 15.0, True),
        (51.0, 50.0, False),
    ]
    assert "51     50  NO" in re.sub(r" {6,}", "  ", table(made))


def test_the_json_names_rates_costs_and_who_was_left_out() -> None:
    made = report(plain_consume=[10.0, 30.0, 20.0]).as_json()
    assert made["plain_consume"] == 20
    assert made["cpu_us"] == {"plain_consume": pytest.approx(2.0)}
    assert made["left_out"] == {"faust": "needs a thing: get it"}


def test_the_picture_has_a_bar_for_each_as_long_as_it_is_fast() -> None:
    drawn = picture(report(plain_consume=[400_000.0], mendstream=[200_000.0]))
    widths = [
        float(width) for width in re.findall(r'<rect x="\d+" y="\d+" width="([\d.]+)"', drawn)
    ]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert "400,000" in drawn
    assert "200,000" in drawn
