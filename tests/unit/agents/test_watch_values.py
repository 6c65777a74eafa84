"""MEAN and LATENCY metrics of live models: a limit is learned or stated, and records beyond it are
watched as a rate.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.drift.evidence.thinning_and_limits import LEARNED
from agents.flow.pipeline import fold
from schemas.catalog import METRICS
from schemas.records import (
    Direction,
    MetricKind,
    MetricSpec,
    Order,
    Reference,
    Role,
    State,
    Verdict,
)
from tests.support.builders import CODEC, apply_policy, many, metric, piece
from tests.support.watching import AUTO, Stream, decisions, row, watched
from tests.unit.agents.test_limits import gauge

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER


def spec(name: str = "latency", **terms: Any) -> MetricSpec:
    return replace(MetricSpec(name, Role.GUARDRAIL, DOWN, MetricKind.MEAN), **terms)


def test_a_slower_model_is_found_and_worded_by_its_learned_limit() -> None:
    state, rng = watched(), np.random.default_rng(1)
    stream = Stream(state, 1, metric="latency")
    assert stream.values(rng.exponential(30.0, 5_000)) == []
    watch = row(state, name="latency")
    assert (watch.thin, watch.values, watch.frozen, watch.reference_count) == (1, (), True, 1_000)
    assert watch.limit == pytest.approx(30.0 * np.log(20.0), rel=0.1)
    assert (watch.versions[0].count, watch.versions[0].judged) == (5_000, 4_000)
    (found,) = decisions(stream.values(rng.exponential(60.0, 1_000)))
    assert (found.verdict, found.order) == (Verdict.DRIFT, Order.RETRAIN)
    assert found.reason.startswith(
        f"bot v1: share of records with latency above {watch.limit:g} rose from "
    )
    assert 4_900 < found.evidence[0].first_offset < 5_020 < found.evidence[0].last_offset < 5_400


def test_a_mean_that_is_better_higher_is_bad_below_its_limit() -> None:
    state, rng = watched(), np.random.default_rng(2)
    stream = Stream(state, 1, metric="revenue")
    assert stream.values(rng.normal(50.0, 5.0, 4_000)) == []
    assert row(state, name="revenue").limit == pytest.approx(50.0 - 1.645 * 5.0, rel=0.02)
    assert stream.values(rng.normal(60.0, 5.0, 1_000)) == []
    (found,) = decisions(stream.values(rng.normal(43.0, 5.0, 500)))
    assert "share of records with revenue below" in found.reason


def test_the_records_that_froze_the_limit_enter_neither_the_reference_nor_the_test() -> None:
    state, rng = watched(), np.random.default_rng(3)
    stream = Stream(state, 1, metric="latency")
    stream.values(rng.exponential(30.0, LEARNED - 1))
    learning = row(state, name="latency")
    assert (len(learning.values), learning.limit, learning.reference_count) == (
        LEARNED - 1,
        None,
        0,
    )
    stream.values(np.array([1e9]))
    frozen = row(state, name="latency")
    assert (frozen.values, frozen.limit is not None, frozen.reference_count) == ((), True, 0)
    stream.values(np.array([1e9, 0.0]))
    after = row(state, name="latency")
    assert (after.reference_count, after.reference_bad, after.versions[0].judged) == (2, 1, 2)


def test_records_of_several_units_are_added_up_and_not_judged() -> None:
    state, rng = watched(), np.random.default_rng(4)
    stream = Stream(state, 1, metric="latency")
    stream.values(rng.exponential(30.0, 3_000))
    before = row(state, name="latency").versions[0]
    assert stream.values(np.full(500, 1e6), count=10) == []
    (after,) = row(state, name="latency").versions
    assert (after.count, after.coarse, after.judged, after.state) == (
        8_000,
        5_000,
        before.judged,
        State.OK,
    )
    assert after.sum == before.sum + 500 * 1e6


@pytest.mark.parametrize(
    "one",
    [
        spec("latency", role=Role.SIGNAL),
        spec("mood"),
        spec("error", role=Role.SIGNAL, kind=MetricKind.RATE),
    ],
)
def test_signals_are_added_up_and_never_command(one: MetricSpec) -> None:
    state = watched(metrics=(one,) if one.name != "mood" else (), reference_count=100)
    stream = Stream(state, 1, metric=one.name)
    assert stream.values(np.random.default_rng(5).integers(0, 2, 3_000).astype(float)) == []
    assert stream.values(np.ones(2_000)) == []
    (version,) = row(state, name=one.name).versions
    assert (version.count, version.judged, version.state) == (5_000, 0, State.WAIT)
    assert version.sum > 3_000


def test_a_direction_that_is_not_known_never_commands() -> None:
    """A policy that says so is refused; this is what an older reader may see of a newer one."""
    state = watched()
    state.policies["all"] = replace(AUTO, metrics=(spec("latency", direction=Direction.UNKNOWN),))
    stream, rng = Stream(state, 1, metric="latency"), np.random.default_rng(6)
    assert stream.values(rng.exponential(30.0, 3_000)) == []
    assert stream.values(rng.exponential(900.0, 1_000)) == []


@pytest.mark.parametrize("kind", [MetricKind.MEAN, MetricKind.LATENCY])
def test_a_stated_limit_is_compared_with_from_the_first_record(kind: MetricKind) -> None:
    state, rng = (
        watched(metrics=(spec("latency", kind=kind, limit=100.0),)),
        np.random.default_rng(7),
    )
    stream = Stream(state, 1, metric="latency")
    stream.values(rng.exponential(30.0, 1_500))
    watch = row(state, name="latency")
    assert (watch.limit, watch.frozen, watch.versions[0].judged) == (100.0, True, 1_500)
    (found,) = decisions(stream.values(rng.exponential(90.0, 300)))
    assert "latency above 100 rose" in found.reason


def test_a_limit_that_is_no_number_is_learned() -> None:
    state = watched(metrics=(spec("latency", limit=float("nan")),))
    Stream(state, 1, metric="latency").values(np.arange(1_000.0))
    assert row(state, name="latency").limit == 949.0


def test_a_stated_reference_counts_records_beyond_a_stated_limit() -> None:
    stated = (Reference(metric="latency", count=5_000, sum=250.0),)
    state = watched(metrics=(spec("latency", limit=100.0),), references=stated)
    rng = np.random.default_rng(8)
    (found,) = decisions(Stream(state, 1, metric="latency").values(rng.exponential(90.0, 500)))
    assert found.evidence[0].last_offset < 200
    assert (
        row(state, name="latency").reference_count,
        row(state, name="latency").reference_bad,
    ) == (5_000, 250)


def test_without_a_stated_limit_a_stated_reference_of_a_mean_is_learned_as_usual() -> None:
    state = watched(references=(Reference(metric="latency", count=5_000, sum=150_000.0),))
    stream, rng = Stream(state, 1, metric="latency"), np.random.default_rng(9)
    assert stream.values(rng.exponential(30.0, 3_000)) == []
    assert (row(state, name="latency").reference_count, row(state, name="latency").frozen) == (
        1_000,
        True,
    )
    assert len(decisions(stream.values(rng.exponential(90.0, 500)))) == 1


def test_a_metric_that_becomes_one_of_another_kind_learns_anew() -> None:
    state, rng = watched(), np.random.default_rng(10)
    stream = Stream(state, 1, metric="error")
    stream.values((rng.random(2_000) < 0.1).astype(float))
    assert row(state).frozen
    apply_policy(CODEC.encode(replace(AUTO, metrics=(spec("error"),))), state, CODEC)
    stream.values(rng.exponential(1.0, 300))
    assert (row(state).frozen, len(row(state).values), row(state).reference_count) == (
        False,
        300,
        0,
    )


def test_a_gauge_is_thinned_by_ordinal_and_says_so() -> None:
    state, rng = watched(), np.random.default_rng(11)
    stream = Stream(state, 1, metric="latency")
    calm = gauge(rng, 60_000, 0.9)
    assert stream.values(calm) == []
    watch = row(state, name="latency")
    assert watch.thin >= 25
    assert watch.versions[0].judged == sum(n % watch.thin == 0 for n in range(LEARNED + 1, 60_001))
    assert (watch.frozen, watch.reference_count) == (True, 100)
    (found,) = decisions(stream.values(gauge(rng, 20_000, 0.9) + 4.0))
    assert f"; each {watch.thin}" in found.reason
    assert "record judged: values follow each other: retrain" in found.reason


def test_a_segment_has_a_limit_of_its_own_and_the_whole_is_explained_by_its_own_limit() -> None:
    state, rng = watched(false_alarm_records=1e6), np.random.default_rng(13)
    segments = ["fast", "slow"] * 4_000

    def send(scale: dict[str, float], start: int) -> Any:
        values = [rng.exponential(scale[segment]) for segment in segments]
        return many(metric(metric="latency"), len(segments), start, sum=values, segment=segments)

    assert fold(piece(METRICS, send({"fast": 10.0, "slow": 100.0}, 0)), state, CODEC).outputs == ()
    fast, slow, whole = (row(state, segment, "latency") for segment in ("fast", "slow", None))
    assert fast.limit is not None
    assert slow.limit is not None
    assert whole.limit is not None
    assert fast.limit < 40.0 < 200.0 < whole.limit < slow.limit
    assert fast.share_count + slow.share_count == whole.reference_count
    assert fast.share_bad + slow.share_bad == whole.reference_bad
    found = decisions(
        list(fold(piece(METRICS, send({"fast": 10.0, "slow": 200.0}, 8_000)), state, CODEC).outputs)
    )
    assert {one.evidence[0].segment for one in found} == {"slow"}
    assert {one.verdict for one in found} == {Verdict.DRIFT}
