"""Experiments that no spec names leave the tables 30 days after their last record: their names can
be made up.
"""

from dataclasses import replace

import pytest

from agents.experiments import removal as going
from schemas.catalog import ALERTS, RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import Alert, Decided, Order, Phase, ResultKind
from state.row_expiry import DAY_MS, EXPERIMENT_MS, HOUR_MS
from tests.support.builders import CODEC, result, spec
from tests.support.loop import Loop, rows
from tests.unit.agents.test_leaving import command_row
from tests.unit.agents.test_over_experiments import kept, plan, restarted, send, snapshots

SILENT_MS = EXPERIMENT_MS + HOUR_MS  # from the last record on, at a full hour


def begun(*ids: str) -> Loop:
    """Experiments that no spec names, with everything that is kept of one."""
    loop = Loop()
    for name in ids:
        send(loop, name)
        send(loop, name, 20, start=1_000, metric="revenue", sum=3.0)
        snapshots(loop, name, 50, 2_000)
    return loop


def test_what_is_silent_leaves_with_all_that_was_kept_of_it_and_what_sends_stays() -> None:
    loop = begun("a", "b")
    for table in loop.tables.all().values():
        table.changed(CODEC)
    before = {key for key in rows(loop.tables)["tables.arms.v1"] if key.split("|")[1] == "b"}
    loop.wait(EXPERIMENT_MS - DAY_MS)
    send(loop, "a", 4, start=3_000)
    loop.wait(DAY_MS - HOUR_MS)
    assert kept(loop)["tables.experiments.v1"] == {"a", "b"}
    before_leaving = loop.tables.subjects.subjects.get("bot")
    assert before_leaving is not None
    spent = before_leaving.spent
    loop.wait(2 * HOUR_MS)
    assert kept(loop) == {topic: {"a"} for topic in kept(loop)}
    assert before
    assert {
        key for key, value in loop.tables.experiments.arms.changed(CODEC) if value is None
    } == before
    subject = loop.tables.subjects.subjects.get("bot")
    assert subject is not None
    assert (
        subject.experiments == 2
    )  # the place of what left stays counted while the subject is there
    # Of what left is given back what its e-values leave over.
    assert spent - 0.15 * 0.7 <= subject.spent < spent
    send(loop, "b", 4, start=4_000)
    again = loop.tables.experiments.experiments.get("bot|b")
    assert again is not None
    assert again.ordinal == 3


def test_what_a_spec_names_stays_until_a_person_stops_it() -> None:
    loop = Loop()
    plan(loop, "sent")
    send(loop, "sent")
    plan(loop, "planned")
    for _ in range(4):
        loop.wait(SILENT_MS)
    assert kept(loop)["tables.experiments.v1"] == {"sent", "planned"}


@pytest.mark.parametrize("kind", ["snapshots", "incomplete snapshots"])
def test_what_still_sends_snapshots_stays(kind: str) -> None:
    loop = begun("a")
    loop.wait(EXPERIMENT_MS - DAY_MS)
    if kind == "snapshots":
        snapshots(loop, "a", 60, 40_000)
    else:
        one = result(
            9, experiment_id="a", metric="orders", kind=ResultKind.SNAPSHOT, count=60, sum=60.0
        )
        loop.send(
            RESULTS,
            [replace(one, sum_squares=60.0, occurred_at=loop.now, event_id=event_uuid("alone"))],
        )
    loop.wait(EXPERIMENT_MS - HOUR_MS)
    loop.wait(1_000)
    assert kept(loop)["tables.experiments.v1"] == {"a"}
    loop.wait(2 * HOUR_MS)
    assert kept(loop)["tables.experiments.v1"] == set()


def test_what_is_told_to_be_lacking_is_over_as_it_leaves() -> None:
    loop = Loop()
    send(loop, "a", 3_000, variant="b")  # its control never sends
    for _ in range(2):
        loop.wait(DAY_MS)
    told = [one for one in loop.records(ALERTS) if isinstance(one, Alert)]
    assert [one.state for one in told] == ["RAISED"]
    loop.wait(SILENT_MS)
    assert len(loop.tables.experiments.experiments) == 0
    told = [one for one in loop.records(ALERTS) if isinstance(one, Alert)]
    assert [one.state for one in told] == ["RAISED", "RESOLVED"]


@pytest.mark.parametrize("vouched", [True, False])
def test_a_verdict_without_its_command_waits_on_where_somebody_vouched_for_the_subject(
    vouched: bool,
) -> None:
    loop = begun("a")
    if vouched:
        loop.send(SPECS, [spec(experiment_id="other", event_id=event_uuid("other"))])
    row = loop.tables.experiments.experiments.get("bot|a")
    assert row is not None
    loop.tables.experiments.experiments.put(
        replace(row, decided=(Decided("b", Order.ROLLBACK, 0, tries=1),))
    )
    loop.wait(SILENT_MS)
    loop.wait(SILENT_MS)
    assert ("a" in kept(loop)["tables.experiments.v1"]) is vouched


def test_an_open_command_keeps_its_experiment() -> None:
    loop = begun("a")
    loop.tables.commands.commands.put(replace(command_row(1, Phase.ISSUED), experiment_id="a"))
    loop.wait(SILENT_MS)
    assert kept(loop)["tables.experiments.v1"] == {"a"}
    loop.tables.commands.commands.drop("c1")
    loop.wait(2 * DAY_MS)
    assert kept(loop)["tables.experiments.v1"] == set()


def test_one_of_an_older_version_leaves_30_days_after_it_was_first_looked_at() -> None:
    """It may have kept neither when it was announced nor when its arms sent last."""
    loop = begun("a")
    row = loop.tables.experiments.experiments.get("bot|a")
    assert row is not None
    loop.now += 10 * DAY_MS
    loop.tables.experiments.experiments.put(replace(row, leaves_at=-1, begun_at=-1))
    again = restarted(loop)
    for each in (loop, again):
        each.wait(1_000)
        each.wait(EXPERIMENT_MS - HOUR_MS)
        assert kept(each)["tables.experiments.v1"] == {"a"}
        each.wait(2 * HOUR_MS)
        assert kept(each)["tables.experiments.v1"] == set()
    assert rows(loop.tables) == rows(again.tables)


def test_so_many_leave_at_one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(going, "LOOKED_AT_MAX", 2)
    loop = begun("a", "b", "c")
    for left in (1, 0):
        loop.wait(SILENT_MS if left else 1_000)
        assert len(loop.tables.experiments.experiments) == left
