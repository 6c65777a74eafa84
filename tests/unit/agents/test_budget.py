"""What automation may do in an hour, and to how many subjects at once; the rest waits for a person,
under one alert.
"""

import pytest

from agents.commands.budget import ANSWER_MS, HOUR_MS, SUBJECTS_FREE
from agents.core.known_subjects import is_known
from schemas.catalog import ADMISSIONS, ALERTS, PROPOSALS
from schemas.records import Admission, Alert, Outcome, Phase, Policy, Proposal, Status, SubjectRow
from state.deadline_queue import DeadlineQueue
from state.partition.subject_tables import SubjectTables
from tests.support.life import Life

DISASTER = [f"shop/bot-{n}" for n in range(50)]


def policy(**fields: object) -> Policy:
    return Policy(
        event_id="p",
        policy_id="p",
        **{"commands_per_hour": 10, "subjects_share": 1.0} | fields,  # type: ignore[arg-type]
    )


def alerts(life: Life) -> list[tuple[str, str, str]]:
    return [
        (one.rule, one.key, one.state)
        for one in life.records(ALERTS)
        if isinstance(one, Alert) and one.rule != "rollback issued"
    ]


def test_a_storm_is_held_within_the_budget_and_becomes_one_alert() -> None:
    life = Life(policy())
    outcomes = [life.find(subject=subject).outcome for subject in DISASTER]
    assert (outcomes.count(Outcome.ISSUED), outcomes.count(Outcome.AWAITING_ADMISSION)) == (5, 45)
    assert len(life.issued()) == 10  # half shared out in advance, half admitted
    assert life.phases().count(Phase.PENDING_APPROVAL) == 40
    assert alerts(life) == [("budget spent", "shop", "RAISED")]
    life.find(subject="other/bot")
    assert len(life.issued()) == 11  # a tenant's storm is none of another


def test_an_hour_later_there_is_a_new_budget_and_the_alert_is_over() -> None:
    life = Life(policy())
    for subject in DISASTER[:12]:
        life.find(subject=subject)
    life.wait(HOUR_MS - 1)
    assert life.find(subject=DISASTER[20]).outcome == Outcome.AWAITING_ADMISSION
    life.wait(1)
    assert life.find(subject=DISASTER[21]).outcome == Outcome.ISSUED
    assert ("budget spent", "shop", "RESOLVED") not in alerts(life)  # one was denied a moment ago
    life.wait(HOUR_MS)
    assert ("budget spent", "shop", "RESOLVED") in alerts(life)


def test_the_budget_looks_at_no_command_of_another_tenant_nor_at_one_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life, looked = Life(policy(commands_per_hour=1_000)), list[str]()
    for number in range(30):
        life.find(subject=f"other-{number}/bot")
    life.find(subject="shop/over")
    life.report(life.issued()[-1], Status.COMPLETED)
    life.find(subject="shop/first")

    def counted(subject: str, now: int, tables: SubjectTables) -> bool:
        looked.append(subject)
        return is_known(subject, now, tables)

    monkeypatch.setattr("agents.commands.budget.is_known", counted)
    monkeypatch.setattr(
        DeadlineQueue, "__iter__", lambda _: pytest.fail("all open commands are looked at")
    )
    life.find(subject="shop/second")
    assert set(looked) == {"shop/first", "shop/second"}


def test_no_more_than_a_share_of_the_subjects_is_acted_on_at_once() -> None:
    life = Life(policy(commands_per_hour=1_000, subjects_share=0.2))
    for subject in DISASTER:
        life.tables.subjects.subjects.put(SubjectRow(subject, 1, 0))
    for subject in DISASTER:
        life.find(subject=subject)
    assert len(life.issued()) == 10
    assert alerts(life) == [("budget spent", "shop", "RAISED")]
    life.report(life.issued()[0], Status.COMPLETED)
    life.find(subject=DISASTER[45], variant="c")
    assert len(life.issued()) == 11


def test_a_second_command_for_a_subject_counts_once() -> None:
    life = Life(policy(commands_per_hour=1_000, subjects_share=0.0))
    for subject in DISASTER[:SUBJECTS_FREE]:
        life.find(subject=subject)
        assert life.find(subject=subject, variant="c").outcome == Outcome.ISSUED
    assert life.find(subject=DISASTER[9]).outcome == Outcome.AWAITING_ADMISSION


def test_a_proposal_that_nobody_answers_asks_a_person() -> None:
    life = Life(policy(commands_per_hour=1), reads_back=False)
    decision = life.find()
    assert decision.outcome == Outcome.AWAITING_ADMISSION
    life.wait(ANSWER_MS - 1)
    assert life.phases() == [Phase.PROPOSED]
    life.wait(1)
    assert life.phases() == [Phase.PENDING_APPROVAL]
    answer = Admission(
        event_id="late",
        subject="bot",
        command_id=str(decision.command_id),
        granted=True,
        reason="",
        admitted_at=life.now,
    )
    life.send(ADMISSIONS, [answer])
    assert life.phases() == [Phase.PENDING_APPROVAL]


def test_an_odd_command_an_hour_is_admitted_in_the_shared_part() -> None:
    life = Life(policy(commands_per_hour=1))
    life.find()
    (asked,) = life.records(PROPOSALS)
    assert isinstance(asked, Proposal)
    assert (asked.tenant, asked.limit, len(life.issued())) == ("default", 1, 1)
    life.find(variant="c")
    assert life.phases() == [Phase.ISSUED, Phase.PENDING_APPROVAL]


def test_without_a_budget_everything_waits_for_a_person() -> None:
    life = Life(policy(commands_per_hour=0))
    life.find()
    assert life.phases() == [Phase.PENDING_APPROVAL]
