"""Units: counted once in a rate, flagged in a mean, forgotten after the window, known again after a
restart.
"""

from typing import Any

from agents.flow.pipeline import fold, refresh, remember
from schemas.catalog import RESULTS, SPECS
from schemas.records import ArmRow, Direction, ExperimentResult, MetricKind, MetricSpec, Role
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, piece, result, sent, spec, tables

UP = Direction.HIGHER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=1e9)


def state_with(**settings: Any) -> PartitionState:
    state = tables(**settings)
    fold(piece(SPECS, sent([spec(metrics=(CONVERSION, REVENUE))])), state, CODEC)
    return state


def row_of(state: PartitionState, metric: str, variant: str = "b") -> ArmRow:
    refresh(state)
    row = CODEC.decode(
        "ArmRow", dict(state.experiments.arms.snapshot(CODEC))[f"bot|exp|{metric}|{variant}||"]
    )
    assert isinstance(row, ArmRow)
    return row


def of(
    unit: str | None, n: int, total: float, metric: str = "conversion", variant: str = "b"
) -> ExperimentResult:
    return result(n, unit_id=unit, metric=metric, variant=variant, sum=total)


def test_a_rate_counts_the_first_record_of_a_unit() -> None:
    state = state_with()
    effects = fold(
        piece(RESULTS, sent([of("u", 0, 0.0), of("u", 1, 1.0), of("v", 2, 1.0)])), state, CODEC
    )
    assert (effects.applied, effects.duplicates) == (3, 0)
    row = row_of(state, "conversion")
    assert (row.count, row.hits, row.repeats, row.unnamed_offset) == (2, 1, 1, -1)


def test_a_mean_counts_all_records_and_tells_how_many_repeat_a_unit() -> None:
    state = state_with()
    fold(piece(RESULTS, sent([of("u", n, 2.0, "revenue") for n in range(3)])), state, CODEC)
    row = row_of(state, "revenue")
    assert (row.count, row.sum, row.repeats) == (3, 6.0, 2)


def test_a_unit_is_one_in_each_metric_and_arm() -> None:
    state = state_with()
    fold(
        piece(
            RESULTS,
            sent([of("u", 0, 1.0), of("u", 1, 2.0, "revenue"), of("u", 2, 1.0, variant="control")]),
        ),
        state,
        CODEC,
    )
    assert [
        row_of(state, m, v).repeats
        for m, v in (("conversion", "b"), ("revenue", "b"), ("conversion", "control"))
    ] == [0] * 3


def test_records_without_a_unit_are_each_taken_for_another_and_the_row_says_so() -> None:
    state = state_with()
    fold(piece(RESULTS, sent([of("u", 0, 1.0), of(None, 1, 1.0), of(None, 2, 1.0)])), state, CODEC)
    row = row_of(state, "conversion")
    assert (row.count, row.repeats, row.unnamed_offset) == (3, 0, 1)


def test_a_refused_record_is_no_record_of_its_unit() -> None:
    state = state_with()
    fold(piece(RESULTS, sent([of("u", 0, 7.0), of("u", 1, 1.0)])), state, CODEC)
    assert (row_of(state, "conversion").count, row_of(state, "conversion").hits) == (1, 1)


def test_a_unit_that_comes_again_after_the_window_is_a_new_one() -> None:
    state = state_with(dedupe_window=10)
    fold(piece(RESULTS, sent([of("u", 0, 1.0)])), state, CODEC)
    fold(piece(RESULTS, sent([of("u", 1, 1.0)], start=10)), state, CODEC)
    fold(piece(RESULTS, sent([of("u", 2, 1.0)], start=21)), state, CODEC)
    assert (row_of(state, "conversion").count, row_of(state, "conversion").repeats) == (2, 1)


def test_units_are_known_again_after_a_restart_without_the_refused() -> None:
    log = piece(RESULTS, sent([of("x", 0, 7.0), of("u", 1, 1.0), of("v", 2, 7.0)]))
    state = state_with()
    fold(log, state, CODEC)
    again = state_with()
    for topic, table in again.all().items():
        table.restore(list(state.all()[topic].snapshot(CODEC)), CODEC)
    from agents.experiments.arms.arms import rebuild

    rebuild(again.experiments)
    remember(log, again, CODEC)
    for one in (state, again):
        fold(
            piece(RESULTS, sent([of("u", 11, 1.0), of("v", 12, 1.0), of("x", 13, 1.0)], start=3)),
            one,
            CODEC,
        )
    assert row_of(again, "conversion") == row_of(state, "conversion")
    assert (row_of(again, "conversion").count, row_of(again, "conversion").repeats) == (3, 1)
