"""Ramps: the evidence against its formula written out, and what a fold makes of a Simpson's
paradox.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from agents.experiments.evidence.pair_ramp import (
    FEWER,
    MORE,
    difference_of_ramp,
    log_e_of_ramp,
    worst_of_ramp,
    z_of_ramp,
)
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from state.partition.experiment_tables import ExperimentTables
from state.partition.partition_state import PartitionState
from tests.support.builders import (
    CODEC,
    NOON,
    apply_policy,
    many,
    piece,
    result,
    sent,
    spec,
    tables,
)

GRID = np.linspace(0.05, 2.05, 41)  # log ratios: from 5 % more to eight times as many
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)
STEPS = tuple(
    ShareStep(
        from_=None if n == 0 else NOON + n * 1_000,
        shares=(Share("control", 1.0 - s), Share("b", s)),
    )
    for n, s in enumerate(SHARES)
)
CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)


def ramp_of(
    shares: tuple[float, ...], control: list[tuple[int, int]], treatment: list[tuple[int, int]]
) -> tuple[ExperimentTables, int]:
    """The tables and the pair of a ramp with these shares of b, whose steps have (units, hits)."""
    state = tables()
    steps = tuple(
        ShareStep(
            from_=None if n == 0 else NOON + n * 1_000,
            shares=(Share("control", 1.0 - share), Share("b", share)),
        )
        for n, share in enumerate(shares)
    )
    fold(piece(SPECS, sent([spec(share_steps=steps, metrics=(CONVERSION,))])), state, CODEC)
    records = [
        result(
            2 * step + side, variant=variant,
            assigned_at=NOON + step * 1_000, occurred_at=NOON + step * 1_000,
        )
        for step in range(len(shares))
        for side, variant in enumerate(("control", "b"))
    ]  # fmt: skip
    fold(piece(RESULTS, sent(records)), state, CODEC)
    arms = state.experiments.arms
    rows = {(arms.keys[row][3], arms.keys[row][5]): row for row in range(len(arms))}
    for variant, totals in (("control", control), ("b", treatment)):
        for step, (count, hits) in enumerate(totals):
            row = rows[variant, str(step)]
            arms.count[row], arms.hits[row] = count, hits
    return state.experiments, rows["b", None]


def test_evidence_is_the_product_over_events_of_the_share_of_their_step() -> None:
    rng = np.random.default_rng(1)
    control, treatment, log_ratios = [], [], np.zeros((2, len(GRID)))
    for share in (0.1, 0.5):
        x, y = int(rng.integers(5, 40)), int(rng.integers(5, 60))
        control.append((200, y))
        treatment.append((150, x))
        for side, sign in enumerate((1.0, -1.0)):
            theta = share * np.exp(sign * GRID) / (share * np.exp(sign * GRID) + 1.0 - share)
            log_ratios[side] += x * np.log(theta / share) + y * np.log(
                (1.0 - theta) / (1.0 - share)
            )
    tables, pair = ramp_of((0.1, 0.5), control, treatment)
    expected = logsumexp(log_ratios, axis=1) - np.log(len(GRID))
    for side, log_e in zip((MORE, FEWER), expected, strict=True):
        rows, ramps = tables.arms.records, tables.ramps.arrays
        assert np.allclose(log_e_of_ramp(rows, ramps, pair, side, -np.inf), log_e)
        # Where it need not be exact it is never below it, and never reaches the level.
        for level in (log_e - 0.1, log_e + 0.1, log_e + 9.0):
            rough = log_e_of_ramp(rows, ramps, pair, side, level)
            assert rough >= log_e - 1e-12
            assert (rough >= level) == (log_e >= level)


def test_the_difference_is_mantel_and_haenszels() -> None:
    tables, pair = ramp_of((0.1, 0.5), [(900, 90), (500, 150)], [(100, 20), (500, 200)])
    rows, ramps = tables.arms.records, tables.ramps.arrays
    weights = np.array([900 * 100 / 1000, 500 * 500 / 1000])
    effect = (weights * [0.1, 0.1]).sum() / weights.sum()
    assert difference_of_ramp(rows, ramps, pair)[0] == pytest.approx(effect)
    pooled = np.array([110 / 1000, 350 / 1000])
    z = (weights * [0.1, 0.1]).sum() / np.sqrt((weights * pooled * (1 - pooled)).sum())
    assert z_of_ramp(rows, ramps, pair) == pytest.approx(z)


def test_both_rates_of_a_bound_are_those_of_one_ratio() -> None:
    """The base falls to a tenth while the treatment's share grows."""
    control, treatment = [(9_000, 1_800), (5_000, 100)], [(1_000, 240), (5_000, 120)]
    tables, pair = ramp_of((0.1, 0.5), control, treatment)
    rows, ramps = tables.arms.records, tables.ramps.arrays
    worst, beside = worst_of_ramp(rows, ramps, pair, True, np.log(20.0))
    log_ratio, shares = np.log(worst / beside), np.array([0.1, 0.5])
    assert log_ratio > np.log(1.2)  # what it looks like in each of the steps

    def likelihood(at: float) -> float:
        both = np.array([2_040.0, 220.0])
        return float(at * 360.0 - (both * np.log(shares * np.exp(at) + 1.0 - shares)).sum())

    fewer = logsumexp([likelihood(at) for at in -GRID]) - np.log(len(GRID))
    log_e = np.logaddexp(0.0, fewer) - np.log(2.0) - likelihood(log_ratio)
    assert log_e == pytest.approx(np.log(20.0), abs=1e-6)


def folded(
    odds: float, seed: int, delayed: bool = True, n: int = 20_000
) -> tuple[list[Decision], PartitionState]:
    """One unit a moment; the base rate triples while the share of b rises, so b meets the better
    times.
    """
    rng = np.random.default_rng(seed)
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    fold(piece(SPECS, sent([spec(share_steps=STEPS, metrics=(CONVERSION,))])), state, CODEC)
    at = np.arange(n) / n
    step = np.minimum((at * len(SHARES)).astype(int), len(SHARES) - 1)
    treated = rng.random(n) < np.array(SHARES)[step]
    base = 0.05 * (1.0 + 2.0 * at)
    converted = rng.random(n) < np.where(treated, base * odds, base)
    heard = at + (rng.exponential(0.15, n) if delayed else 0.0)
    order = np.argsort(heard, kind="stable")
    records = many(
        result(metric="conversion"),
        n,
        variant=np.where(treated, "b", "control")[order].tolist(),
        sum=converted[order].astype(float),
        assigned_at=(NOON + step * 1_000)[order],
        occurred_at=np.full(n, NOON + 4_000),
    )
    found = [
        one.record
        for start in range(0, n, 5_000)
        for one in fold(piece(RESULTS, records[start : start + 5_000]), state, CODEC).outputs
    ]
    return [one for one in found if isinstance(one, Decision)], state


def test_a_ramp_over_a_rising_base_rate_finds_nothing_where_there_is_nothing() -> None:
    found = [one.verdict for seed in range(30) for one in folded(1.0, seed)[0]]
    assert found.count(Verdict.HARM) <= 1  # at most 5 % by the promise
    assert found.count(Verdict.GAIN) <= 2


def test_a_ramp_of_a_rate_near_one_is_judged_alike_however_its_log_is_cut() -> None:
    rng, n = np.random.default_rng(4), 3_000
    treated = rng.random(n) < 0.5
    records = many(
        result(metric="conversion"), n, variant=np.where(treated, "b", "control").tolist(),
        sum=(rng.random(n) < np.where(treated, 0.8, 0.95)).astype(float),
        assigned_at=np.where(np.arange(n) < 60, NOON, NOON + 4_000),
    )  # fmt: skip
    found = []
    for each in (n, 100):
        state = tables()
        even = (
            ShareStep(shares=(Share("control", 0.5), Share("b", 0.5))),
            replace(STEPS[-1], from_=NOON + 1_000),
        )
        fold(piece(SPECS, sent([spec(share_steps=even, metrics=(CONVERSION,))])), state, CODEC)
        outputs = [
            fold(piece(RESULTS, records[at : at + each]), state, CODEC).outputs
            for at in range(0, n, each)
        ]
        found.append(
            [one.record for part in outputs for one in part if isinstance(one.record, Decision)]
        )
    assert [one.verdict for one in found[0]] == [Verdict.HARM]
    assert found[0] == found[1]


def test_a_ramp_finds_harm_and_says_how_much() -> None:
    decisions, state = folded(0.5, seed=3)
    assert [one.verdict for one in decisions] == [Verdict.HARM]
    proof = decisions[0].evidence[0]
    assert proof.low < -0.03 < proof.high < 0.0
    assert -0.1 < proof.estimate < 0.0
    steps = {state.experiments.arms.keys[n][5] for n in range(len(state.experiments.arms))}
    assert steps == {None, "0", "1", "2", "3", "4"}
