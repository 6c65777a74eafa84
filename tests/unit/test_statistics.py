"""A part of the bench on every run: the same worlds, fewer of them, fixed seeds, the bars that
stand in the bench.
"""

import numpy as np
import pytest

from bench.case import Case, Figure
from bench.experiments import ERROR, experiment
from bench.statistics import CASES, RESULT, kept_in, table
from streams.operations.simulated_tests import NEVER, Records, judged

RUNS = {  # how much of each case; the whole takes some ten seconds
    "anomalies of 15 kinds": 0.1,
    "the same kinds, quiet": 0.1,
    "levels that hold or change": 0.1,
    "levels that alternate": 0.1,
    "binary A/A, p 0.10, 50/50": 0.02,
    "5 % canary A/A, conversion 1 %": 0.05,
    "A/A assigned 55/45 against 50/50, p 0.1 0.5 0.9": 0.1,
    "errors 1 -> 2 %, 50/50": 0.1,
    "errors 1 -> 5 %, 50/50": 0.2,
    "conversion 20 -> 15 %, 50/50": 0.05,
    "sample ratio 55/45 against 50/50": 0.1,
    "sample ratio 50/50 as planned": 0.05,
    "ramp 1 to 50 %, base rate triples, conversions delayed, A/A": 0.02,
    "ramp 1 to 50 %, base rate triples, conversions delayed, 40 % lost": 0.05,
    "ramp by hand that nobody stated, base rate triples or falls to a third, A/A": 0.1,
    "ramp by hand that nobody stated, base rate triples, 40 % lost": 0.05,
    "ramp by hand that nobody stated, latency with a daily season, A/A": 0.1,
    "ramp by hand that nobody stated, latency with a daily season, +10 %": 0.05,
    "+20 % in log-normal sigma 2, no cap stated": 0.05,
    "gauges AR(1) 0.8, A/A": 0.03,
    "gauges AR(1) 0.95, A/A": 0.03,
    "2 % of requests 4 times slower, limit stated": 0.1,
    "2 % of requests 4 times slower, no limit stated": 0.1,
    "clicks a unit, variance 1, 3 and 6 times the mean, A/A": 0.1,
    "clicks a unit, variance 3 times the mean, +30 %": 0.1,
    "car loan drift at row 75 000": 1.0,
    "errors 2 % that follow the hour by 50%": 0.05,
    "errors 2 %, a quarter more or less at weekends": 0.05,
    "latency of ten hosts in turn, AR(1) 0.95 and 0.5": 0.05,
    "errors 2 -> 4 % after 12 days": 0.2,
    "errors 2 -> 20 % after 1 000 records": 1.0,
    "errors 1 -> 20 % in a segment of one in 200": 0.2,
    "errors 1 -> 2 % after an outage in the reference": 0.2,
}


def figures_of(case: Case, scale: float) -> list[Figure]:
    return case.figures((job.number, job.run()) for job in case.jobs(scale))


@pytest.mark.parametrize("name", RUNS)
def test_the_bars_of_the_bench_are_met(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    figures = figures_of(case, RUNS[name])
    assert [figure for figure in figures if not figure.holds] == [], table(figures)


def test_a_batch_gives_the_same_whatever_runs_beside_it() -> None:
    case = next(case for case in CASES if case.name == "errors 1 -> 5 %, 50/50")
    assert case.jobs(0.2)[0] == case.jobs(1.0)[0]
    (job,) = case.jobs(0.01)
    first, again = job.run(), job.run()
    assert first.rollback.tolist() == again.rollback.tolist()
    assert len(set(first.rollback.tolist())) > 1


def test_a_finding_is_counted_in_the_records_of_its_own_experiment() -> None:
    # In the second of three experiments every unit of the treatment fails; the others are perfect.
    treated = np.arange(400)[:, None] % 2 == np.ones((1, 3), np.int64)
    value = np.zeros(treated.shape)
    value[200:, 1] = treated[200:, 1]
    found = judged(experiment(ERROR, (0.5, None)), Records((ERROR.name,), treated, value))
    assert found.deploy.tolist() == found.hold.tolist() == [NEVER] * 3
    assert found.rollback[[0, 2]].tolist() == [NEVER] * 2
    assert 200 < found.rollback[1] <= 240


def test_every_figure_is_a_row_and_names_what_does_not_hold() -> None:
    assert [line.split() for line in table([Figure("a: b", 0.07, 0.05, False)]).splitlines()] == [
        ["case", "value", "bar", "holds"],
        ["a:", "b", "0.07", "0.05", "NO"],
    ]


def test_a_run_of_some_cases_does_not_take_the_place_of_the_figures_of_all() -> None:
    assert kept_in([], 1.0) == RESULT
    assert kept_in(["drift"], 1.0) is None
    assert kept_in([], 3.0) is None
