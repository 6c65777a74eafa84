"""No live metric is watched in vain: constants are watched for leaving what they were, and what
cannot be judged is told.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.drift.evidence.thinning_and_limits import LEARNED
from agents.flow.pipeline import fold
from schemas.catalog import METRICS
from schemas.records import (
    Direction,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Order,
    Outcome,
    Policy,
    Reference,
    Role,
    Verdict,
)
from tests.support.builders import CODEC, NOON, apply_policy, many, metric, piece
from tests.support.loop import rows
from tests.support.watching import AUTO, Stream, decisions, row, watched
from tests.unit.agents.test_limits import gauge

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
FOUND_WITHIN = 100  # records of a constant that left what it was, at an alarm of one in 10 000


def of_kind(name: str, kind: MetricKind, direction: Direction = DOWN, **terms: Any) -> Policy:
    return replace(AUTO, metrics=(MetricSpec(name, Role.GUARDRAIL, direction, kind),), **terms)


@pytest.mark.parametrize(("name", "good", "bad"), [("error", 0.0, 1.0), ("accuracy", 1.0, 0.0)])
def test_a_rate_that_never_failed_and_then_always_fails_is_found(
    name: str, good: float, bad: float
) -> None:
    stream = Stream(watched(), 1, metric=name)
    assert stream.values(np.full(3_000, good)) == []
    (found,) = decisions(stream.values(np.full(200, bad)))
    assert (found.verdict, found.order, found.outcome) == (
        Verdict.DRIFT,
        Order.RETRAIN,
        Outcome.ISSUED,
    )
    assert found.evidence[0].last_offset < 3_000 + FOUND_WITHIN


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.sampled_from([MetricKind.MEAN, MetricKind.LATENCY]),
    st.sampled_from([UP, DOWN]),
    st.sampled_from([0.0, 1.0, -1.0, 1e-9, 30.0, -250.0, 1e12]),
    st.floats(0.11, 100.0),
    st.booleans(),
)
def test_any_constant_that_gets_worse_by_more_than_the_margin_is_found(
    kind: MetricKind, direction: Direction, constant: float, by: float, segmented: bool
) -> None:
    state = watched(metrics=of_kind("gauge", kind, direction).metrics)
    stream = Stream(state, 1, metric="gauge", segment="de" if segmented else None)
    assert stream.values(np.full(2_000, constant)) == []
    worse = by * (abs(constant) or 1e-6) * (1.0 if direction == DOWN else -1.0)
    found = decisions(stream.values(np.full(FOUND_WITHIN, constant + worse)))
    assert {one.verdict for one in found} == {Verdict.DRIFT}
    assert {one.evidence[0].segment for one in found} <= {"de", None}


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_a_constant_that_moves_within_the_margin_of_no_harm_commands_nothing(
    direction: Direction,
) -> None:
    state = watched(metrics=of_kind("gauge", MetricKind.MEAN, direction).metrics)
    stream, rng = Stream(state, 1, metric="gauge"), np.random.default_rng(1)
    assert stream.values(np.full(2_000, 10.0)) == []
    assert stream.values(rng.uniform(9.05, 10.95, 3_000)) == []


@pytest.mark.parametrize(("before", "after"), [(0.10, 0.30), (0.5, 0.8), (0.9, 1.0)])
def test_a_score_of_two_values_is_watched_for_the_worse_one(before: float, after: float) -> None:
    """Of 0 and 1 the 5th percentile is 0, below which nothing lies."""
    state, rng = watched(), np.random.default_rng(2)
    stream = Stream(state, 1, metric="satisfaction")
    assert stream.values((rng.random(4_000) >= before).astype(float)) == []
    (found,) = decisions(stream.values((rng.random(1_000) >= after).astype(float)))
    assert found.verdict == Verdict.DRIFT


def told(outputs: Any) -> tuple[Verdict, Order, Outcome, str]:
    (found,) = decisions(outputs)
    return found.verdict, found.order, found.outcome, found.reason


HELD = (Verdict.MISSING, Order.NONE, Outcome.HELD)


def test_a_rate_that_always_fails_cannot_get_worse_and_says_so_once() -> None:
    """And what it says would end it, ends it."""
    state = watched()
    stream = Stream(state, 1, metric="error")
    outputs = stream.values(np.ones(1_500))
    *held, reason = told(outputs)
    assert tuple(held) == HELD
    assert reason == (
        "bot: error is not judged: 1000 of 1000 units of its reference are bad, so that it cannot "
        "get worse: "
        "state a reference in the policy"
    )
    assert (row(state).unjudged_at, row(state).unjudged != "") == (NOON + 999, True)
    assert stream.values(np.ones(1_500)) == []
    stated = (Reference(metric="error", count=5_000, sum=250.0),)
    apply_policy(CODEC.encode(replace(AUTO, references=stated)), state, CODEC)
    (found,) = decisions(stream.values(np.ones(300)))
    assert found.verdict == Verdict.DRIFT
    assert (row(state).unjudged, row(state).unjudged_at, row(state).reference_count) == (
        "",
        -1,
        5_000,
    )


def test_a_random_walk_is_not_judged_and_says_so_until_a_limit_is_stated() -> None:
    state, rng = watched(), np.random.default_rng(12)
    stream = Stream(state, 1, metric="latency")
    *held, reason = told(stream.values(np.cumsum(rng.standard_normal(20_000))))
    assert tuple(held) == HELD
    assert "follow each other over more than 200 records" in reason
    watch = row(state, name="latency")
    assert (watch.thin, watch.versions[0].judged, watch.versions[0].count) == (0, 0, 20_000)
    limited = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.MEAN, limit=100.0)
    apply_policy(CODEC.encode(replace(AUTO, metrics=(limited,))), state, CODEC)
    assert stream.values(rng.exponential(20.0, 1_500)) == []
    assert (row(state, name="latency").unjudged, row(state, name="latency").limit) == ("", 100.0)
    (found,) = decisions(stream.values(np.full(100, 300.0)))
    assert found.verdict == Verdict.DRIFT


def test_a_limit_that_the_policy_changes_is_the_one_compared_with() -> None:
    state, rng = watched(), np.random.default_rng(4)
    stream = Stream(state, 1, metric="latency")
    stream.values(rng.exponential(30.0, 3_000))
    assert row(state, name="latency").limit != 100.0
    limited = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.MEAN, limit=100.0)
    apply_policy(CODEC.encode(replace(AUTO, metrics=(limited,))), state, CODEC)
    stream.values(rng.exponential(30.0, 10))
    assert (row(state, name="latency").limit, row(state, name="latency").reference_count) == (
        100.0,
        10,
    )


def test_sums_of_units_cannot_be_compared_with_a_limit_and_say_so_until_units_come_alone() -> None:
    state = watched()
    stream = Stream(state, 1, metric="latency")
    assert stream.values(np.full(99, 300.0), count=10) == []
    *held, reason = told(stream.values(np.full(50, 300.0), count=10))
    assert tuple(held) == HELD
    assert "send each unit by itself" in reason
    assert stream.values(np.full(500, 300.0), count=10) == []
    stream.values(np.full(1, 30.0))
    assert row(state, name="latency").unjudged == ""


def test_a_guardrail_that_is_a_count_says_that_it_is_not_judged() -> None:
    state = watched(metrics=of_kind("crashes", MetricKind.COUNT).metrics)
    stream = Stream(state, 1, metric="crashes")
    *held, reason = told(stream.values(np.ones(1_000)))
    assert tuple(held) == HELD
    assert "give it the kind RATE, MEAN or LATENCY" in reason
    assert stream.values(np.ones(1_000)) == []
    version = row(state, name="crashes").versions[0]
    assert (version.count, version.judged) == (2_000, 0)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_of_silence_does_not_depend_on_how_the_log_is_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base: ModelMetric = metric(metric="latency")
    values = [
        np.full(1_500, 7.0),
        np.cumsum(rng.standard_normal(1_500)),
        gauge(rng, 1_500, 0.5),
        np.ones(1_500),
    ][seed]
    counts = np.full(1_500, 3) if seed == 3 else np.ones(1_500, np.int64)
    sent = many(
        base,
        1_500,
        sum=values,
        count=counts,
        segment=["a" if n % 3 else None for n in range(1_500)],
    )
    cuts = [0, *sorted(rng.choice(np.arange(1, 1_500), 40, replace=False).tolist()), 1_500]
    whole, parted = watched(), watched()
    at_once = fold(piece(METRICS, sent), whole, CODEC).outputs
    in_parts = [
        out
        for start, end in pairwise(cuts)
        for out in fold(piece(METRICS, sent[start:end]), parted, CODEC).outputs
    ]
    assert list(at_once) == in_parts
    assert rows(whole) == rows(parted)
    assert bool(decisions(list(at_once))) == (seed in (1, 3))


def test_the_learned_values_are_as_many_as_ever() -> None:
    state = watched()
    Stream(state, 1, metric="latency").values(np.full(LEARNED - 1, 3.0))
    assert (len(row(state, name="latency").values), row(state, name="latency").limit) == (
        LEARNED - 1,
        None,
    )
