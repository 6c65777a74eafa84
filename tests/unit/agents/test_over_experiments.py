"""Experiments that are over leave the tables 30 days after the last that came of them, with all
that was kept of them.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.experiments import removal as going
from agents.flow.pipeline import rebuild
from schemas.catalog import RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import (
    Decided,
    Direction,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Order,
    Phase,
    ResultKind,
    Role,
)
from state.partition.partition_state import PartitionState
from state.row_expiry import DAY_MS, EXPERIMENT_MS, HOUR_MS
from tests.support.builders import CODEC, result, spec
from tests.support.loop import Loop, rows
from tests.unit.agents.test_leaving import command_row

MEAN = MetricSpec("revenue", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.MEAN)
OWN = ("tables.arms.v1", "tables.experiments.v1", "tables.burn-ins.v1", "tables.snapshots.v1")
NUMBERS = (
    "control",
    "treatment",
    "next_sibling",
    "aggregate_row",
    "next_in_experiment",
)  # columns that hold numbers of rows


def send(loop: Loop, experiment_id: str, n: int = 40, start: int = 0, **fields: Any) -> None:
    """So many results of both arms, each with a unit of its own and every other one in a
    segment.
    """
    records = [
        result(
            start + at,
            experiment_id=experiment_id,
            variant=("control", "b")[at % 2],
            unit_id=f"{experiment_id} u{at}",
            segment=(None, "de")[at // 2 % 2],
            occurred_at=loop.now,
            event_id=event_uuid(experiment_id, start + at),
        )
        for at in range(n)
    ]
    loop.send(RESULTS, [replace(record, **fields) for record in records])


def plan(loop: Loop, experiment_id: str, **fields: Any) -> None:
    terms = spec(
        experiment_id=experiment_id, event_id=event_uuid(experiment_id, str(fields), loop.now)
    )
    loop.send(SPECS, [replace(terms, metrics=(*terms.metrics, MEAN), **fields)])


def stop(loop: Loop, experiment_id: str) -> None:
    plan(loop, experiment_id, status=ExperimentStatus.STOPPED)


def kept(loop: Loop) -> dict[str, set[str]]:
    """The experiments that each of the tables holds rows of."""
    return {topic: {key.split("|")[1] for key in rows(loop.tables)[topic]} for topic in OWN}


def snapshots(loop: Loop, experiment_id: str, count: int, start: int) -> None:
    both = [
        result(
            start + at,
            experiment_id=experiment_id,
            variant=variant,
            metric="orders",
            kind=ResultKind.SNAPSHOT,
            count=count,
            sum=float(count),
            sum_squares=float(count),
            occurred_at=loop.now,
            event_id=event_uuid("snapshot", experiment_id, start + at),
        )
        for at, variant in enumerate(("control", "b"))
    ]
    loop.send(RESULTS, both)


def stopped(ids: str = "abc") -> Loop:
    """Three experiments with everything that is kept of one, of which "b" is stopped."""
    loop = Loop()
    for name in ids:
        plan(loop, name)
        send(loop, name)
        send(loop, name, 20, start=1_000, metric="revenue", sum=3.0)
        snapshots(loop, name, 50, 2_000)
    stop(loop, "b")
    loop.wait(HOUR_MS)
    assert kept(loop) == {topic: set(ids) for topic in OWN}
    return loop


def restarted(loop: Loop) -> Loop:
    fresh = Loop()
    fresh.now = fresh.tables.now = loop.now
    fresh._offsets = loop._offsets.copy()
    for topic, table in loop.tables.all().items():
        fresh.tables.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
    rebuild(fresh.tables)
    return fresh


def derived(tables: PartitionState) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Every column of every row of arms by its key; numbers of rows and experiments as their
    keys.
    """
    arms, found = tables.experiments.arms, {}
    for row in range(len(arms)):
        values = {
            name: arms[name][row].item()
            for name in arms.records.dtype.names or ()
            if name not in ("heard", "silent", "changed_since_commit", *NUMBERS)
        }
        for name in NUMBERS:
            other = int(arms[name][row])
            values[name] = arms.keys[other] if other >= 0 else other
        found[arms.keys[row]] = {
            **values,
            "experiment_no": tables.experiments.index.key(values["experiment_no"]),
        }
    return found


def alike(one: Any, other: Any) -> bool:
    return bool(one == other or (isinstance(one, float) and np.isnan(one) and np.isnan(other)))


def test_what_was_stopped_leaves_with_all_that_was_kept_of_it() -> None:
    loop = stopped()
    for table in loop.tables.all().values():
        table.changed(CODEC)
    before = {key for key in rows(loop.tables)["tables.arms.v1"] if key.split("|")[1] == "b"}
    loop.wait(EXPERIMENT_MS - 2 * HOUR_MS)
    assert "b" in kept(loop)["tables.arms.v1"]
    loop.wait(2 * HOUR_MS)
    assert kept(loop) == {topic: {"a", "c"} for topic in OWN}
    written = loop.tables.experiments.arms.changed(CODEC)
    assert {key for key, value in written if value is None} == before  # tombstones in the changelog
    subject = loop.tables.subjects.subjects.get("bot")
    assert subject is not None
    assert subject.experiments == 3  # its place stays counted


def test_what_stays_is_joined_as_a_restart_joins_it_and_goes_on_alike() -> None:
    loop = stopped()
    loop.wait(EXPERIMENT_MS + HOUR_MS)
    again = restarted(loop)
    one, other = derived(loop.tables), derived(again.tables)
    assert one.keys() == other.keys()
    assert all(alike(one[key][name], other[key][name]) for key in one for name in one[key])
    assert loop.tables.experiments.pending == again.tables.experiments.pending
    for each in (loop, again):
        send(each, "a", 60, start=5_000, unit_id=None)
        send(each, "c", 1_200, start=6_000, metric="revenue", sum=2.0, unit_id=None)
        snapshots(each, "c", 90, 9_000)
        send(each, "new", 10, start=10_000)
    assert rows(loop.tables) == rows(again.tables)


def test_a_tombstone_is_taken_back_where_the_arm_comes_again_before_it_is_written() -> None:
    loop = stopped()
    loop.wait(EXPERIMENT_MS + HOUR_MS)
    send(loop, "b", 4, start=20_000)
    written = loop.tables.experiments.arms.changed(CODEC)
    keys = [key for key, _ in written]
    assert len(keys) == len(set(keys))
    assert dict(written)["bot|b|conversion|control||"] is not None


def test_a_later_result_begins_a_new_experiment_in_which_no_unit_was_before() -> None:
    loop = stopped()
    loop.wait(EXPERIMENT_MS + HOUR_MS)
    again = restarted(loop)  # knows no unit of what has left
    for each in (loop, again):
        send(each, "b", 40, start=30_000)
    experiment = loop.tables.experiments.experiments.get("bot|b")
    assert experiment is not None
    assert (experiment.status, experiment.ordinal, experiment.specified) == (
        ExperimentStatus.RUNNING,
        4,
        False,
    )
    assert rows(loop.tables) == rows(again.tables)
    row = int(
        loop.tables.experiments.index[loop.tables.experiments.index.number("bot|b") or 0].arms[
            "conversion"
        ]["control"]
    )
    assert (loop.tables.experiments.arms.repeats[row], loop.tables.experiments.arms.count[row]) == (
        0,
        20,
    )


@pytest.mark.parametrize("kind", ["results", "snapshots", "incomplete snapshots", "late results"])
def test_what_still_sends_stays(kind: str) -> None:
    loop = stopped()
    if kind == "late results":
        plan(loop, "late", ends_at=loop.now + HOUR_MS)
        send(loop, "late")
        loop.wait(DAY_MS)
        row = loop.tables.experiments.experiments.get("bot|late")
        assert row is not None
        assert row.status == ExperimentStatus.ENDED
    name = "late" if kind == "late results" else "b"
    loop.wait(EXPERIMENT_MS - 2 * DAY_MS)
    if kind == "snapshots":
        snapshots(loop, name, 60, 40_000)
    elif kind == "incomplete snapshots":
        one = result(
            9, experiment_id=name, metric="orders", kind=ResultKind.SNAPSHOT, count=60, sum=60.0
        )
        loop.send(
            RESULTS,
            [replace(one, sum_squares=60.0, occurred_at=loop.now, event_id=event_uuid("alone"))],
        )
    else:
        send(loop, name, 4, start=40_000)
    loop.wait(EXPERIMENT_MS - HOUR_MS)
    loop.wait(1_000)
    assert name in kept(loop)["tables.experiments.v1"]
    loop.wait(2 * HOUR_MS)
    assert name not in kept(loop)["tables.experiments.v1"]


def test_what_a_command_or_a_person_needs_stays() -> None:
    loop = stopped("abcde")
    for name in "acde":
        stop(loop, name)
    served = replace(
        command_row(1, Phase.COMPLETED, Order.DEPLOY), experiment_id="a", issued_at=loop.now
    )
    loop.tables.commands.commands.put(served)
    loop.tables.commands.commands.put(
        replace(command_row(2, Phase.PENDING_APPROVAL), experiment_id="c")
    )
    loop.tables.commands.commands.put(
        replace(command_row(3, Phase.COMPLETED), experiment_id="e", issued_at=loop.now)
    )
    ended = loop.tables.experiments.experiments.get("bot|d")
    assert ended is not None
    decided = (Decided("b", Order.ROLLBACK, 0, tries=1),)
    loop.tables.experiments.experiments.put(
        replace(ended, status=ExperimentStatus.ENDED, decided=decided)
    )
    loop.tables.commands.deadlines.drop("c2")
    loop.wait(EXPERIMENT_MS + 2 * HOUR_MS)
    assert kept(loop)["tables.experiments.v1"] == {"a", "c", "d"}
    loop.tables.commands.commands.drop("c2")
    stop(loop, "d")
    loop.wait(EXPERIMENT_MS + 2 * HOUR_MS)
    assert kept(loop)["tables.experiments.v1"] == {"a"}


def test_so_many_leave_at_one_tick_and_the_others_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(going, "LOOKED_AT_MAX", 2)
    loop = stopped("abcd")
    for name in "acd":
        stop(loop, name)
    for left in (2, 0):
        loop.wait(EXPERIMENT_MS + 2 * HOUR_MS if left else 1_000)
        assert len(loop.tables.experiments.experiments) == left
    assert len(loop.tables.experiments.arms) == 0
    send(loop, "a", 4, start=50_000)
    assert kept(loop)["tables.arms.v1"] == {"a"}


def test_rows_of_an_older_version_leave_30_days_after_what_came_last() -> None:
    loop = stopped()
    row = loop.tables.experiments.experiments.get("bot|b")
    assert row is not None
    loop.tables.experiments.experiments.put(replace(row, leaves_at=-1))
    loop.wait(EXPERIMENT_MS - 2 * HOUR_MS)
    assert "b" in kept(loop)["tables.experiments.v1"]
    loop.wait(3 * HOUR_MS)
    assert "b" not in kept(loop)["tables.experiments.v1"]


def test_who_has_stopped_sending_is_known_across_a_leaving() -> None:
    loop = stopped()
    loop.wait(EXPERIMENT_MS - HOUR_MS)
    send(loop, "c", 40, start=60_000)
    assert loop.tables.experiments.silence.stopped_arms(loop.now, HOUR_MS) == []
    loop.wait(2 * HOUR_MS)
    assert "b" not in kept(loop)["tables.experiments.v1"]
    send(loop, "c", 1, start=70_000)
    assert loop.tables.experiments.silence.stopped_arms(loop.now, HOUR_MS) == [("bot|c", "b")]
