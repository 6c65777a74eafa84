"""What a person says of an order, what its trainer says of the work, and cycles asked for."""

from typing import Any

import pytest

from schemas.catalog import CYCLES, OUTCOMES, RECOMMENDATIONS, REQUESTS
from schemas.ids import event_uuid
from schemas.records import (
    CycleTrigger,
    FailureCause,
    Judgement,
    LearningCycle,
    Phase,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    RequestPriority,
    Status,
)
from tests.support.builders import NOON
from tests.support.life import Life
from tests.support.loop import Loop

SECOND, HOUR = 1_000, 3_600_000
TERMS: dict[str, Any] = {"priority": RequestPriority.HIGH, "max_retries": 1, "failure_id": "f1"}


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (2, 3), (None, 3)])
def test_a_command_is_tried_no_more_often_than_the_person_wants_who_ordered_it(
    retries: int | None, tries: int
) -> None:
    life = Life()
    life.ask(RequestKind.ROLLBACK, variant="b", max_retries=retries)
    for _ in range(3):
        life.report(life.issued()[-1], Status.FAILED, cause=FailureCause.DEPLOYER)
        life.wait(5 * SECOND)
    assert (len(life.issued()), life.phases()) == (tries, [Phase.FAILED])


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (None, 3)])
def test_nor_is_one_that_nobody_answers(retries: int | None, tries: int) -> None:
    life = Life()
    life.ask(RequestKind.ROLLBACK, variant="b", max_retries=retries)
    for _ in range(12):
        life.wait(5 * 60 * SECOND)
    assert (len(life.issued()), life.phases()) == (tries, [Phase.TIMED_OUT])


def test_the_row_says_what_was_said_of_the_order_also_after_a_restart() -> None:
    life = Life()
    life.ask(RequestKind.ROLLBACK, variant="b", **TERMS)
    life.find(subject="other")
    life.restart()
    mine, found = sorted(life.rows(), key=lambda row: row.subject)
    assert (mine.priority, mine.attempts_max, mine.failure_id) == (RequestPriority.HIGH, 2, "f1")
    assert (found.priority, found.attempts_max, found.failure_id) == (
        RequestPriority.UNKNOWN,
        0,
        None,
    )


@pytest.mark.parametrize(
    ("terms", "kind", "reason"),
    [
        ({"max_retries": 3}, RequestKind.IMPROVE, "OUT_OF_RANGE: max_retries 3 is not in [0, 2]"),
        ({"max_retries": -1}, RequestKind.IMPROVE, "OUT_OF_RANGE: max_retries -1 is not"),
        ({"failure_id": ""}, RequestKind.IMPROVE, "EMPTY_FIELD: failure_id"),
        *(
            ({name: value}, RequestKind.FREEZE, f"OUT_OF_RANGE: {name} is of an order")
            for name, value in TERMS.items()
        ),
    ],
)
def test_terms_that_would_be_without_effect_are_refused(
    terms: dict[str, Any], kind: RequestKind, reason: str
) -> None:
    life = Life()
    life.ask(kind, **terms)
    assert [text[: len(reason)] for text in life.refused] == [reason]


def test_the_row_has_the_last_progress_of_the_attempt() -> None:
    life = Life()
    life.ask(RequestKind.ROLLBACK, variant="b")
    (command,) = life.issued()
    seen = [life.row(command.command_id).progress]
    for progress in (0.25, None, 0.5):  # a heartbeat says nothing of it
        life.report(command, Status.IN_PROGRESS, progress=progress)
        seen.append(life.row(command.command_id).progress)
    life.report(command, Status.FAILED, cause=FailureCause.DEPLOYER)
    life.wait(5 * SECOND)
    assert life.issued()[-1].attempt == 2
    assert [*seen, life.row(command.command_id).progress] == [None, 0.25, 0.25, 0.5, None]


@pytest.mark.parametrize(
    ("progress", "reason"),
    [(-0.1, "OUT_OF_RANGE"), (1.1, "OUT_OF_RANGE"), (float("nan"), "NOT_FINITE")],
)
def test_a_progress_that_is_no_share_is_refused(progress: float, reason: str) -> None:
    life = Life()
    life.ask(RequestKind.ROLLBACK, variant="b")
    life.report(life.issued()[0], Status.IN_PROGRESS, progress=progress)
    assert [text.partition(":")[0] for text in life.refused] == [reason]


def learn(loop: Loop, subject: str = "default/*", number: int = 0) -> None:
    request = Request(
        event_id=event_uuid("learn", subject, number),
        subject=subject,
        kind=RequestKind.LEARN,
        requested_by="ann",
        requested_at=NOON,
    )
    loop.send(REQUESTS, [request])


def judged(loop: Loop) -> None:
    made = Recommendation(
        event_id=event_uuid("recommendation"), agent_id="a", run_id="r", kind="strategy",
        content="roll back", confidence=0.5, made_at=NOON,
    )  # fmt: skip
    said = RecommendationOutcome(
        event_id=event_uuid("outcome"), agent_id="a", run_id="r", judgement=Judgement.APPROVED,
        quality=0.5, judged_by="ann", judged_at=NOON,
    )  # fmt: skip
    loop.send(RECOMMENDATIONS, [made])
    loop.send(OUTCOMES, [said])


def cycles(loop: Loop) -> list[tuple[str, CycleTrigger, int]]:
    found = [one for one in loop.records(CYCLES) if isinstance(one, LearningCycle)]
    return [(one.tenant, one.trigger, one.outcomes) for one in found]


def test_a_cycle_runs_when_it_is_asked_for_where_there_is_anything_new() -> None:
    loop = Loop()
    judged(loop)
    learn(loop)
    assert cycles(loop) == [("default", CycleTrigger.REQUEST, 1)]
    learn(loop, number=1)
    assert len(cycles(loop)) == 1
    assert [text.partition(":")[0] for text in loop.refused] == ["NOTHING_NEW"]


def test_where_a_tenant_does_not_learn_the_request_changes_nothing() -> None:
    loop, off = Loop(), Loop(learning=False)
    judged(loop)
    learn(loop, "acme/*")
    learn(off)
    assert (cycles(loop), loop.refused, cycles(off), off.refused) == ([], [], [], [])


@pytest.mark.parametrize("subject", ["*", "acme", "acme/bot"])
def test_a_cycle_is_asked_for_of_one_tenant(subject: str) -> None:
    loop = Loop()
    judged(loop)
    learn(loop, subject)
    assert (cycles(loop), len(loop.refused)) == ([], 1)
