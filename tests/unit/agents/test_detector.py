"""The e-detector against its plain recursion, and its bound against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agents.statistics.e_detector import ODDS, OF_BAD, OF_GOOD, upper_bound
from tests.support.detecting import detected, likelihoods

RECORDS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda r: (r[0], min(r))),
    min_size=1,
    max_size=60,
)


def plain(rate: float, records: list[tuple[int, int]]) -> list[float]:
    """R of each record: R_t = (1 + R_{t-1}) e_t for each alternative, then their mean."""
    sums, out = [0.0] * len(ODDS), []
    for count, bad in records:
        for j, odds in enumerate(ODDS):
            shifted = odds * rate / (1.0 - rate) / (1.0 + odds * rate / (1.0 - rate))
            e = (shifted / rate) ** bad * ((1.0 - shifted) / (1.0 - rate)) ** (count - bad)
            sums[j] = (1.0 + sums[j]) * e
        out.append(sum(sums) / len(sums))
    return out


@given(RECORDS, st.floats(0.001, 0.9))
def test_the_detector_is_the_plain_recursion(records: list[tuple[int, int]], rate: float) -> None:
    count, bad = np.cumsum([n for n, _ in records]), np.cumsum([b for _, b in records])
    log_r, _ = detected(rate, bad, count)
    assert np.exp(log_r) == pytest.approx(plain(rate, records), rel=1e-8)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.97])
def test_each_likelihood_ratio_is_worth_one_at_the_reference_rate(rate: float) -> None:
    against = np.exp(likelihoods(rate))
    mean = rate * against[OF_BAD] + (1.0 - rate) * against[OF_GOOD]
    assert mean == pytest.approx(np.ones(len(ODDS)))


@pytest.mark.parametrize(
    ("bad", "count"), [(0, 10), (1, 10), (50, 5_000), (4_999, 5_000), (250, 5_000)]
)
def test_the_bound_is_clopper_and_pearsons(bad: int, count: int) -> None:
    exact = stats.binomtest(bad, count, alternative="less").proportion_ci(0.95, method="exact").high
    assert upper_bound(float(bad), float(count)) == pytest.approx(exact, rel=1e-9)


def test_the_bound_stays_below_one() -> None:
    assert 0.999 < upper_bound(10.0, 10.0) < 1.0


def test_false_alarms_are_as_rare_as_promised_at_the_true_rate() -> None:
    """Alarm at 1/a: on average at least 1/a records pass first, so within m of them at most a share
    of m a alarm.
    """
    rng, rate, m = np.random.default_rng(1), 0.1, 2_000
    alarms = 0
    for _ in range(200):
        bad = np.cumsum(rng.random(m) < rate, dtype=np.int64)
        log_r, _ = detected(rate, bad, np.arange(1, m + 1))
        alarms += bool((log_r >= np.log(20_000.0)).any())
    assert alarms <= 200 * m / 20_000 + 10


def test_a_doubled_rate_is_found_and_dated() -> None:
    rng = np.random.default_rng(2)
    bad = np.concatenate([rng.random(5_000) < 0.05, rng.random(2_000) < 0.10]).astype(np.int64)
    log_r, suspicion = detected(0.05, np.cumsum(bad), np.arange(1, 7_001))
    alarm = int(np.flatnonzero(log_r >= np.log(1e6))[0])
    assert 5_000 < alarm < 6_200
    assert 4_500 < int(np.argmin(suspicion[: alarm + 1])) < 5_300
