"""Runs of recommendations: scored in any order, learnt from in cycles, foreseen by what was
learnt.
"""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from agents.learning.recommendation_patterns import AGENTS_KEPT, new_row
from schemas.catalog import ALERTS, CYCLES, LEARNING_FACTS, OUTCOMES, RECOMMENDATIONS, TRUST_FACTS
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import (
    Alert,
    AlertState,
    CycleTrigger,
    Judgement,
    LearningCycle,
    LearningFact,
    LearningFactKind,
    LearningRow,
    LessonCategory,
    LessonRow,
    LessonStatus,
    Recommendation,
    RecommendationOutcome,
    Trend,
    TrustFact,
)
from state.storage.table import row_key
from tests.support.builders import NOON
from tests.support.loop import Loop

HOUR, DAY = 3_600_000, 24 * 3_600_000


def recommendation(
    run: int, agent: str, content: str = "roll back", confidence: float = 0.6, **more: object
) -> Recommendation:
    values: dict[str, object] = {
        "event_id": event_uuid("recommendation", run, agent),
        "agent_id": agent,
        "run_id": f"run {run}",
        "kind": "strategy",
        "content": content,
        "confidence": confidence,
        "made_at": NOON,
        **more,
    }
    return Recommendation(**values)  # type: ignore[arg-type]


def outcome(
    run: int, judgement: Judgement, agent: str = "a", quality: float = 0.8, **more: object
) -> RecommendationOutcome:
    values: dict[str, object] = {
        "event_id": event_uuid("outcome", run, agent),
        "agent_id": agent,
        "run_id": f"run {run}",
        "judgement": judgement,
        "quality": quality,
        "judged_by": "ann",
        "judged_at": NOON,
        **more,
    }
    return RecommendationOutcome(**values)  # type: ignore[arg-type]


def scores(loop: Loop) -> list[tuple[str, float]]:
    return sorted(
        (one.agent_id, one.score) for one in loop.records(TRUST_FACTS) if isinstance(one, TrustFact)
    )


def row_of(loop: Loop, tenant: str = "default") -> LearningRow:
    row = loop.tables.learning.tenants.get(tenant)
    assert row is not None
    return row


def topic_of(record: Record) -> str:
    return RECOMMENDATIONS if isinstance(record, Recommendation) else OUTCOMES


def test_the_outcome_of_a_run_is_scored_to_all_its_recommendations_in_any_order() -> None:
    records: list[Record] = [
        recommendation(1, "a"),
        recommendation(1, "b"),
        outcome(1, Judgement.PARTIAL),
    ]
    for order in permutations(records):
        loop = Loop()
        for record in order:
            loop.send(topic_of(record), [record])
        assert scores(loop) == [("a", 0.5), ("b", 0.5)]
        assert (row_of(loop).outcomes, row_of(loop).tracked) == (2, 0)


def test_the_outcome_of_one_recommendation_is_its_own() -> None:
    loop, own = Loop(), recommendation(1, "a")
    loop.send(RECOMMENDATIONS, [own, recommendation(1, "b")])
    loop.send(OUTCOMES, [outcome(1, Judgement.REJECTED, recommendation_id=own.event_id)])
    assert scores(loop) == [("a", 0.0)]
    loop.send(OUTCOMES, [outcome(1, Judgement.APPROVED, "b")])
    assert scores(loop) == [("a", 0.0), ("b", 1.0)]


def test_a_late_recommendation_is_less_timely() -> None:
    loop = Loop()
    loop.send(
        RECOMMENDATIONS,
        [recommendation(1, "a", due_at=NOON - HOUR), recommendation(1, "b", due_at=NOON + HOUR)],
    )
    loop.send(OUTCOMES, [outcome(1, Judgement.APPROVED)])
    late = {
        one.agent_id: one.lateness_ms
        for one in loop.records(TRUST_FACTS)
        if isinstance(one, TrustFact)
    }
    assert late == {"a": HOUR, "b": 0}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (recommendation(1, "a", confidence=1.5), "OUT_OF_RANGE"),
        (recommendation(1, "a", confidence=float("nan")), "NOT_FINITE"),
        (recommendation(1, ""), "EMPTY_FIELD"),
        (recommendation(1, "a", made_at=-1), "NEGATIVE_TIME"),
        (recommendation(1, "a", content="x" * 40_000), "TOO_LONG"),
        (outcome(1, Judgement.UNKNOWN), "UNKNOWN_SYMBOL"),
        (outcome(1, Judgement.APPROVED, quality=-0.1), "OUT_OF_RANGE"),
        (outcome(1, Judgement.APPROVED, judged_by=""), "EMPTY_FIELD"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(record: Record, reason: str) -> None:
    loop = Loop()
    assert loop.send(topic_of(record), [record]) == []
    assert [why.partition(":")[0] for why in loop.refused] == [reason]


def test_the_same_recommendation_again_is_a_duplicate() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1, "a"), recommendation(1, "a")])
    assert row_of(loop).tracked == 1


def lived(loop: Loop, runs: range, seed: int = 1) -> None:
    """Runs of three agents: an expert, a bad one, and one whose agreement with the expert is a good
    sign.
    """
    rng = np.random.default_rng(seed)
    for run in runs:
        right = rng.random() < 0.5
        expert = "do it" if right == (rng.random() < 0.95) else "leave it"
        other = expert if rng.random() < 0.5 else "wait"
        loop.send(
            RECOMMENDATIONS,
            [
                recommendation(run, "expert", expert, 0.9 if rng.random() < 0.5 else 0.6),
                recommendation(run, "bad", f"guess {run}", 0.9 if rng.random() < 0.5 else 0.6),
                recommendation(run, "other", other),
            ],
        )
        for agent, chance in (
            ("expert", 0.9),
            ("bad", 0.1),
            ("other", 0.9 if other == expert else 0.3),
        ):
            judgement = Judgement.APPROVED if rng.random() < chance else Judgement.REJECTED
            own = event_uuid("recommendation", run, agent)
            loop.send(OUTCOMES, [outcome(run, judgement, agent, recommendation_id=own)])


def test_a_cycle_runs_after_a_hundred_outcomes_and_at_most_hourly() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(0, "a")])
    loop.now += HOUR
    lived(loop, range(1, 33))
    assert loop.records(CYCLES) == []
    lived(loop, range(33, 36))
    (cycle,) = loop.records(CYCLES)
    assert isinstance(cycle, LearningCycle)
    assert (cycle.number, cycle.trigger, cycle.outcomes) == (1, CycleTrigger.OUTCOMES, 100)
    lived(loop, range(36, 80))
    assert len(loop.records(CYCLES)) == 1
    loop.wait(HOUR)
    assert len(loop.records(CYCLES)) == 2


def test_a_cycle_runs_each_night_at_two_where_there_is_anything_new() -> None:
    loop = Loop()  # noon is at 22:13 UTC
    lived(loop, range(3))
    loop.wait(3 * HOUR)
    assert loop.records(CYCLES) == []
    loop.wait(HOUR)
    (cycle,) = loop.records(CYCLES)
    assert isinstance(cycle, LearningCycle)
    assert (cycle.trigger, cycle.outcomes) == (CycleTrigger.NIGHTLY, 9)
    assert cycle.late_ms == (NOON + 4 * HOUR - 2 * HOUR) % DAY
    loop.wait(DAY)
    assert len(loop.records(CYCLES)) == 1  # nothing new


def test_experts_and_consensus_are_learnt_and_foresee_what_is_approved() -> None:
    loop = Loop()
    for night in range(12):
        lived(loop, range(100 * night, 100 * night + 20), seed=night)
        loop.wait(DAY)
    cycles = [one for one in loop.records(CYCLES) if isinstance(one, LearningCycle)]
    assert len(cycles) == 12
    believed = {name for cycle in cycles for name in cycle.confirmed}
    assert {"expert: expert:strategy", "consensus: strategy"} <= believed
    assert not any("bad" in name for name in believed)
    last = cycles[-1]
    assert last.accuracy is not None
    assert last.accuracy > 0.75
    assert 0.2 < last.coverage < 0.9
    assert any("expert" in insight for insight in last.insights)


def test_a_pattern_that_stops_to_hold_is_dropped() -> None:
    loop = Loop()
    for n in range(20):
        loop.send(RECOMMENDATIONS, [recommendation(n, "a")])
        loop.send(OUTCOMES, [outcome(n, Judgement.APPROVED)])
    loop.wait(DAY)
    for n in range(20, 60):
        loop.send(RECOMMENDATIONS, [recommendation(n, "a")])
        loop.send(OUTCOMES, [outcome(n, Judgement.REJECTED)])
    loop.wait(DAY)
    first, second = (one for one in loop.records(CYCLES) if isinstance(one, LearningCycle))
    assert "expert: a:strategy" in first.confirmed
    assert "expert: a:strategy" in second.dropped
    assert (
        second.accuracy == 0.5
    )  # approval was foreseen for as long as more than half had been approved


def lesson_of(loop: Loop, category: str, name: str) -> LessonRow:
    row = loop.tables.learning.lessons.get(row_key("default", category, name))
    assert row is not None
    return row


def approved(loop: Loop, run: int, *agents: str) -> None:
    """A run of these agents, who agree, and are right."""
    loop.send(RECOMMENDATIONS, [recommendation(run, agent) for agent in agents])
    loop.send(OUTCOMES, [outcome(run, Judgement.APPROVED, agent) for agent in agents[:1]])


def test_a_pattern_names_who_took_part_the_latest_last_and_at_most_so_many() -> None:
    loop = Loop()
    approved(loop, 0, "a", "b")
    loop.now += HOUR
    approved(loop, 1, "c", "a")
    row = lesson_of(loop, "CONSENSUS", "strategy")
    assert (row.agents, row.first_at, row.touched_at) == (("b", "c", "a"), NOON, NOON + HOUR)
    assert lesson_of(loop, "EXPERT", "a:strategy").agents == ("a",)
    approved(loop, 2, *(f"agent {n:02}" for n in range(AGENTS_KEPT + 1)))
    kept = lesson_of(loop, "CONSENSUS", "strategy").agents
    assert kept == tuple(f"agent {n:02}" for n in range(1, AGENTS_KEPT + 1))


def test_a_pattern_tells_the_share_that_it_surely_reaches() -> None:
    loop = Loop()
    for run in range(8):
        approved(loop, run, "a")
    # Of Beta(9, 1) the distribution function is x ** 9.
    assert lesson_of(loop, "EXPERT", "a:strategy").lower == pytest.approx(0.05 ** (1 / 9))


def test_a_pattern_is_confirmed_anew_by_outcomes_that_a_cycle_had_not_seen() -> None:
    loop = Loop()
    moments = []
    for night in range(4):
        loop.now += 1_000
        if night != 2:
            for run in range(12):
                approved(loop, 100 * night + run, "a")
        approved(loop, 100 * night + 50, "b")  # so that a cycle is due
        loop.wait(DAY)
        moments.append(lesson_of(loop, "EXPERT", "a:strategy").confirmed_at)
    cycles = [one.cycled_at for one in loop.records(CYCLES) if isinstance(one, LearningCycle)]
    assert moments == [cycles[0], cycles[1], cycles[1], cycles[3]]
    assert lesson_of(loop, "EXPERT", "b:strategy").confirmed_at == -1


def test_a_pattern_that_is_dropped_keeps_when_it_was_last_confirmed() -> None:
    loop = Loop()
    for run in range(20):
        approved(loop, run, "a")
    loop.wait(DAY)
    confirmed_at = loop.now
    loop.now += 1_000
    for run in range(20, 60):
        loop.send(RECOMMENDATIONS, [recommendation(run, "a")])
        loop.send(OUTCOMES, [outcome(run, Judgement.REJECTED)])
    loop.wait(DAY)
    row = lesson_of(loop, "EXPERT", "a:strategy")
    assert (row.status, row.confirmed_at) == (LessonStatus.DROPPED, confirmed_at)


def test_a_row_of_an_older_release_is_counted_on() -> None:
    """What it does not tell stays unknown, and is not made up."""
    loop = Loop()
    old = replace(
        new_row("default", (LessonCategory.EXPERT, "a:strategy"), NOON),
        outcomes=5, approved=5.0, first_at=-1,
    )  # fmt: skip
    loop.tables.learning.lessons.put(old)
    approved(loop, 0, "a")
    row = lesson_of(loop, "EXPERT", "a:strategy")
    assert (row.outcomes, row.agents, row.first_at, row.confirmed_at) == (6, ("a",), -1, -1)


def test_tenants_learn_apart() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1, "acme/a"), recommendation(1, "zeta/a")])
    loop.send(OUTCOMES, [outcome(1, Judgement.APPROVED, "acme/a")])
    assert scores(loop) == [("acme/a", 1.0)]
    assert (row_of(loop, "acme").outcomes, row_of(loop, "zeta").outcomes) == (1, 0)


def test_a_run_is_forgotten_a_week_after_it_was_last_touched() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1, "a")])
    loop.wait(7 * DAY - 1)
    assert len(loop.tables.learning.runs) == 1
    loop.wait(1)
    assert len(loop.tables.learning.runs) == 0
    assert row_of(loop).tracked == 0


def level(n: int, trend: Trend) -> LearningFact:
    return LearningFact(
        event_id=event_uuid("level", n, trend),
        tenant="default",
        kind=LearningFactKind.LEVEL,
        agent_id=f"agent {n}",
        trend=trend,
        occurred_at=NOON,
    )


def test_somebody_is_told_when_more_than_two_agents_decline() -> None:
    loop = Loop()
    loop.send(LEARNING_FACTS, [level(1, Trend.DECLINING), level(2, Trend.DECLINING)])
    assert loop.records(ALERTS) == []
    loop.send(LEARNING_FACTS, [level(3, Trend.DECLINING)])
    loop.send(LEARNING_FACTS, [level(1, Trend.STABLE)])
    told = [
        (one.rule, one.state, one.value) for one in loop.records(ALERTS) if isinstance(one, Alert)
    ]
    assert told == [
        ("agents declining", AlertState.RAISED, 3.0),
        ("agents declining", AlertState.RESOLVED, 2.0),
    ]


def test_a_recommendations_own_outcome_outranks_its_runs() -> None:
    own = recommendation(1, "a")
    whole, particular = (
        outcome(1, Judgement.APPROVED, "b"),
        outcome(1, Judgement.REJECTED, recommendation_id=own.event_id),
    )
    for first, second in ((whole, particular), (particular, whole)):
        loop = Loop()
        loop.send(OUTCOMES, [first])
        loop.send(OUTCOMES, [second])
        loop.send(RECOMMENDATIONS, [own])
        assert scores(loop) == [("a", 0.0)]
