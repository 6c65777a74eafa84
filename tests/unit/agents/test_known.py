"""Made-up names take nothing from subjects that are known: neither their budget nor their
alerts.
"""

import pytest

from agents.alerts.raising import STORM
from agents.commands.budget import HOUR_MS, SUBJECTS_FREE
from agents.commands.guards import APPROVAL_MS
from agents.core.known_subjects import NEW_MS, is_known, known_count
from agents.flow.pipeline import rebuild
from schemas.catalog import ALERTS, METRICS, RESULTS, SPECS
from schemas.records import Alert, Autonomy, Order, Outcome, Phase, Policy, RequestKind, Status
from tests.support.builders import CODEC, NOON, metric, result, spec
from tests.support.life import Life
from tests.support.loop import rows

MADE_UP = [f"made-up-{n}" for n in range(100)]
POLICY = Policy(event_id="p", policy_id="p", commands_per_hour=8, subjects_share=0.0)


def met(life: Life, *subjects: str) -> None:
    """One record of each."""
    records = [
        result(life._next(), subject=name, event_id=f"{name} {life.now}") for name in subjects
    ]
    life.send(RESULTS, records)


def alerts(life: Life) -> list[tuple[str, str]]:
    return [
        (one.rule, one.key)
        for one in life.records(ALERTS)
        if isinstance(one, Alert) and one.rule != "rollback issued"
    ]


@pytest.mark.parametrize("topic", [RESULTS, METRICS])
def test_a_subject_is_new_for_a_day_from_its_first_record_that_made_sense(topic: str) -> None:
    life = Life()
    record = result(subject="bot") if topic == RESULTS else metric(subject="bot")
    life.send(topic, [record])
    assert not is_known("bot", NOON + NEW_MS - 1, life.tables.subjects)
    assert is_known("bot", NOON + NEW_MS, life.tables.subjects)
    assert [
        known_count("default", NOON + at, life.tables.subjects) for at in (NEW_MS - 1, NEW_MS)
    ] == [0, 1]


def test_records_that_make_no_sense_make_nobody_known() -> None:
    life = Life()
    life.send(SPECS, [spec(event_id="other", subject="other")])
    life.send(RESULTS, [result(1, subject="bot", metric="conversion", sum=7.0)])
    assert [one.partition(":")[0] for one in life.refused] == ["RATE_ABOVE_ONE"]
    life.now += NEW_MS
    life.send(RESULTS, [result(2, subject="bot", metric="conversion", sum=1.0)])
    assert not is_known("bot", life.now, life.tables.subjects)
    assert known_count("default", life.now, life.tables.subjects) == 1, "the one that a spec names"


def test_a_spec_a_person_or_a_completed_command_makes_a_subject_known() -> None:
    life = Life(POLICY)
    met(life, "specified", "asked for", "served", "made up")
    life.send(SPECS, [spec(subject="specified")])
    life.ask(RequestKind.ROLLBACK, subject="asked for")
    life.find(subject="served")
    life.report(next(one for one in life.issued() if one.subject == "served"), Status.COMPLETED)
    names = ("specified", "asked for", "served", "made up")
    assert [is_known(name, life.now, life.tables.subjects) for name in names] == [
        True,
        True,
        True,
        False,
    ]
    assert known_count("default", life.now, life.tables.subjects) == 3


def test_made_up_subjects_use_up_neither_the_budget_nor_the_places_of_known_ones() -> None:
    """Both at once: more made-up harms than the hour has commands, then harms of subjects that
    specs name.
    """
    life = Life(POLICY)
    met(life, *MADE_UP)
    made_up = [life.find(subject=name).outcome for name in MADE_UP]
    assert made_up.count(Outcome.ISSUED) < SUBJECTS_FREE
    spent = len(life.issued())
    assert spent == POLICY.commands_per_hour // 4
    for number in range(SUBJECTS_FREE):
        subject = f"known-{number}"
        life.send(SPECS, [spec(subject=subject, event_id=subject)])
        assert life.find(subject=subject).outcome == Outcome.ISSUED
    assert len(life.issued()) == spent + SUBJECTS_FREE
    assert {row.phase for row in life.rows() if row.subject.startswith("known")} == {Phase.ISSUED}


def test_whoever_waits_is_told_of_by_an_alert_of_its_own() -> None:
    life = Life(POLICY)
    met(life, *MADE_UP)
    for name in MADE_UP:
        life.find(subject=name)
    assert alerts(life) == [("newcomers' budget spent", "default")]
    life.wait(HOUR_MS)
    life.wait(HOUR_MS)
    raised = [
        one
        for one in life.records(ALERTS)
        if isinstance(one, Alert) and one.rule == "newcomers' budget spent"
    ]
    assert raised[-1].state == "RESOLVED"


@pytest.mark.parametrize("evil", ["evil/{}", "{}"])
def test_a_storm_of_others_holds_no_alert_of_a_known_subject(evil: str) -> None:
    """Of another tenant, or made up without one; all wait for an approval in vain, the known one's
    last.
    """
    life, names = Life(), [evil.format(n) for n in range(2 * STORM)]
    met(life, *names)
    life.send(SPECS, [spec(subject="bot")])
    for name in [*names, "bot"]:
        life.find(subject=name, autonomy=Autonomy.APPROVE)
    life.wait(APPROVAL_MS[Order.ROLLBACK])
    life.wait(APPROVAL_MS[Order.ROLLBACK])
    told = [
        one
        for one in life.records(ALERTS)
        if isinstance(one, Alert) and one.rule == "approval expired"
    ]
    assert [one.count for one in told if one.key == "bot"] == [1]
    assert len(told) == STORM + 1


def test_who_is_new_is_worked_out_again_after_a_restart() -> None:
    life, other = Life(), Life()
    met(life, *MADE_UP[:5])
    life.send(SPECS, [spec(subject=MADE_UP[0])])
    stored = rows(life.tables)
    for topic, table in other.tables.all().items():
        table.restore(list(stored[topic].items()), CODEC)
    rebuild(other.tables)
    assert (
        known_count("default", life.now, other.tables.subjects)
        == known_count("default", life.now, life.tables.subjects)
        == 1
    )
    life.send(SPECS, [spec(subject=MADE_UP[1], event_id="again")])
    other.send(SPECS, [spec(subject=MADE_UP[1], event_id="again")])
    assert rows(other.tables) == rows(life.tables)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("topic", [RESULTS, METRICS])
def test_a_tenant_has_room_for_so_many_newcomers_and_takes_none_of_anothers(
    topic: str, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some make no sense and so take up no room; a spec makes one known, and room for another.
    However it is cut.
    """
    monkeypatch.setattr("agents.flow.newcomers.NEWCOMERS_MAX", 3)
    life = Life()
    names = [
        "evil/0",
        "evil/wrong",
        "evil/1",
        "evil/0",
        "good/0",
        "evil/2",
        "evil/3",
        "evil/1",
        "evil/4",
        "good/1",
    ]
    made = [
        (result if topic == RESULTS else metric)(
            n, subject=name, metric="error", sum=7.0 if "wrong" in name else 0.0, event_id=str(n)
        )
        for n, name in enumerate(names)
    ]
    for start in range(0, len(made), cut):
        life.send(topic, made[start : start + cut])
    subjects = {row.subject for row in life.tables.subjects.subjects.rows()}
    assert subjects == {"evil/0", "evil/1", "evil/2", "good/0", "good/1"}
    assert sorted(one.partition(":")[0] for one in life.refused)[-2:] == ["TOO_MANY_SUBJECTS"] * 2
    life.send(SPECS, [spec(subject="evil/1")])
    life.send(
        topic,
        [
            (result if topic == RESULTS else metric)(
                99, subject="evil/3", metric="error", event_id="x"
            )
        ],
    )
    assert "evil/3" in {row.subject for row in life.tables.subjects.subjects.rows()}
    assert len(life.refused) == 3


@pytest.mark.parametrize("topic", [RESULTS, METRICS])
def test_strangers_that_make_no_sense_take_no_place(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.flow.newcomers.NEWCOMERS_MAX", 1)
    life, make = Life(), result if topic == RESULTS else metric
    life.send(
        topic,
        [make(n, subject=f"evil/{n}", metric="error", sum=7.0, event_id=str(n)) for n in range(50)],
    )
    assert len(life.refused) == 50
    assert list(life.tables.subjects.subjects.rows()) == []
