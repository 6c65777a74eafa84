"""The scores of anomalies and of change points, against values that others worked out."""

import pytest

from bench.anomalies.change_points import f1
from bench.anomalies.nab_score import Judged, scored, windows_of

POINTS, ANOMALIES = 1_000, (400, 800)
# Of five people on the series run_log of the Turing Change Point Dataset.
_MARKS = [60, 96, 114, 174, 204, 240, 258, 317]
RUN_LOG = [_MARKS, [60, 96, 114, 177, 204, 240, 258, 317], _MARKS, [2, *_MARKS], []]


def score(*alarms: int) -> float:
    return scored([Judged(POINTS, ANOMALIES, alarms)]).normal


def test_no_alarm_scores_0_and_the_first_points_of_all_windows_100() -> None:
    assert score() == 0.0
    assert score(*(first for first, _ in windows_of(POINTS, ANOMALIES))) == pytest.approx(100.0)


def test_an_early_alarm_counts_more_and_a_second_one_nothing() -> None:
    (first, last), _ = windows_of(POINTS, ANOMALIES)

    assert score(first + 1) > score(last - 1) > 0.0
    assert score(first + 1, last - 1) == score(first + 1)


def test_a_false_alarm_costs_as_the_standard_profile_says() -> None:
    # 0.11 of a raw score that has 2 for each window, from none found to all at once.
    assert score(200) == pytest.approx(-100.0 * 0.11 / 4.0)
    assert score(100) == 0.0  # within the first 15 %


def test_f1_is_the_one_that_was_published() -> None:
    # TCPDBench, of `zero`, which tells no change, and of ECP with the best of its settings.
    assert f1(RUN_LOG, [])[0] == pytest.approx(0.4455958549222798)
    assert f1(RUN_LOG, _MARKS)[0] == pytest.approx(0.9898989898989901)
