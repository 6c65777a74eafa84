"""Evidence from blocks is an e-value whatever the rates and the arms' shares are, and is Fisher's
noncentral hypergeometric likelihood ratio.
"""

from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from agents.statistics import odds_ratio
from agents.statistics.odds_ratio import (
    LOG_ODDS,
    SIDE,
    add_block,
    end_of,
    log_mean,
    log_ratio_at,
    rates_at,
)
from state.pairs.pair_blocks import ALTERNATIVES, WIDTH


def ratios(n: int, x: int, m: int, y: int) -> np.ndarray:
    """The log likelihood ratios of one block, shape (ALTERNATIVES,)."""
    rows = np.zeros((1, WIDTH))
    add_block(rows, 0, float(n), float(x), float(m), float(y))
    return np.array(rows[0, :ALTERNATIVES])


@st.composite
def blocks(draw: st.DrawFn, most: int = 60) -> tuple[int, int, int, int]:
    n, m = draw(st.integers(1, most)), draw(st.integers(1, most))
    return n, draw(st.integers(0, n)), m, draw(st.integers(0, m))


@given(blocks())
def test_a_block_has_fishers_likelihood_ratio(block: tuple[int, int, int, int]) -> None:
    n, x, m, y = block
    found = ratios(*block)
    for log_odds, ratio in zip(LOG_ODDS, found, strict=True):
        of_d, of_0 = (nchypergeom_fisher(n + m, x + y, n, odds) for odds in (exp(log_odds), 1.0))
        assert ratio == pytest.approx(of_d.logpmf(x) - of_0.logpmf(x), abs=1e-6)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (3, 2), (5, 5)])
@pytest.mark.parametrize("of_control", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("of_treatment", [0.02, 0.5, 0.9])
def test_no_rates_on_the_other_side_make_evidence_on_average(
    n: int, m: int, of_control: float, of_treatment: float
) -> None:
    """All outcomes of a block are gone through, with their chances."""
    means = np.zeros(ALTERNATIVES)
    for x in range(n + 1):
        for y in range(m + 1):
            chance = comb(n, x) * of_treatment**x * (1.0 - of_treatment) ** (n - x)
            chance *= comb(m, y) * of_control**y * (1.0 - of_control) ** (m - y)
            means += chance * np.exp(ratios(n, x, m, y))
    if of_treatment == of_control:
        assert means == pytest.approx(np.ones(ALTERNATIVES))
    more, fewer = means[:SIDE], means[SIDE:]
    wrong = more if of_treatment <= of_control else fewer
    assert (wrong <= 1.0 + 1e-9).all()
    if n == 5 and of_treatment != of_control:
        assert (fewer if of_treatment <= of_control else more)[4] > 1.01


@pytest.mark.parametrize(("hits", "share"), [(60, 0.5), (1_000, 0.45), (1_950, 0.2)])
def test_the_bound_of_a_large_block_makes_no_evidence_on_average(hits: int, share: float) -> None:
    """Given the hits, all splits of 2 000 units are gone through."""
    n = round(2_000 * share)
    of_0, means = nchypergeom_fisher(2_000, hits, n, 1.0), np.zeros(ALTERNATIVES)
    for x in range(max(0, hits - 2_000 + n), min(hits, n) + 1):
        rows = np.zeros((1, WIDTH))
        odds_ratio._add_bounded(rows, 0, float(n), float(x), 2_000.0, float(hits))
        means += np.exp(rows[0, :ALTERNATIVES] + of_0.logpmf(x))
    assert (means <= 1.0 + 1e-9).all()
    assert means[SIDE - 8] > 0.5, "it is not so much less that it tells nothing"


def test_a_block_of_millions_of_units_tells_of_a_small_effect() -> None:
    for units in (2 * 10**6, 2 * 10**9):
        found = ratios(units, units // 2, units, units // 2 - units // 100)
        assert np.isfinite(found).all()
        assert found.argmax() in (1, 2), "log odds of 0.025 to 0.05"
        assert found.max() > 50.0


@given(st.lists(blocks(), min_size=1, max_size=12), st.booleans())
def test_the_mean_is_never_more_than_the_best_and_at_least_its_part(
    several: list[tuple[int, int, int, int]], more: bool
) -> None:
    rows = np.zeros((1, WIDTH))
    for block in several:
        add_block(rows, 0, *map(float, block))
    own = rows[0, :SIDE] if more else rows[0, SIDE:ALTERNATIVES]
    assert own.max() - log(60.0) <= log_mean(rows, 0, more, 1.0) <= own.max() + 1e-9


@given(st.lists(blocks(), min_size=1, max_size=12), st.floats(1.0, 1e3))
def test_records_of_which_several_weigh_as_one_divide_the_likelihoods(
    several: list[tuple[int, int, int, int]], design_effect: float
) -> None:
    rows, fewer = np.zeros((1, WIDTH)), np.zeros((1, WIDTH))
    for block in several:
        add_block(rows, 0, *map(float, block))
    fewer[0, :ALTERNATIVES] = rows[0, :ALTERNATIVES] / design_effect
    found = log_mean(rows, 0, True, design_effect)
    assert found == pytest.approx(log_mean(fewer, 0, True, 1.0), rel=1e-9, abs=1e-12)


@given(st.lists(blocks(400), min_size=8, max_size=40))
def test_ends_are_where_the_likelihood_has_fallen_to(
    several: list[tuple[int, int, int, int]],
) -> None:
    rows = np.zeros((1, WIDTH))
    for block in several:
        add_block(rows, 0, *map(float, block))
    wanted = rows[0, :ALTERNATIVES].max() - 6.0
    low, high = (end_of(rows, 0, wanted, upper) for upper in (False, True))
    assert low < high
    for end in (low, high):
        if abs(end) < odds_ratio.FURTHEST:
            assert log_ratio_at(rows, 0, end) == pytest.approx(wanted, abs=1e-3)
    for at, log_odds in enumerate(LOG_ODDS.tolist()):
        assert log_ratio_at(rows, 0, log_odds) == pytest.approx(rows[0, at])


def test_between_the_alternatives_the_likelihood_is_nearly_exact() -> None:
    block = (4_000, 480, 4_000, 400)
    rows = np.zeros((1, WIDTH))
    add_block(rows, 0, *map(float, block))
    for d in (0.07, 0.15, 0.2, 0.3):
        of_d, of_0 = (nchypergeom_fisher(8_000, 880, 4_000, odds) for odds in (exp(d), 1.0))
        assert log_ratio_at(rows, 0, d) == pytest.approx(
            of_d.logpmf(480) - of_0.logpmf(480), abs=0.02
        )


@given(st.floats(-6.0, 6.0), st.floats(0.001, 0.999), st.floats(0.01, 0.99))
def test_rates_at_an_odds_ratio_are_those_of_both_arms_together(
    d: float, rate: float, share: float
) -> None:
    treatment, control = rates_at(d, rate, share)
    assert share * treatment + (1.0 - share) * control == pytest.approx(rate)
    if min(treatment, control) > 1e-9 and max(treatment, control) < 1.0 - 1e-9:
        odds = treatment / (1.0 - treatment) / (control / (1.0 - control))
        assert log(odds) == pytest.approx(d, abs=1e-5)
