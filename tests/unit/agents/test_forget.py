"""Subjects that nobody vouched for are forgotten with the last of their rows, and their places are
free again.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.known_subjects import NEW_MS, is_known, known_count
from agents.flow import row_removal
from schemas.catalog import METRICS, REQUESTS, RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import Order, Phase, Request, RequestKind
from state.row_expiry import COMMAND_MS, DAY_MS, EXPERIMENT_MS, HOUR_MS, METRIC_MS
from tests.support.builders import CODEC, metric, result, spec
from tests.support.life import Life
from tests.support.loop import Loop, rows
from tests.unit.agents.test_leaving import command_row
from tests.unit.agents.test_over_experiments import restarted

SILENT_MS = EXPERIMENT_MS + HOUR_MS


def met(loop: Loop, topic: str, *names: str, event_id: str = "") -> None:
    """One record of each."""
    make: Any = result if topic == RESULTS else metric
    records = [make(subject=name, occurred_at=loop.now) for name in names]
    loop.send(
        topic,
        [
            replace(one, event_id=event_id or event_uuid(topic, one.subject, loop.now))
            for one in records
        ],
    )


def subjects(loop: Loop) -> set[str]:
    return {row.subject for row in loop.tables.subjects.subjects.rows()}


@pytest.mark.parametrize("topic", [RESULTS, METRICS])
def test_made_up_subjects_leave_with_tombstones_and_their_places_are_free_again(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.flow.newcomers.NEWCOMERS_MAX", 3)
    loop = Loop()
    met(loop, topic, "evil/0", "evil/1", "evil/2", "evil/3")
    assert subjects(loop) == {"evil/0", "evil/1", "evil/2"}
    loop.tables.subjects.subjects.changed(CODEC)
    loop.wait(max(EXPERIMENT_MS, METRIC_MS) - DAY_MS)
    met(loop, topic, "evil/0", "evil/4")
    assert subjects(loop) == {"evil/0", "evil/1", "evil/2"}
    loop.wait(DAY_MS + HOUR_MS)
    assert subjects(loop) == {"evil/0"}
    assert dict(loop.tables.subjects.subjects.changed(CODEC)) == {"evil/1": None, "evil/2": None}
    met(loop, topic, "evil/5", "evil/6", "evil/7")
    assert subjects(loop) == {"evil/0", "evil/5", "evil/6"}
    assert [one.partition(":")[0] for one in loop.refused] == ["TOO_MANY_SUBJECTS"] * 3


@pytest.mark.parametrize("how", ["a spec", "an order of a person"])
def test_who_was_vouched_for_is_never_forgotten(how: str) -> None:
    life = Life()
    met(life, METRICS, "bot")
    if how == "a spec":
        life.send(SPECS, [spec(subject="bot", status="STOPPED")])
    else:
        life.ask(RequestKind.ROLLBACK, subject="bot")
    for _ in range(5):
        life.wait(SILENT_MS)
    assert subjects(life) == {"bot"}


def test_the_places_of_experiments_stay_counted_while_one_of_them_is_there() -> None:
    """Else the next would have the level of the first once more."""
    loop = Loop()
    loop.send(RESULTS, [result(subject="bot", experiment_id="a")])
    for number in range(3):
        loop.wait(EXPERIMENT_MS // 2)
        loop.send(
            RESULTS,
            [
                result(
                    subject="bot",
                    experiment_id=f"b{number}",
                    event_id=str(number),
                    occurred_at=loop.now,
                )
            ],
        )
    ordinals = {
        row.experiment_id: row.ordinal for row in loop.tables.experiments.experiments.rows()
    }
    assert ordinals == {"b0": 2, "b1": 3, "b2": 4}
    loop.wait(2 * SILENT_MS)
    assert subjects(loop) == set()
    loop.send(
        RESULTS, [result(subject="bot", experiment_id="c", event_id="c", occurred_at=loop.now)]
    )
    assert [row.ordinal for row in loop.tables.experiments.experiments.rows()] == [1]


def test_fencing_tokens_stay_and_take_no_place() -> None:
    loop = Loop()
    met(loop, METRICS, "bot", "other")
    row = loop.tables.subjects.subjects.get("bot")
    assert row is not None
    loop.tables.subjects.subjects.put(replace(row, tokens={"bot/production": 7}))
    loop.wait(METRIC_MS)
    kept = loop.tables.subjects.subjects.get("bot")
    assert kept is not None
    assert (kept.tokens, kept.new_since) == ({"bot/production": 7}, -1)
    assert subjects(loop) == {"bot"}
    assert loop.tables.subjects.newcomers.count("default", -1) == 0
    assert known_count("default", loop.now, loop.tables.subjects) == 1


def test_a_command_keeps_its_subject_until_it_leaves() -> None:
    loop = Loop()
    met(loop, METRICS, "bot")
    loop.tables.commands.commands.put(command_row(1, Phase.EXPIRED, Order.RETRAIN))
    loop.wait(COMMAND_MS - DAY_MS)
    assert subjects(loop) == {"bot"}
    loop.wait(2 * DAY_MS)
    assert subjects(loop) == set()


def test_a_frozen_subject_stays_frozen() -> None:
    life = Life()
    met(life, METRICS, "bot")
    life.ask(RequestKind.FREEZE, subject="bot")
    life.wait(METRIC_MS)
    row = life.tables.subjects.subjects.get("bot")
    assert row is not None
    assert row.frozen_by


def test_who_comes_back_is_new_again() -> None:
    loop = Loop()
    met(loop, METRICS, "bot")
    loop.wait(METRIC_MS)
    met(loop, METRICS, "bot")
    assert not is_known("bot", loop.now + NEW_MS - 1, loop.tables.subjects)
    assert loop.tables.subjects.newcomers.count("default", -1) == 1


def test_so_many_are_forgotten_at_one_tick_and_the_others_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_removal, "LEAVE_MAX", 3)
    loop = Loop()
    met(loop, RESULTS, *(f"s{n}" for n in range(7)))
    loop.wait(SILENT_MS)
    assert subjects(loop) == {"s3", "s4", "s5", "s6"}
    again = restarted(loop)
    for each in (loop, again):
        each.wait(1_000)
        assert subjects(each) == {"s6"}
        met(each, RESULTS, "s6")
        each.wait(1_000)
        assert subjects(each) == {"s6"}


ACTIONS = st.one_of(
    st.tuples(st.sampled_from([RESULTS, METRICS, SPECS, REQUESTS]), st.integers(0, 4)),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 24 * 10, 24 * 31, 24 * 61])),  # hours
)


@given(st.lists(st.tuples(ACTIONS, st.booleans()), max_size=30), st.integers(1, 3))
def test_whenever_it_is_restarted_the_same_are_forgotten(
    actions: Iterable[tuple[tuple[str, int], bool]], most: int
) -> None:
    """Whatever they send, are vouched for by, or ordered; and who is there and unvouched for has
    rows or is to go.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_removal, "LEAVE_MAX", most)
        one, other = Loop(), Loop()
        for step, ((what, number), restarts) in enumerate(actions):
            other = restarted(other) if restarts else other
            for loop in (one, other):
                _act(loop, what, number, step)
            assert rows(one.tables) == rows(other.tables)
        tables = one.tables
        for row in tables.subjects.subjects.rows():
            left = (tables.experiments.experiments, tables.drift.metrics, tables.commands.commands)
            assert (
                row.new_since < 0
                or any(table.count(row.subject) for table in left)
                or row.subject in tables.subjects.without_rows
            )


def _act(loop: Loop, what: str, number: int, step: int) -> None:
    name, event_id = f"s{number}", event_uuid("act", step)
    if what == "wait":
        loop.wait(number * HOUR_MS)
    elif what == SPECS:
        loop.send(SPECS, [spec(subject=name, event_id=event_id)])
    elif what == REQUESTS:
        kind = (RequestKind.FREEZE, RequestKind.UNFREEZE, RequestKind.ROLLBACK)[step % 3]
        asked = Request(
            event_id=event_id, subject=name, kind=kind, requested_by="ann", requested_at=loop.now
        )
        loop.send(REQUESTS, [asked])
    else:
        met(loop, what, name, event_id=event_id)
