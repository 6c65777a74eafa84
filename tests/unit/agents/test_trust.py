"""Trust: its formulas by hand, and agents that turn bad and good again."""

from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.trust.score import added, new_row, scored
from schemas.catalog import ALERTS, REQUESTS, TRUST_FACTS, TRUST_LEVELS
from schemas.ids import event_uuid
from schemas.records import (
    AgentKind,
    Alert,
    AlertState,
    Policy,
    Priority,
    Request,
    RequestKind,
    Trend,
    TrustFact,
    TrustLevel,
    TrustRow,
)
from tests.support.builders import NOON
from tests.support.loop import Loop

HOUR, DAY = 3_600_000, 24 * 3_600_000


def outcome(n: int, score: float, **more: object) -> TrustFact:
    values: dict[str, object] = {
        "event_id": event_uuid("trust", n),
        "agent_id": "planner",
        "kind": AgentKind.RECOMMENDER,
        "score": score,
        "quality": score,
        "about": str(n),
        "occurred_at": NOON,
        **more,
    }
    return TrustFact(**values)  # type: ignore[arg-type]


def row_of(loop: Loop) -> TrustRow:
    row = loop.tables.trust.trust.get("planner")
    assert row is not None
    return row


def test_trust_is_the_weighted_sum_of_its_parts() -> None:
    row = scored(
        added(new_row("a", AgentKind.RECOMMENDER, NOON), outcome(1, 1.0, lateness_ms=HOUR), NOON),
        NOON,
        None,
    )
    assert row.accuracy == pytest.approx(3 / 5)
    assert row.consistency == 1.0
    assert row.timeliness == pytest.approx(1.0 + 0.1 * (0.36787944117 - 1.0))
    assert row.reliability == 1.0
    assert row.overall == pytest.approx(0.4 * 0.6 + 0.2 + 0.15 * row.timeliness + 0.25)
    assert row.boost == 0.02  # one outcome raises it by no more
    assert (row.approved, row.partial, row.rejected) == (1, 0, 0)


def test_outcomes_fade_with_a_half_life_of_14_days() -> None:
    row = added(new_row("a", AgentKind.RECOMMENDER, NOON), outcome(1, 1.0), NOON)
    later = added(row, outcome(2, 0.0), NOON + 14 * DAY)
    assert [later.good, later.bad] == pytest.approx([0.5, 1.0])


def test_consistency_falls_with_the_spread_of_quality() -> None:
    row = new_row("a", AgentKind.RECOMMENDER, NOON)
    for n in range(20):
        row = added(row, outcome(n, 1.0, quality=float(n % 2)), NOON)
    assert scored(row, NOON, None).consistency == pytest.approx(0.0, abs=0.05)


def test_an_agent_that_turns_bad_is_critical_no_more_within_ten_outcomes() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [outcome(n, 1.0) for n in range(60)])
    assert row_of(loop).priority == Priority.CRITICAL
    lost = 0
    while row_of(loop).priority == Priority.CRITICAL:
        lost += 1
        loop.send(TRUST_FACTS, [outcome(100 + lost, 0.0)])
    assert lost <= 10
    loop.send(TRUST_FACTS, [outcome(200 + n, 0.0) for n in range(10)])
    regained = 0
    while row_of(loop).priority != Priority.CRITICAL:
        regained += 1
        loop.send(TRUST_FACTS, [outcome(300 + regained, 1.0)])
    assert lost < regained <= 60


def test_a_boost_moves_by_at_most_a_twentieth_and_every_worker_is_told() -> None:
    loop = Loop()
    boosts = [0.0]
    for n in range(80):
        loop.send(TRUST_FACTS, [outcome(n, 1.0 if n < 40 else 0.0)])
        boosts.append(row_of(loop).boost)
    assert max(abs(after - before) for before, after in pairwise(boosts)) <= 0.05 + 1e-12
    told = [one for one in loop.records(TRUST_LEVELS) if isinstance(one, TrustLevel)]
    assert 4 <= len(told) < 40
    assert loop.tables.trust.levels["planner"] == told[-1]
    assert abs(told[-1].boost - row_of(loop).boost) < 0.05


def test_a_distrusted_agent_is_heard_last_and_somebody_is_told_once() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [outcome(n, 0.0, failed=True, lateness_ms=10 * HOUR) for n in range(30)])
    assert row_of(loop).overall < 0.3
    assert row_of(loop).priority == Priority.LOW
    raised = [
        one
        for one in loop.records(ALERTS)
        if isinstance(one, Alert) and one.rule == "agent distrusted"
    ]
    assert [one.state for one in raised] == [AlertState.RAISED]
    loop.now += HOUR
    loop.send(TRUST_FACTS, [outcome(100 + n, 1.0) for n in range(30)])
    resolved = [
        one
        for one in loop.records(ALERTS)
        if isinstance(one, Alert) and one.rule == "agent distrusted"
    ]
    assert [one.state for one in resolved] == [AlertState.RAISED, AlertState.RESOLVED]
    assert resolved[0].alert_id == resolved[1].alert_id


def test_an_agent_is_disabled_by_policy_alone() -> None:
    bad = [outcome(n, 0.0, failed=True, lateness_ms=10 * HOUR) for n in range(30)]
    loop = Loop(Policy(event_id="p", policy_id="p", disable_below=0.35))
    loop.send(TRUST_FACTS, bad[:19])
    assert row_of(loop).priority == Priority.LOW
    loop.send(TRUST_FACTS, bad[19:])
    assert row_of(loop).priority == Priority.DISABLED


def test_time_alone_refreshes_trust_every_six_hours() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [outcome(n, 1.0) for n in range(30)])
    before = row_of(loop)
    loop.wait(5 * HOUR)
    assert row_of(loop) == before
    loop.wait(HOUR + 1)
    assert row_of(loop).updated_at == loop.now
    assert row_of(loop).good < before.good


def test_a_falling_trust_has_a_declining_trend_and_a_steady_one_is_stable() -> None:
    for scores, trend in (
        ((1.0, 1.0), Trend.STABLE),
        ((1.0, 0.0), Trend.DECLINING),
        ((0.0, 1.0), Trend.IMPROVING),
    ):
        loop = Loop()
        loop.send(TRUST_FACTS, [outcome(n, scores[0], quality=0.5) for n in range(40)])
        for day in range(7):
            loop.wait(DAY)
            loop.send(
                TRUST_FACTS, [outcome(100 + 10 * day + n, scores[1], quality=0.5) for n in range(4)]
            )
        assert row_of(loop).trend == trend


def test_trust_is_begun_anew_on_request() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [outcome(n, 0.0) for n in range(30)])
    request = Request(
        event_id=event_uuid("request"),
        subject="planner",
        kind=RequestKind.INITIALISE_TRUST,
        requested_by="ann",
        requested_at=NOON,
    )
    loop.send(REQUESTS, [request])
    row = row_of(loop)
    assert (row.outcomes, row.boost, row.initialised_by) == (0, 0.0, "ann")
    assert loop.tables.trust.levels["planner"].boost == 0.0


def test_without_learning_nobody_earns_trust() -> None:
    loop = Loop(learning=False)
    assert loop.send(TRUST_FACTS, [outcome(n, 1.0) for n in range(30)]) == []
    assert len(loop.tables.trust.trust) == 0


anything = st.floats(allow_nan=False, allow_infinity=True)
facts = st.builds(
    TrustFact,
    event_id=st.uuids().map(str),
    agent_id=st.just("a"),
    kind=st.sampled_from(list(AgentKind)),
    score=anything,
    quality=anything,
    lateness_ms=st.integers(-(2**62), 2**62),
    failed=st.booleans(),
    about=st.just(""),
    occurred_at=st.just(NOON),
)


@given(history=st.lists(st.tuples(facts, st.integers(0, 400 * DAY)), max_size=30))
def test_scores_stay_finite_and_between_0_and_1_for_any_input(
    history: list[tuple[TrustFact, int]],
) -> None:
    row, now = new_row("a", AgentKind.RECOMMENDER, NOON), NOON
    for fact, later in history:
        now += later
        row = scored(added(row, fact, now), now, None)
        for name in ("overall", "accuracy", "consistency", "timeliness", "reliability", "lower"):
            assert 0.0 <= getattr(row, name) <= 1.0, name
        assert -0.5 <= row.boost <= 0.5
        assert all(
            value == value
            for value in (getattr(row, one.name) for one in fields(row))
            if isinstance(value, float)
        )


def test_two_levels_are_no_trend_yet() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [outcome(n, 1.0) for n in range(20)])
    loop.now += 6 * HOUR
    loop.send(TRUST_FACTS, [outcome(100, 0.0)])
    assert (len(row_of(loop).levels), row_of(loop).trend) == (2, Trend.UNKNOWN)
    loop.now += 6 * HOUR
    loop.send(TRUST_FACTS, [outcome(101, 0.0)])
    assert row_of(loop).trend == Trend.DECLINING
