"""A covariate of a MEAN: what it takes off the values, when, and what is decided because of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.experiments.evidence.covariate_balance import covariates_apart
from agents.experiments.oversight.missing_data import LackKind, lacks_of
from agents.experiments.totals.burn_in import LEARNED
from agents.experiments.totals.covariates import FIRST_LINE
from agents.flow.pipeline import fold, rebuild, refresh
from agents.statistics.covariate_line import Line, line_of, taken_off
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    Share,
    ShareStep,
)
from state.partition.partition_state import PartitionState
from tests.support.builders import (
    CODEC,
    NOON,
    Sent,
    apply_policy,
    many,
    piece,
    result,
    sent,
    spec,
    tables,
)
from tests.support.histories.cuts import pieces

Floats = NDArray[np.float64]
UP = Direction.HIGHER_IS_BETTER
SPEND = MetricSpec("spend", Role.GOAL, UP, MetricKind.MEAN)
CAPPED = replace(SPEND, cap=1e6)
EVEN = (ShareStep(shares=(Share("control", 0.5), Share("b", 0.5))),)
RAMP = (*EVEN, ShareStep(from_=NOON + 2_000, shares=(Share("control", 0.2), Share("b", 0.8))))


def line_by_hand(x: Floats, y: Floats) -> Line:
    """By numpy's own least squares."""
    ordered = np.sort(x)
    least, most = ordered[int(0.01 * (len(x) - 1))], ordered[int(np.ceil(0.99 * (len(x) - 1)))]
    x = np.clip(x, least, most)
    return Line(float(np.polyfit(x, y, 1)[0]), float(x.mean()), float(least), float(most))


def test_the_line_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(200) * 1e3
    y = 5.0 + 0.7 * x + 500.0 * rng.standard_normal(200)
    assert line_of(y, x) == pytest.approx(line_by_hand(x, y))
    some = np.where(np.arange(200) % 2 == 0, x, np.nan)
    assert line_of(y, some) == pytest.approx(line_by_hand(x[::2], y[::2]))


def test_a_covariate_that_is_little_known_or_tells_nothing_draws_no_line() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 200))
    assert line_of(y, x - np.dot(x, y - y.mean()) / np.dot(y - y.mean(), y) * y) is None
    assert line_of(x, np.where(np.arange(200) < 29, x, np.nan)) is None
    assert line_of(x, np.where(np.arange(200) < 30, x, np.nan)) is not None
    assert line_of(np.ones(200), x) is None
    assert line_of(x, np.ones(200)) is None
    assert line_of(x * 1e300, x * 1e-300) is None  # its coefficient is no number


def test_what_is_far_out_is_cut_and_what_is_not_known_takes_nothing_off() -> None:
    line = Line(2.0, 1.0, 0.0, 3.0)
    off = taken_off(line, np.array([-50.0, 0.5, 50.0, np.nan]))
    assert off.tolist() == [-2.0, -1.0, 4.0, 0.0]


def world(
    n: int, seed: int = 3, effect: float = 0.0, rho: float = 0.8
) -> tuple[list[str], Floats, Floats]:
    """(arms, covariates, values) of n units."""
    rng = np.random.default_rng(seed)
    arms = ["b" if treated else "control" for treated in rng.random(n) < 0.5]
    x = rng.standard_normal(n)
    y = 10.0 + 5.0 * (rho * x + np.sqrt(1.0 - rho * rho) * rng.standard_normal(n))
    return arms, x, y + effect * (np.array(arms) == "b")


def log_of(arms: list[str], x: Floats, y: Floats, **fields: Any) -> list[Sent]:
    known: list[float | None] = [None if np.isnan(one) else float(one) for one in x]
    columns: dict[str, Any] = {"unit_id": [f"u{n}" for n in range(len(arms))], **fields}
    return many(result(metric="spend"), len(arms), variant=arms, sum=y, covariate=known, **columns)


def begun(metric: MetricSpec, shares: tuple[ShareStep, ...]) -> PartitionState:
    state = tables()
    policy = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)
    assert apply_policy(CODEC.encode(policy), state, CODEC) is None
    fold(piece(SPECS, sent([spec(metrics=(metric,), share_steps=shares)])), state, CODEC)
    return state


def folded(
    records: list[Sent], metric: MetricSpec = CAPPED, shares: tuple[ShareStep, ...] = EVEN
) -> tuple[PartitionState, list[Decision]]:
    state = begun(metric, shares)
    effects = fold(piece(RESULTS, records), state, CODEC)
    assert effects.applied == len(records), effects.refused[:1]
    refresh(state)
    return state, [one.record for one in effects.outputs if isinstance(one.record, Decision)]


def number_of(state: PartitionState, variant: str) -> int:
    """The number of a whole arm's row in the hot table."""
    arms = state.experiments.arms
    keys = [arms.keys[at] for at in range(len(arms))]
    found = [at for at, key in enumerate(keys) if key[3] == variant and key[4] is key[5] is None]
    return found[0]


def row(state: PartitionState, variant: str) -> Any:
    return state.experiments.arms.records[number_of(state, variant)]


def by_hand(arms: list[str], x: Floats, y: Floats, stated: bool) -> Floats:
    """The adjusted value of each unit by the definition: a line through control's first 50 units
    from there on where a cap is stated, through its first 500 then.
    """
    at = np.flatnonzero(np.array(arms) == "control")
    adjusted = y.copy()
    for units in (FIRST_LINE, LEARNED) if stated else (LEARNED,):
        own = at[:units]
        line = line_of(y[own], x[own])
        assert line is not None
        after = slice(int(own[-1]) + 1, None)
        adjusted[after] = y[after] - taken_off(line, x[after])
    return adjusted


@pytest.mark.parametrize("shares", [EVEN, ()])
def test_values_are_adjusted_by_lines_that_earlier_units_of_control_drew(
    shares: tuple[ShareStep, ...],
) -> None:
    arms, x, y = world(3_000)
    x[::5] = np.nan
    state, _ = folded(log_of(arms, x, y), CAPPED, shares)
    adjusted, is_b = by_hand(arms, x, y, True), np.array(arms) == "b"
    for variant, own in (("b", is_b), ("control", ~is_b)):
        arm = row(state, variant)
        assert arm["sum"] == pytest.approx(adjusted[own].sum())
        assert arm["sum_squares"] == pytest.approx((adjusted[own] ** 2).sum())
        assert arm["sum"] + arm["adjusted"] == pytest.approx(y[own].sum())
        line_at = int(np.flatnonzero(~is_b)[FIRST_LINE - 1])
        used = own & ~np.isnan(x) & (np.arange(len(x)) > line_at)
        assert arm["covariate_units"] == used.sum()
    if shares:
        raw = y[is_b].mean() - y[~is_b].mean()
        assert row(state, "b")["raw_effect"] == pytest.approx(raw)
        assert row(state, "b")["effect"] == pytest.approx(
            adjusted[is_b].mean() - adjusted[~is_b].mean()
        )


def test_without_a_stated_cap_what_is_tested_is_adjusted_from_the_first_on() -> None:
    arms, x, y = world(3_000)
    state, _ = folded(log_of(arms, x, y), SPEND)
    cap = float(row(state, "b")["cap"])
    own = np.flatnonzero(np.array(arms) == "control")[:LEARNED]
    line = line_of(np.minimum(y[own], cap), x[own])
    assert line is not None
    tested = np.arange(len(y)) > own[-1]
    adjusted = np.minimum(y, cap) - taken_off(line, x)
    for variant in ("b", "control"):
        arm = row(state, variant)
        chosen = tested & (np.array(arms) == variant)
        assert arm["sum"] == pytest.approx(adjusted[chosen].sum())
        assert arm["count"] - arm["base_count"] == chosen.sum()


def test_the_effect_in_blocks_is_of_adjusted_values_and_the_raw_one_stands_beside_it() -> None:
    n = 4_000
    arms, x, y = world(n)
    arms = ["control", "b"] * (n // 2)
    state, _ = folded(log_of(arms, x, y), CAPPED, ())
    without, _ = folded(log_of(arms, np.full(n, np.nan), y), CAPPED, ())
    arm, plain = row(state, "b"), row(without, "b")
    assert arm["raw_effect"] == pytest.approx(plain["effect"])
    assert arm["effect"] != pytest.approx(plain["effect"], rel=1e-3)
    assert arm["high"] - arm["low"] < 0.8 * (plain["high"] - plain["low"])
    assert np.isnan(plain["raw_effect"])


def test_a_ramp_is_adjusted_step_by_step() -> None:
    n = 6_000
    arms, x, y = world(n)
    moments = NOON + np.arange(n)
    log = log_of(arms, x, y, occurred_at=np.full(n, NOON), assigned_at=moments)
    state, _ = folded(log, CAPPED, RAMP)
    plain, _ = folded(
        log_of(arms, np.full(n, np.nan), y, occurred_at=np.full(n, NOON), assigned_at=moments),
        CAPPED,
        RAMP,
    )
    arm, other = row(state, "b"), row(plain, "b")
    assert arm["raw_effect"] == pytest.approx(other["effect"])
    assert arm["high"] - arm["low"] < 0.8 * (other["high"] - other["low"])


@pytest.mark.parametrize("shares", [EVEN, ()])
def test_a_gain_is_found_with_half_of_the_units(shares: tuple[ShareStep, ...]) -> None:
    n = 16_000
    arms, x, y = world(n, seed=5, effect=0.45)
    ends = []
    for known in (x, np.full(n, np.nan)):
        _, decisions = folded(log_of(arms, known, y), CAPPED, shares)
        found = [one.evidence[0].last_offset for one in decisions if one.order == Order.DEPLOY]
        ends.append(found[0])
    assert ends[0] < 0.6 * ends[1]


def test_the_sentence_of_a_verdict_tells_the_raw_effect() -> None:
    arms, x, y = world(12_000, seed=5, effect=0.7)
    _, decisions = folded(log_of(arms, x, y))
    verdict = next(one for one in decisions if one.order == Order.DEPLOY)
    assert " without the covariate" in verdict.reason
    _, decisions = folded(log_of(arms, np.full(12_000, np.nan), y))
    verdict = next(one for one in decisions if one.order == Order.DEPLOY)
    assert "covariate" not in verdict.reason


def test_less_is_expected_to_be_needed() -> None:
    """Of what remains to be shown the covariate takes most of the variance."""
    arms, x, y = world(3_000, seed=6, effect=0.2)
    told = []
    for known in (x, np.full(3_000, np.nan)):
        state, _ = folded(log_of(arms, known, y))
        told.append(float(row(state, "b")["expected_more"]))
    assert told[0] < 0.75 * told[1]


@pytest.mark.parametrize("shares", [EVEN, (), RAMP])
@pytest.mark.parametrize("moved", [0.5, -0.5])
def test_covariates_that_differ_between_the_arms_prove_nothing_and_are_told(
    shares: tuple[ShareStep, ...], moved: float
) -> None:
    """The treatment moves the covariate, which was measured too late, and nothing else."""
    n = 8_000
    arms, x, y = world(n, seed=7)
    x += moved * (np.array(arms) == "b")
    state, decisions = folded(log_of(arms, x, y), CAPPED, shares)
    assert [one for one in decisions if one.order != Order.NONE] == []
    experiments = state.experiments
    experiment = next(iter(experiments.experiments.rows()))
    lacks = [
        one for one in lacks_of(experiment, experiments, NOON, 1) if one.kind == LackKind.COVARIATE
    ]
    assert [(one.name, one.variant) for one in lacks] == [("spend of b", "b")]
    side = "above" if moved > 0.0 else "below"
    assert f"standard errors {side} control's" in lacks[0].why
    alike, _ = folded(log_of(*world(n, seed=7)), CAPPED, shares)
    experiment = next(iter(alike.experiments.experiments.rows()))
    kinds = [one.kind for one in lacks_of(experiment, alike.experiments, NOON, 1)]
    assert LackKind.COVARIATE not in kinds


def test_a_unit_that_comes_again_is_compared_once() -> None:
    """Two hundred units send twenty records each, each time with their covariate."""
    arms, x, y = world(200, seed=8)
    again = np.random.default_rng(9).permutation(np.repeat(np.arange(200), 20))
    noise = np.random.default_rng(10).standard_normal(len(again))
    log = log_of(
        [arms[unit] for unit in again], x[again], y[again] + noise,
        unit_id=[f"u{unit}" for unit in again],
    )  # fmt: skip
    state, _ = folded(log)
    known = sum(int(row(state, variant)["covariate_units"]) for variant in ("b", "control"))
    assert known <= 200
    experiments, at = state.experiments, number_of(state, "b")
    z = covariates_apart(experiments.arms.records, experiments.pairs, at)
    assert 0.0 < abs(z) < 3.0


@pytest.mark.parametrize("metric", [CAPPED, SPEND])
def test_cuts_and_restarts_change_nothing(metric: MetricSpec) -> None:
    arms, x, y = world(1_600, seed=11)
    x[::3] = np.nan
    log = piece(RESULTS, log_of(arms, x, y))
    found = []
    for cuts in ([], [150, 700, 1_300]):
        state = begun(metric, ())
        for part in pieces(log, cuts):
            again = begun(metric, ())
            for topic, table in state.all().items():
                again.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
            rebuild(again)
            state = again
            fold(part, state, CODEC)
        refresh(state)
        found.append({name: list(each.snapshot(CODEC)) for name, each in state.all().items()})
    assert found[0] == found[1]
    assert row(state, "b")["coefficient"] != 0.0


def test_nothing_known_in_the_burn_in_is_written_as_nothing() -> None:
    arms, x, y = world(100, seed=12)
    for known, size in ((x, 8 * arms.count("control")), (np.full(100, np.nan), None)):
        state, _ = folded(log_of(arms, known, y), SPEND)
        ((_, value),) = state.experiments.burn_ins.snapshot(CODEC)
        kept = CODEC.read("BurnInRow", value)
        covariates = kept["covariates"]
        assert (covariates if covariates is None else len(covariates)) == size


@pytest.mark.parametrize("fields", [{"count": 2, "sum_squares": 4.0}])
def test_a_covariate_of_several_units_is_refused(fields: dict[str, Any]) -> None:
    state = begun(CAPPED, EVEN)
    record = result(metric="spend", sum=2.0, covariate=1.0, **fields)
    effects = fold(piece(RESULTS, sent([record])), state, CODEC)
    assert [one.reason for one in effects.refused] == ["COVARIATE_OF_SEVERAL"]
