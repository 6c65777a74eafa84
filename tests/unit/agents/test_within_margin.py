"""Evidence that a rate is worse by less than its margin is an e-value whatever the rates are, grows
where the margin is kept, and lets a guardrail with an absolute margin pass.
"""

from dataclasses import replace
from itertools import product
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from agents.experiments.evidence.count_margin import times_at_most
from agents.flow.pipeline import fold
from agents.statistics.within_margin import (
    Margin,
    add_within,
    log_e_within,
    nearest,
    worst_allowed,
)
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Decision,
    Direction,
    MetricKind,
    MetricSpec,
    Order,
    Role,
    Share,
    ShareStep,
)
from state.pairs.pair_blocks import DIFFERENCE, RATE, WEIGHT, WIDTH, WITHIN
from tests.support.builders import CODEC, NOON, many, piece, result, sent, spec, tables

DOWN, UP = Direction.LOWER_IS_BETTER, Direction.HIGHER_IS_BETTER
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE, margin=0.0)
MARGINS = (
    Margin(0.0, 0.1, False),
    Margin(0.5, 0.02, False),
    Margin(0.0, 0.1, True),
    Margin(0.5, 0.02, True),
)


def before(weight: float, rate: float, apart: float) -> np.ndarray:
    """A row after blocks of this weight, rate of hits and difference; shape (1, WIDTH)."""
    rows = np.zeros((1, WIDTH))
    rows[0, [WEIGHT, RATE, DIFFERENCE]] = weight, weight * rate, weight * apart
    return rows


def grown(rows: np.ndarray, units: tuple[int, int, int, int], margin: Margin) -> float:
    after = rows.copy()
    n, x, m, y = map(float, units)
    add_within(after, 0, (n, x, m, y), margin)
    return float(log_e_within(after, 0, 1.0))


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (4, 2), (6, 6)])
@pytest.mark.parametrize(
    "rows",
    [
        before(0.0, 0.0, 0.0),
        before(30.0, 0.05, 0.0),
        before(30.0, 0.4, 0.06),
        before(9.0, 0.9, -0.05),
    ],
)
def test_no_rates_beyond_the_margin_make_evidence_on_average(
    margin: Margin, n: int, m: int, rows: np.ndarray
) -> None:
    """All outcomes of a block are gone through, with their chances."""
    e = {
        (x, y): exp(grown(rows, (n, x, m, y), margin))
        for x, y in product(range(n + 1), range(m + 1))
    }
    most = 0.0
    for control in (0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.8, 0.899):
        limit = worst_allowed(control, margin)
        for bad in {limit, 0.5 * (limit + 1.0), 1.0} if limit <= 1.0 else ():
            p, q = (1.0 - bad, 1.0 - control) if margin.fewer else (bad, control)
            mean = sum(
                comb(n, x)
                * p**x
                * (1.0 - p) ** (n - x)
                * comb(m, y)
                * q**y
                * (1.0 - q) ** (m - y)
                * one
                for (x, y), one in e.items()
            )
            most = max(most, mean)
    assert most <= 1.0 + 1e-9
    assert most > 0.5  # not that of a test that never finds anything


@given(
    st.floats(1.0, 500.0),
    st.floats(1.0, 500.0),
    st.floats(1e-6, 0.98),
    st.floats(1e-6, 0.98),
    st.sampled_from(MARGINS),
)
def test_the_nearest_rates_of_the_null_are_those_that_a_search_finds(
    n: float, m: float, q: float, v: float, margin: Margin
) -> None:
    p, u = nearest((n, m), (q, v), margin)
    if worst_allowed(v, margin) <= q:
        assert (p, u) == (q, v)
        return

    def divergence(control: float) -> float:
        other = min(worst_allowed(control, margin), 1.0 - 1e-15)
        apart = n * (q * log(q / other) + (1.0 - q) * log((1.0 - q) / (1.0 - other)))
        return float(
            apart + m * (v * log(v / control) + (1.0 - v) * log((1.0 - v) / (1.0 - control)))
        )

    # Where the limit is a rate of at most 1.
    most = min(v, 1.0 - margin.absolute, 1.0 if margin.fewer else 1.0 / (1.0 + margin.relative))
    found = minimize_scalar(
        divergence, bounds=(1e-12, most), method="bounded", options={"xatol": 1e-14}
    )
    assert divergence(max(u, 1e-15)) <= found.fun + 1e-7 * max(1.0, abs(found.fun))
    assert p == pytest.approx(worst_allowed(u, margin))


def test_a_worked_example() -> None:
    margin = Margin(0.0, 0.1, False)
    p, u = nearest((10.0, 10.0), (0.1, 0.1), margin)
    assert (round(p, 3), round(u, 3)) == (0.169, 0.069)
    rows = before(1e9, 0.1, 0.0)
    after = rows.copy()
    add_within(after, 0, (10.0, 0.0, 10.0, 0.0), margin)
    told = 10.0 * log(0.9 / (1.0 - p)) + 10.0 * log(0.9 / (1.0 - u))
    assert after[0, WITHIN] == pytest.approx(told)


def test_fewer_good_units_are_as_bad_as_more_bad_ones() -> None:
    of_bad, of_good = Margin(0.0, 0.05, False), Margin(0.0, 0.05, True)
    assert grown(before(20.0, 0.1, 0.01), (8, 1, 6, 2), of_bad) == pytest.approx(
        grown(before(20.0, 0.9, -0.01), (8, 7, 6, 4), of_good)
    )


def units(rate_of_control: float, rate_of_b: float, n: int, seed: int) -> list[float]:
    """The errors of n units, of either arm in turn."""
    rng = np.random.default_rng(seed)
    errors: list[float] = (
        (rng.random(n) < np.where(np.arange(n) % 2, rate_of_b, rate_of_control))
        .astype(float)
        .tolist()
    )
    return errors


def found(
    guardrail: MetricSpec, errors: list[float], steps: tuple[ShareStep, ...] = ()
) -> list[Decision]:
    """What is decided of an outright gain with these errors beside it."""
    state, n = tables(), len(errors)
    goal = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
    fold(piece(SPECS, sent([spec(metrics=(goal, guardrail), share_steps=steps)])), state, CODEC)
    arms = ["control", "b"] * (n // 2)
    records = [
        *many(result(metric="error"), n, variant=arms, sum=errors),
        *many(result(metric="conversion"), 400, n, variant=arms[:400], sum=[0.0, 1.0] * 200),
    ]
    effects = fold(piece(RESULTS, records), state, CODEC)
    assert effects.applied == len(records), effects.refused[:1]
    return [one.record for one in effects.outputs if isinstance(one.record, Decision)]


EVEN = (Share("control", 0.5), Share("b", 0.5))
RAMP = (ShareStep(shares=EVEN), ShareStep(from_=NOON + 1, shares=EVEN))


@pytest.mark.parametrize("steps", [(), RAMP])
def test_ten_percent_of_nothing_is_nothing_and_an_absolute_margin_lets_it_pass(
    steps: tuple[ShareStep, ...],
) -> None:
    """Errors of 1 in 1 000 in either arm."""
    errors = units(0.001, 0.001, 8_000, 3)
    assert [one.order for one in found(replace(ERROR, margin=0.1), errors, steps)] == [Order.NONE]
    orders = [one.order for one in found(replace(ERROR, absolute_margin=0.01), errors, steps)]
    assert orders[-1] == Order.DEPLOY


@pytest.mark.parametrize("steps", [(), RAMP])
def test_a_guardrail_that_is_worse_by_its_absolute_margin_is_waited_for(
    steps: tuple[ShareStep, ...],
) -> None:
    guardrail = replace(ERROR, absolute_margin=0.01)
    told = found(guardrail, units(0.1, 0.11, 4_000, 4), steps)
    assert [one.order for one in told] == [Order.NONE]
    assert "error may be worse by " in told[0].reason
    assert " points where 1 points is allowed" in told[0].reason


def test_the_bound_of_a_base_is_where_its_evidence_reaches_the_level() -> None:
    rates = np.exp(-np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]))
    for events in (1.0, 20.0, 3_000.0):
        expected = events * times_at_most(events, 0.05)
        logs = events * np.log(rates) + (1.0 - rates) * expected - np.log(len(rates))
        assert logsumexp(logs) == pytest.approx(np.log(1.0 / (0.05 * 0.2)), rel=1e-4)
        assert expected > events


def test_the_base_of_a_poisson_process_passes_its_bound_seldom() -> None:
    """Looked at after each event."""
    rng, over = np.random.default_rng(5), 0
    for _ in range(400):
        expected = np.cumsum(rng.exponential(size=400))
        bounds = [at * times_at_most(float(at), 0.25) for at in range(1, 401)]
        over += bool((expected > bounds).any())
    assert over / 400 <= 0.05 + 2.0 * (0.05 * 0.95 / 400) ** 0.5
    assert over > 0
