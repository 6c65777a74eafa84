"""Days of agents: what came and what was judged on each, kept for 400 days."""

from typing import Any

import pytest

from agents.trust import agent_days
from agents.trust.score import DAY_MS
from schemas.catalog import OUTCOMES, RECOMMENDATIONS, TABLES_AGENT_DAYS, TRUST_FACTS
from schemas.ids import event_uuid
from schemas.records import (
    AgentDayRow,
    AgentKind,
    Judgement,
    Recommendation,
    RecommendationOutcome,
    TrustFact,
)
from state.storage.table import day_of, row_key
from tests.support.builders import CODEC, NOON
from tests.support.loop import Loop, rows

TODAY = NOON - NOON % DAY_MS


def recommendation(run: int, agent: str = "a", confidence: float = 0.5) -> Recommendation:
    return Recommendation(
        event_id=event_uuid("recommendation", run, agent),
        agent_id=agent,
        run_id=f"run {run}",
        kind="strategy",
        content="roll back",
        confidence=confidence,
        made_at=NOON,
    )


def outcome(run: int, judgement: Judgement, quality: float = 0.5) -> RecommendationOutcome:
    return RecommendationOutcome(
        event_id=event_uuid("outcome", run),
        agent_id="a",
        run_id=f"run {run}",
        judgement=judgement,
        quality=quality,
        judged_by="ann",
        judged_at=NOON,
    )


def fact(number: int, agent: str = "a", score: float = 1.0) -> TrustFact:
    return TrustFact(
        event_id=event_uuid("fact", number, agent),
        agent_id=agent,
        kind=AgentKind.DEPLOYER,
        score=score,
        quality=0.5,
        about="a command",
        occurred_at=NOON,
    )


def day(day_ms: int, agent: str = "a", **counts: Any) -> AgentDayRow:
    given: dict[str, Any] = dict.fromkeys(("tracked", "approved", "partial", "rejected"), 0)
    given |= {"confidence": 0.0, "quality": 0.0} | counts
    return AgentDayRow(agent_id=agent, day=day_ms, **given)


def days(loop: Loop) -> list[AgentDayRow]:
    return sorted(loop.tables.trust.days.rows(), key=lambda row: (row.agent_id, row.day))


def test_a_day_counts_what_came_and_how_it_was_judged() -> None:
    loop = Loop()
    for run, (judgement, quality) in enumerate(
        [(Judgement.APPROVED, 1.0), (Judgement.PARTIAL, 0.5), (Judgement.REJECTED, 0.25)]
    ):
        loop.send(RECOMMENDATIONS, [recommendation(run, confidence=0.25 * (run + 1))])
        loop.send(OUTCOMES, [outcome(run, judgement, quality)])
    assert days(loop) == [
        day(TODAY, tracked=3, approved=1, partial=1, rejected=1, confidence=1.5, quality=1.75)
    ]


def test_an_outcome_counts_on_the_day_on_which_it_is_folded() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1)])
    loop.now += DAY_MS
    loop.send(OUTCOMES, [outcome(1, Judgement.APPROVED)])
    assert days(loop) == [
        day(TODAY, tracked=1, confidence=0.5),
        day(TODAY + DAY_MS, approved=1, quality=0.5),
    ]


def test_a_duplicate_counts_once_and_what_is_switched_off_not_at_all() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1), recommendation(1)])
    assert [row.tracked for row in days(loop)] == [1]
    off = Loop(learning=False)
    off.send(RECOMMENDATIONS, [recommendation(1)])
    off.send(OUTCOMES, [outcome(1, Judgement.APPROVED)])
    off.send(TRUST_FACTS, [fact(1)])
    assert days(off) == []


def test_outcomes_of_every_kind_of_agent_count() -> None:
    loop = Loop()
    loop.send(TRUST_FACTS, [fact(1, "deployer:k8s", 0.0), fact(2, "deployer:k8s", 0.75)])
    assert days(loop) == [day(TODAY, "deployer:k8s", approved=1, rejected=1, quality=1.0)]


def test_a_day_leaves_after_400_days_and_not_before() -> None:
    loop = Loop()
    loop.send(RECOMMENDATIONS, [recommendation(1)])
    loop.tables.trust.days.changed(CODEC)
    loop.wait(TODAY + 400 * DAY_MS - 1 - loop.now)
    assert [row.day for row in days(loop)] == [TODAY]
    loop.wait(1)
    assert days(loop) == []
    key = row_key("a", day_of(TODAY))
    assert loop.tables.trust.days.changed(CODEC) == [(key, None)]


def test_where_there_is_no_room_the_earliest_day_makes_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_days, "DAYS_MAX", 3)
    loop = Loop()
    for number in range(5):
        loop.send(RECOMMENDATIONS, [recommendation(number)])
        loop.now += DAY_MS
    assert [row.day for row in days(loop)] == [TODAY + n * DAY_MS for n in (2, 3, 4)]


def test_days_go_on_after_a_restart() -> None:
    whole, cut = Loop(), Loop()
    for loop in (whole, cut):
        loop.send(RECOMMENDATIONS, [recommendation(1), recommendation(2)])
        if loop is cut:
            loop.restart()
        loop.send(OUTCOMES, [outcome(1, Judgement.APPROVED)])
    assert rows(whole.tables)[TABLES_AGENT_DAYS] == rows(cut.tables)[TABLES_AGENT_DAYS]
    assert days(cut)[0].approved == 1
