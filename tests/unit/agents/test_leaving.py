"""Rows whose time is over leave their tables at a tick, whatever was restarted meanwhile; a tick
costs what changed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.commands.lifecycle import AT_WORK, FINAL, LIFE
from agents.flow.pipeline import rebuild
from agents.flow.row_removal import LEAVE_MAX
from agents.trust.score import new_row
from schemas.catalog import LEARNING_FACTS, METRICS, PATTERN_FACTS, TRUST_FACTS, TRUST_LEVELS
from schemas.ids import event_uuid
from schemas.records import (
    AgentKind,
    AlertRow,
    AlertState,
    BudgetRow,
    CommandRow,
    LearningFact,
    LearningFactKind,
    MetricRow,
    Order,
    PatternFact,
    PatternFactKind,
    Phase,
    Priority,
    SightingsRow,
    TrustFact,
    TrustLevel,
)
from state import row_expiry
from state.partition.partition_state import PartitionState
from state.row_expiry import (
    ALERT_MS,
    COMMAND_MS,
    DAY_MS,
    HOUR_MS,
    METRIC_MS,
    NEVER,
    OPEN,
    PATTERN_MS,
    SERVED_MS,
)
from state.storage.keyed_table import KeyedTable
from tests.support.builders import CODEC, NOON, metric
from tests.support.loop import Loop, rows


def restarted(loop: Loop) -> Loop:
    """A partition that begins with the rows of another."""
    fresh = Loop()
    fresh.now = loop.now
    fresh.tables.now = loop.tables.now
    for topic, table in loop.tables.all().items():
        stored = list(table.snapshot(CODEC))
        if stored:
            fresh.tables.all()[topic].restore(stored, CODEC)
    rebuild(fresh.tables)
    return fresh


def test_what_is_open_is_what_the_life_of_commands_does_not_end() -> None:
    assert OPEN - {Phase.UNKNOWN} == LIFE.keys() - FINAL
    assert row_expiry.AT_WORK == AT_WORK


def test_a_dead_segment_leaves_and_what_serves_stays() -> None:
    loop = Loop()
    loop.send(METRICS, [metric(n, segment=("old", "new")[n % 2]) for n in range(20)])
    loop.wait(METRIC_MS - DAY_MS)
    loop.send(METRICS, [metric(100, segment="new", occurred_at=loop.now)])
    loop.wait(DAY_MS - 1)
    assert {row.segment for row in loop.tables.drift.metrics.rows()} == {None, "old", "new"}
    loop.wait(1)
    assert {row.segment for row in loop.tables.drift.metrics.rows()} == {None, "new"}
    changed = dict(loop.tables.drift.metrics.changed(CODEC))
    assert changed["bot|error|old"] is None  # a tombstone in the changelog
    loop.wait(METRIC_MS)
    assert len(loop.tables.drift.metrics) == 0


def test_so_many_leave_at_one_tick_and_the_others_at_the_next() -> None:
    loop = Loop()
    loop.send(METRICS, [metric(n, subject=f"s{n}") for n in range(LEAVE_MAX + 10)])
    loop.wait(METRIC_MS)
    assert len(loop.tables.drift.metrics) == 10
    loop.wait(1_000)
    assert len(loop.tables.drift.metrics) == 0


def command_row(n: int, phase: Phase, order: Order = Order.RETRAIN) -> CommandRow:
    return CommandRow(
        command_id=f"c{n}",
        attempt=1,
        order=order,
        subject="bot",
        target="bot/production",
        phase=phase,
        reason="",
        decision_id="",
        fencing_token=1,
        issued_at=NOON,
        expires_at=NOON,
    )


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.UNKNOWN}))
def test_a_command_that_ended_leaves_and_one_that_is_open_never_does(phase: Phase) -> None:
    loop = Loop()
    loop.tables.commands.commands.put(command_row(1, phase))
    loop.wait(COMMAND_MS)
    assert len(loop.tables.commands.commands) == (phase in OPEN)


def test_what_put_a_version_in_service_is_known_for_a_year() -> None:
    loop = Loop()
    loop.tables.commands.commands.put(command_row(1, Phase.COMPLETED, Order.DEPLOY))
    loop.wait(SERVED_MS - 1)
    assert len(loop.tables.commands.commands) == 1
    loop.tables.commands.commands.put(command_row(2, Phase.COMPLETED, Order.DEPLOY))
    loop.tables.commands.commands.put(
        command_row(2, Phase.COMPENSATED, Order.DEPLOY)
    )  # its time is sooner over
    loop.wait(1)
    assert len(loop.tables.commands.commands) == 0


def test_budgets_alerts_and_sightings_leave() -> None:
    loop = Loop()
    whole = AlertRow(
        rule="r",
        key="s",
        state=AlertState.RESOLVED,
        broken_at=-1,
        raised_at=NOON,
        value=0.0,
        held=0,
    )
    loop.tables.alerts.alerts.put(whole)
    loop.tables.alerts.alerts.put(replace(whole, key="raised", state=AlertState.RAISED))
    loop.tables.alerts.alerts.put(replace(whole, key="never", raised_at=-1))
    loop.tables.alerts.alerts.put(replace(whole, key="*", raised_at=-1, recent=(NOON + DAY_MS,)))
    loop.tables.failures.sightings.put(SightingsRow("bot", (), NOON))
    loop.tables.commands.budgets.put(
        BudgetRow(tenant="acme", shared=False, spent=(NOON - 5, NOON), denied=())
    )
    loop.wait(HOUR_MS)
    assert len(loop.tables.commands.budgets) == 0
    assert {row.key for row in loop.tables.alerts.alerts.rows()} == {"s", "raised", "*"}
    loop.wait(ALERT_MS)
    assert {row.key for row in loop.tables.alerts.alerts.rows()} == {"raised", "*"}
    loop.wait(DAY_MS)
    assert {row.key for row in loop.tables.alerts.alerts.rows()} == {"raised"}
    assert len(loop.tables.failures.sightings) == 0


def test_an_agent_of_whom_all_is_faded_is_forgotten_and_heard_as_any_other() -> None:
    loop = Loop()
    outcomes = [
        TrustFact(
            event_id=event_uuid(n),
            agent_id="bob",
            kind=AgentKind.RECOMMENDER,
            score=0.0,
            quality=0.0,
            lateness_ms=0,
            failed=True,
            about=str(n),
            occurred_at=NOON,
        )
        for n in range(20)
    ]
    loop.send(TRUST_FACTS, outcomes)
    assert loop.tables.trust.levels["bob"].boost < 0.0
    initialised = new_row("carol", AgentKind.RECOMMENDER, NOON)
    loop.tables.trust.trust.put(initialised)
    for _ in range(200):
        loop.wait(DAY_MS)
    assert [row.agent_id for row in loop.tables.trust.trust.rows()] == ["carol"]
    level = loop.tables.trust.levels["bob"]
    assert (level.boost, level.priority) == (0.0, Priority.NORMAL)
    assert isinstance(loop.records(TRUST_LEVELS)[-1], TrustLevel)


def test_a_pattern_that_no_failure_had_for_a_year_of_event_time_leaves() -> None:
    loop = Loop()

    def failure(n: int, pattern: str, at: int) -> PatternFact:
        return PatternFact(
            event_id=event_uuid("f", n),
            key="ACCURACY",
            kind=PatternFactKind.FAILURE,
            subject="bot",
            pattern=pattern,
            metric="error",
            loss=0.1,
            failure_id=str(n),
            occurred_at=at,
        )

    loop.send(PATTERN_FACTS, [failure(1, "ACCURACY|error|old", NOON)])
    loop.wait(2 * PATTERN_MS)
    assert len(loop.tables.failures.patterns) == 2  # time passed, and nothing happened since
    loop.send(PATTERN_FACTS, [failure(2, "ACCURACY|error|new", NOON + PATTERN_MS)])
    loop.wait(1_000)
    assert {row.pattern for row in loop.tables.failures.patterns.rows()} == {
        "ACCURACY",
        "ACCURACY|error|new",
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.booleans()), max_size=30),
    st.integers(0, 29),
    st.integers(1, 3),
)
def test_a_restart_changes_nothing_of_who_leaves(
    steps: list[tuple[int, int, bool]], restart_at: int, most: int
) -> None:
    """steps: (row, when it may go, whether a tick follows); -1 stands for never."""

    def table() -> KeyedTable[BudgetRow]:
        return KeyedTable(
            "t",
            "BudgetRow",
            lambda row: row.tenant,
            leaves=lambda row: row.spent[0] if row.spent else NEVER,
        )

    one, other = table(), table()
    for now, (number, at, ticks) in enumerate(steps):
        row = BudgetRow(tenant=f"t{number}", shared=False, spent=(at,) if at else (), denied=())
        one.put(row)
        other.put(row)
        if now == restart_at:
            stored = list(other.snapshot(CODEC))
            other = table()
            other.restore(stored, CODEC)
        if ticks:
            assert one.expire(now, most) == other.expire(now, most)
    assert dict(one.snapshot(CODEC)) == dict(other.snapshot(CODEC))


def test_a_partition_restarted_lets_the_same_rows_go() -> None:
    loop = Loop()
    for day in range(6):
        loop.send(
            METRICS,
            [metric(10 * day + n, subject=f"s{n * day}", occurred_at=loop.now) for n in range(5)],
        )
        loop.wait(DAY_MS)
    again = restarted(loop)
    for _ in range(40):
        loop.wait(DAY_MS)
        again.wait(DAY_MS)
        assert rows(loop.tables) == rows(again.tables)
    assert len(loop.tables.drift.metrics) == 0


def idle(tenants: int) -> Loop:
    """A partition in which so many tenants did something of everything a day ago."""
    loop = Loop()
    facts = [
        LearningFact(
            event_id=event_uuid("l", n),
            tenant=f"t{n}",
            kind=LearningFactKind.TRACKED,
            agent_id=f"t{n}/bob",
            run_id="r",
            recommendation_id=str(n),
            topic="x",
            digest="d",
            confidence=0.5,
            occurred_at=NOON,
        )
        for n in range(tenants)
    ]
    loop.send(LEARNING_FACTS, facts)
    loop.send(METRICS, [metric(n, subject=f"t{n}/bot") for n in range(tenants)])
    loop.wait(DAY_MS)
    return loop


def work(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, topic: str, records: Iterable[Any] = ()
) -> Counter[str]:
    """How often each table is asked while time passes or records are folded."""
    counted: Counter[str] = Counter()
    for name in ("get", "rows", "rows_of", "put", "drop"):
        method = getattr(KeyedTable, name)

        def told(self: Any, *args: Any, name: str = name, method: Any = method) -> Any:
            found = method(self, *args)
            counted[f"{name} {self.topic}"] += len(list(found)) if name.startswith("rows") else 1
            return found

        monkeypatch.setattr(KeyedTable, name, told)
    if topic:
        loop.send(topic, records)
    else:
        loop.wait(1_000)
    monkeypatch.undo()
    return counted


@pytest.mark.parametrize("topic", ["", METRICS])
def test_a_tick_and_a_slice_cost_as_much_beside_ten_idle_tenants_as_beside_thousands(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (
        work(loop, monkeypatch, topic, [metric(10**6, subject="t1/bot", occurred_at=loop.now)])
        for loop in (idle(10), idle(3_000))
    )
    assert few == many


def test_every_table_of_the_partition_is_known_by_when_its_rows_leave() -> None:
    """Beside those that say it: what is kept for good, or until the arms of an experiment leave,
    with its reason.
    """
    kept = {
        "tables.arms.v1": "with their experiment",
        "tables.burn-ins.v1": "emptied when they are full",
        "tables.snapshots.v1": "with their experiment",
        "tables.subjects.v1": "fencing tokens must grow for good",
        "tables.followups.v1": "leave when it is known whether it helped, at most seven days later",
        "tables.runs.v1": "leave a week after they were touched",
        "tables.policies.v1": "a policy stands until it is replaced",
        "tables.trust-levels.v1": "a broadcast, read whole by every worker",
    }
    tables = PartitionState(0, 1)
    leaving_now = {
        topic
        for topic, table in tables.all().items()
        if getattr(table, "_leaves", None) is not None
    }
    assert leaving_now.isdisjoint(kept)
    assert set(tables.all()) <= leaving_now | kept.keys(), "say when its rows leave"


def test_rows_of_older_versions_that_tell_no_moment_stay_until_they_are_touched() -> None:
    row = MetricRow(
        subject="bot",
        metric="error",
        reference_count=0,
        reference_bad=0,
        reference_sum=0.0,
        frozen=False,
        values=(),
        thin=1,
        share_count=0,
        share_bad=0,
        versions=(),
    )
    assert row_expiry.metric(row) == NEVER
    assert row_expiry.sightings(SightingsRow("bot", ())) == NEVER
