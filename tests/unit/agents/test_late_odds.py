"""Evidence of a fault that begins late is an e-value, and is not held up by the time before."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.statistics.late_odds import PART, add_late, weight, with_late
from state.pairs.pair_blocks import LATE, LATE_ALTERNATIVES, WIDTH


def test_the_weights_of_all_blocks_add_up_to_one_at_most() -> None:
    sums = np.cumsum([weight(float(block)) for block in range(1, 1 << 14)])
    assert sums[-1] == pytest.approx(1.0 - 1.0 / 15.0)
    weights = [weight(float(block)) for block in range(1, 200)]
    assert all(after <= before for before, after in pairwise(weights))


@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=30))
def test_it_is_the_weighted_mean_over_where_the_fault_began(ratios: list[float]) -> None:
    rows = np.zeros((1, WIDTH))
    for block, ratio in enumerate(ratios, 1):
        for at in range(LATE_ALTERNATIVES):
            add_late(rows, 0, at, float(block), ratio)
    meant = sum(
        weight(float(first)) * exp(sum(ratios[first - 1 :])) for first in range(1, len(ratios) + 1)
    )
    assert rows[0, LATE] == pytest.approx(meant, rel=1e-9)
    log_e = with_late(rows, 0, -5.0)
    assert exp(log_e) == pytest.approx(PART * meant + (1.0 - PART) * exp(-5.0), rel=1e-9)


def test_its_mean_is_at_most_one_while_nothing_happens() -> None:
    rng, ended = np.random.default_rng(3), []
    odds = exp(0.8)
    for _ in range(4_000):
        rows = np.zeros((1, WIDTH))
        for block in range(1, 41):
            hit = rng.random() < 0.5
            add_late(rows, 0, 0, float(block), log(2.0 * (odds if hit else 1.0) / (1.0 + odds)))
        ended.append(rows[0, LATE])
    assert np.mean(ended) <= 1.0 + 3.0 * np.std(ended) / np.sqrt(len(ended))


def test_a_long_healthy_time_need_not_be_paid_back() -> None:
    rows = np.zeros((1, WIDTH))
    for block in range(1, 10_001):
        add_late(rows, 0, 0, float(block), -0.05)
    for block in range(10_001, 10_301):
        add_late(rows, 0, 0, float(block), 0.1)
    assert with_late(rows, 0, -500.0 + 30.0) > 10.0


def test_it_never_overflows() -> None:
    rows = np.zeros((1, WIDTH))
    for block in range(1, 50):
        add_late(rows, 0, 0, float(block), 700.0)
    assert np.isfinite(with_late(rows, 0, 0.0))
