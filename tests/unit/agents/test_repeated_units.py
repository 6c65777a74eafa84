"""Units that come again: how much less their records weigh, in what is proved and what is shown."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.experiments.arms.arms import rebuild
from agents.experiments.oversight.missing_data import LackKind, lacks_of
from agents.flow.pipeline import fold, remember
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Decision,
    Direction,
    ExperimentResult,
    MetricKind,
    MetricSpec,
    Order,
    Role,
)
from state.arms_table import ArmsTable
from state.pairs.unit_buckets import NO_BUCKETS, SUMS, UNITS
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, piece, result, sent, spec, tables

DOWN = Direction.LOWER_IS_BETTER
LOAD = MetricSpec("load", Role.GUARDRAIL, DOWN, MetricKind.MEAN, cap=1e6)
LATENCY = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY, limit=1.0)
ERRORS = MetricSpec("errors", Role.GUARDRAIL, DOWN, MetricKind.COUNT)
FAILED = MetricSpec("failed", Role.GUARDRAIL, DOWN, MetricKind.RATE)
HELD = 500  # records in a slice


def state_with(metric: MetricSpec) -> PartitionState:
    state = tables()
    fold(piece(SPECS, sent([spec(metrics=(metric,))])), state, CODEC)
    return state


def of_units(
    metric: str, units: Sequence[tuple[str, str]], values: NDArray[np.float64]
) -> list[ExperimentResult]:
    """A record of each of these (arm, unit) with its value."""
    return [
        result(n, variant=arm, unit_id=unit, metric=metric, sum=float(value))
        for n, ((arm, unit), value) in enumerate(zip(units, values, strict=True))
    ]


def folded(
    state: PartitionState, log: Sequence[ExperimentResult], start: int = 0
) -> list[Decision]:
    decisions = list[Decision]()
    for first in range(0, len(log), HELD):
        part = piece(RESULTS, sent(log[first : first + HELD], start=start + first))
        outputs = fold(part, state, CODEC).outputs
        decisions += [one.record for one in outputs if isinstance(one.record, Decision)]
    return decisions


def arm(state: PartitionState, variant: str) -> tuple[ArmsTable, int]:
    arms = state.experiments.arms
    rows = [row for row in range(len(arms)) if arms.keys[row][3:] == (variant, None, None)]
    return arms, rows[0]


def random_users(rng: np.random.Generator, users: int, records: int) -> list[tuple[str, str]]:
    drawn = rng.integers(0, users, records).tolist()
    return [("b" if user % 2 else "control", f"u{user}") for user in drawn]


def test_no_bucket_is_kept_where_no_unit_comes_again() -> None:
    rng = np.random.default_rng(1)
    units = [("b" if n % 2 else "control", f"u{n}") for n in range(2_000)]
    state = state_with(LOAD)
    folded(state, of_units("load", units, rng.normal(10.0, 1.0, 2_000)))
    for variant in ("control", "b"):
        arms, row = arm(state, variant)
        assert arms.bucket_slot[row] == NO_BUCKETS
        assert arms.design_effect[row] == 1.0


@pytest.mark.parametrize("metric", [FAILED], ids=lambda metric: metric.name)
def test_a_rate_counts_a_unit_once_and_keeps_no_buckets(metric: MetricSpec) -> None:
    rng = np.random.default_rng(1)
    units = random_users(rng, 200, 2_000)
    state = state_with(metric)
    folded(state, of_units(metric.name, units, rng.integers(0, 2, 2_000).astype(np.float64)))
    arms, row = arm(state, "b")
    assert arms.repeats[row] > 0
    assert arms.bucket_slot[row] == NO_BUCKETS


def test_every_record_after_the_first_repeat_falls_into_its_units_bucket() -> None:
    rng = np.random.default_rng(2)
    units = random_users(rng, 300, 4_000)
    values = rng.normal(10.0, 1.0, 4_000)
    state = state_with(LOAD)
    folded(state, of_units("load", units, values))
    for variant in ("control", "b"):
        own = [
            (unit, value)
            for (name, unit), value in zip(units, values, strict=True)
            if name == variant
        ]
        known, first = set[str](), 0
        while own[first][0] not in known:
            known.add(own[first][0])
            first += 1
        arms, row = arm(state, variant)
        held = arms.buckets.values[arms.bucket_slot[row]]
        assert held[UNITS:SUMS].sum() == len(own) - first - 1
        assert held[SUMS:].sum() == pytest.approx(sum(value for _, value in own[first + 1 :]))


@pytest.mark.parametrize("icc", [0.0, 0.2, 0.5])
def test_the_design_effect_is_that_of_the_sums_of_units(icc: float) -> None:
    """Kish's, of units whose number of records is drawn from a Poisson distribution of mean 10."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        units = random_users(rng, 2_000, 20_000)
        own = {f"u{user}": value for user, value in enumerate(rng.standard_normal(2_000))}
        shared = np.array([own[unit] for _, unit in units])
        values = 10.0 + np.sqrt(icc) * shared + np.sqrt(1.0 - icc) * rng.standard_normal(20_000)
        state = state_with(LOAD)
        folded(state, of_units("load", units, values))
        arms, row = arm(state, "b")
        found.append(float(arms.design_effect[row]))
    true = 1.0 + icc * 10.0
    assert true <= np.mean(found) <= 1.3 * true


@pytest.mark.parametrize("metric", [LOAD, LATENCY, ERRORS], ids=lambda metric: metric.name)
def test_a_few_pods_prove_nothing_however_many_records_they_send(metric: MetricSpec) -> None:
    rng = np.random.default_rng(3)
    pods = rng.integers(0, 10, 20_000)
    units = [("b" if pod < 2 else "control", f"pod-{pod}") for pod in pods.tolist()]
    values = np.where(pods < 2, 1.0, rng.random(20_000) < 0.3).astype(np.float64)
    if metric is LATENCY:
        values = values + 0.5
    state = state_with(metric)
    decided = folded(state, of_units(metric.name, units, values))
    assert [one for one in decided if one.order != Order.NONE] == []
    _, row = arm(state, "b")
    assert state.experiments.arms.design_effect[row] > 500.0


@pytest.mark.parametrize("metric", [LOAD, LATENCY, ERRORS], ids=lambda metric: metric.name)
def test_harm_among_many_units_that_come_again_is_rolled_back(metric: MetricSpec) -> None:
    rng = np.random.default_rng(4)
    units = random_users(rng, 3_000, 20_000)
    bad = rng.random(20_000) < np.array([0.3 if name == "b" else 0.1 for name, _ in units])
    values = bad + (0.5 if metric is LATENCY else 0.0)
    state = state_with(metric)
    decided = folded(state, of_units(metric.name, units, values.astype(np.float64)))
    assert [one.order for one in decided if one.order == Order.ROLLBACK]


@pytest.mark.parametrize("metric", [LOAD, LATENCY, ERRORS], ids=lambda metric: metric.name)
def test_a_restart_goes_on_with_the_same_buckets(metric: MetricSpec) -> None:
    rng = np.random.default_rng(5)
    units = random_users(rng, 100, 3_000)
    log = of_units(metric.name, units, rng.integers(0, 3, 3_000).astype(np.float64))
    state, again = state_with(metric), state_with(metric)
    folded(state, log[:2_000])
    for topic, table in again.all().items():
        table.restore(list(state.all()[topic].snapshot(CODEC)), CODEC)
    rebuild(again.experiments)
    remember(piece(RESULTS, sent(log[:2_000])), again, CODEC)
    for one in (state, again):
        folded(one, log[2_000:], start=2_000)
    rows = [dict(one.experiments.arms.snapshot(CODEC)) for one in (state, again)]
    assert rows[0] == rows[1]
    _, row = arm(state, "b")
    assert state.experiments.arms.bucket_slot[row] != NO_BUCKETS


def test_an_arm_of_a_few_units_is_told_to_lack_units() -> None:
    units = [("b" if n % 10 < 2 else "control", f"pod-{n % 10}") for n in range(4_000)]
    state = state_with(LOAD)
    folded(state, of_units("load", units, np.random.default_rng(6).normal(10.0, 1.0, 4_000)))
    experiment = next(iter(state.experiments.experiments.rows()))
    found = lacks_of(experiment, state.experiments, NOON, 3_600_000)
    assert [(one.kind, one.variant) for one in found] == [
        (LackKind.CLUSTERS, "b"),
        (LackKind.CLUSTERS, "control"),
    ]
    assert "800 records of 'load' of 'b' weigh as some 2 units" in found[0].why
