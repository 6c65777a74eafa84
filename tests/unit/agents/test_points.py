"""Points of running intervals: at their steps, as the rows stood, wherever slices are cut."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log2
from typing import Any

import numpy as np
import pytest

from agents.core.effects import Output
from agents.experiments.evidence.pair_interval import (
    PER_DOUBLING,
    POINT_UNITS,
    SETTLED_HITS,
    mark,
)
from agents.experiments.evidence.pair_points import POINTS_MAX
from agents.experiments.step_through import Stop
from agents.flow import fold_results
from agents.flow.pipeline import fold, rebuild, refresh
from schemas.catalog import POINTS, RESULTS, SPECS
from schemas.records import (
    ArmPoint,
    ArmRow,
    EvidenceKind,
    ExperimentSpec,
    ResultKind,
    Share,
    ShareStep,
    State,
)
from schemas.row_limits import VARIANTS_MAX
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, many, piece, result, sent, spec
from tests.support.histories.cuts import pieces

UNITS = 16_000


def log_of(rate: float, harmed: float, units: int = UNITS, **fields: Any) -> list[Any]:
    """Results of two arms in turn, of which so many are hits."""
    rng = np.random.default_rng(7)
    arms = ["control", "b"] * (units // 2)
    hits = rng.random(units) < np.where(np.array(arms) == "b", harmed, rate)
    return many(result(**fields), units, variant=arms, sum=hits.astype(float))


def folded(
    log: Sequence[Any], cuts: Iterable[int] = (), plan: ExperimentSpec | None = None
) -> tuple[PartitionState, list[Output]]:
    """The state after a log, and what was written of points."""
    state, outputs = PartitionState(0, 1), list[Output]()
    fold(piece(SPECS, sent([plan or spec()])), state, CODEC)
    for part in pieces(piece(RESULTS, log), list(cuts)):
        outputs += fold(part, state, CODEC).outputs
    return state, [one for one in outputs if one.topic == POINTS]


def points_of(outputs: Iterable[Output]) -> list[ArmPoint]:
    return [one.record for one in outputs if isinstance(one.record, ArmPoint)]


def rows_of(state: PartitionState) -> dict[str, ArmRow]:
    refresh(state)
    table = state.experiments.arms
    rows = [CODEC.decode("ArmRow", value) for _, value in table.snapshot(CODEC)]
    return {row.variant: row for row in rows if isinstance(row, ArmRow) and row.step is None}


def begins(step: int) -> int:
    return int(2 ** (step / PER_DOUBLING))


def test_there_is_a_point_at_each_sixteenth_of_a_doubling_but_one_in_256_units_at_most() -> None:
    _, outputs = folded(log_of(0.1, 0.1))
    units = [point.count + point.control_count for point in points_of(outputs)]
    assert units == sorted(set(units))
    steps = range(mark(units[0]), mark(UNITS) + 1)
    told = [n for n in steps if begins(n) // POINT_UNITS != begins(n - 1) // POINT_UNITS]
    assert [mark(n) for n in units] == told, "none is left out, none is there twice"
    late = [n for n in units if n >= 6_000]
    assert len(late) / log2(UNITS / late[0]) == pytest.approx(PER_DOUBLING, abs=2.0)
    assert len(units) <= UNITS / POINT_UNITS


def test_a_point_is_what_the_row_said_at_its_record() -> None:
    log = log_of(0.1, 0.1)
    _, outputs = folded(log)
    point = points_of(outputs)[-1]
    last = point.offset
    state, _ = folded(log[: last + 1])
    row, control = rows_of(state)["b"], rows_of(state)["control"]
    assert (point.subject, point.experiment_id, point.metric) == ("bot", "exp", "conversion")
    assert (point.count, point.control_count) == (row.count, control.count)
    assert point.effect == row.effect
    assert (point.running_low, point.running_high) == (row.running_low, row.running_high)
    assert (point.log_e_harm, point.log_e_gain) == (row.log_e_harm, row.log_e_gain)
    assert (point.evidence_kind, point.state) == (row.evidence_kind, row.state)
    assert point.evidence_kind != EvidenceKind.UNKNOWN
    assert point.at == NOON + last


def test_the_running_interval_only_shrinks_and_holds_what_each_alone_leaves() -> None:
    points = points_of(folded(log_of(0.1, 0.11))[1])
    lows = [point.running_low or 0.0 for point in points]
    highs = [point.running_high or 0.0 for point in points]
    assert lows == sorted(lows)
    assert highs == sorted(highs, reverse=True)
    for point, low, high in zip(points, lows, highs, strict=True):
        assert point.low is not None
        assert point.high is not None
        assert point.low <= low <= high <= point.high


def test_points_are_the_same_wherever_the_log_is_cut_and_after_each_restart() -> None:
    log = log_of(0.1, 0.1, units=6_000)
    _, whole = folded(log)
    _, single = folded(log, range(len(log)))
    assert len(whole) > 10
    assert whole == single
    state, outputs = PartitionState(0, 1), list[Output]()
    fold(piece(SPECS, sent([spec()])), state, CODEC)
    for part in pieces(piece(RESULTS, log), [700, 701, 2_600]):
        outputs += fold(part, state, CODEC).outputs
        again = PartitionState(0, 1)
        for topic, table in state.all().items():
            again.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
        rebuild(again)
        state = again
    assert [one for one in outputs if one.topic == POINTS] == whole


def test_ids_follow_from_the_record_and_the_arm() -> None:
    _, outputs = folded(log_of(0.1, 0.1))
    assert len({one.event_id for one in outputs}) == len(outputs)
    point = points_of(outputs)[0]
    assert outputs[0].event_id == f"{RESULTS}/0/{point.offset}|exp|conversion|b"
    assert {one.key for one in outputs} == {"bot"}


def test_nothing_is_noted_before_an_interval_may_be_relied_on_nor_after_a_verdict() -> None:
    state, outputs = folded(log_of(0.1, 0.083))
    points, row = points_of(outputs), rows_of(state)["b"]
    assert row.state == State.HARM
    assert all(point.offset <= row.harm_offset for point in points)
    assert min(point.count for point in points) >= SETTLED_HITS


def test_only_whole_arms_have_points() -> None:
    plain, parts = folded(log_of(0.1, 0.1))[1], folded(log_of(0.1, 0.1, segment="de"))[1]
    assert plain == parts


def test_points_wake_nobody() -> None:
    log, state = log_of(0.1, 0.1), PartitionState(0, 1)
    fold(piece(SPECS, sent([spec()])), state, CODEC)
    effects = fold(piece(RESULTS, log), state, CODEC)
    assert {one.topic for one in effects.outputs} == {POINTS}
    assert not effects.urgent


def test_snapshots_have_points_too() -> None:
    records = []
    for n, units in enumerate([1_400, 1_420, 3_000, 7_000]):
        for arm in ("control", "b"):
            fields = {"count": units, "sum": units / 10, "occurred_at": NOON + n}
            one = result(10 * n + (arm == "b"), variant=arm, kind=ResultKind.SNAPSHOT, **fields)
            records.append(replace(one, sum_squares=None))
    points = points_of(folded(sent(records))[1])
    assert [point.count for point in points] == [1_400, 3_000, 7_000], (
        "1 420 is no sixteenth further"
    )
    assert all(point.count == point.control_count for point in points)


def test_more_points_than_there_is_room_for_are_taken_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arms = ["control", *(f"t{n}" for n in range(60))]
    shares = tuple(Share(arm, 1 / len(arms)) for arm in arms)
    plan = spec(treatments=tuple(arms[1:]), share_steps=(ShareStep(from_=None, shares=shares),))
    rng, units = np.random.default_rng(3), 61 * 6_000
    hits = (rng.random(units) < 0.2).astype(float)
    log = many(result(), units, variant=arms * (units // 61), sum=hits)
    stops = list[int]()
    full = fold_results._HANDLERS[Stop.FULL]

    def noted(*arguments: Any) -> Any:
        stops.append(1)
        return full(*arguments)

    monkeypatch.setattr(fold_results, "_HANDLERS", {**fold_results._HANDLERS, Stop.FULL: noted})
    _, whole = folded(log, plan=plan)
    assert stops
    assert len(whole) > POINTS_MAX > VARIANTS_MAX
    _, cut = folded(log, range(0, units, 50_000), plan)
    assert whole == cut
