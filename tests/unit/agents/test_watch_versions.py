"""Rollback where the fault came with a version and one before is sound; retraining otherwise."""

import numpy as np
import pytest

from agents.flow.pipeline import fold
from schemas.catalog import METRICS
from schemas.records import Decision, Order, State
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, many, metric, piece
from tests.support.watching import Stream, completed, decisions, row, watched

GOOD, BAD = (None, 1.0, 0.05), (None, 1.0, 0.3)


def deployed(
    seed: int, *steps: tuple[str, int, tuple[str | None, float, float]]
) -> tuple[PartitionState, Stream, list[Decision]]:
    """What is decided while versions serve one after the other: (version, records, rate of bad
    ones).
    """
    state = watched()
    stream, found = Stream(state, seed), list[Decision]()
    for version, n, mix in steps:
        found += decisions(stream.send(n, mix, model_version=version))
    return state, stream, found


def orders(found: list[Decision]) -> list[tuple[str | None, Order]]:
    return [(one.model_version, one.order) for one in found]


def target(found: list[Decision]) -> list[str]:
    return [one.reason.rsplit(": ", 1)[1] for one in found]


def test_a_version_bad_from_its_first_record_goes_back_to_the_one_that_filled_the_reference() -> (
    None
):
    state, _, found = deployed(1, ("v1", 1_000, GOOD), ("v2", 500, BAD))
    assert row(state).versions[0].learned == 1_000
    assert orders(found) == [("v2", Order.ROLLBACK)]
    assert target(found) == ["roll back to v1"]


def test_a_version_before_that_was_hardly_seen_is_not_gone_back_to() -> None:
    _, _, found = deployed(2, ("v1", 2_000, GOOD), ("v2", 50, GOOD), ("v3", 500, BAD))
    assert target(found) == ["roll back to v1"]
    _, _, found = deployed(2, ("v1", 60, GOOD), ("v2", 2_000, BAD))
    assert found == []  # v2 made most of the reference itself


def test_where_no_version_before_is_sound_the_model_is_retrained() -> None:
    _, _, found = deployed(3, ("v1", 2_000, GOOD), ("v1", 500, BAD), ("v2", 500, BAD))
    assert orders(found) == [("v1", Order.RETRAIN), ("v2", Order.RETRAIN)]


def test_a_bad_canary_beside_a_sound_version_is_rolled_back_and_the_other_left_alone() -> None:
    state, stream, _ = deployed(4, ("v1", 2_000, GOOD))
    rng, n = np.random.default_rng(4), 3_000
    canary = rng.random(n) < 0.1
    records = many(
        metric(),
        n,
        stream.offset,
        sum=(rng.random(n) < np.where(canary, 0.4, 0.05)).astype(float),
        model_version=["v2" if one else "v1" for one in canary],
    )
    found = decisions(list(fold(piece(METRICS, records), state, CODEC).outputs))
    assert orders(found) == [("v2", Order.ROLLBACK)]
    assert target(found) == ["roll back to v1"]
    assert [version.state for version in row(state).versions] == [State.OK, State.HARM]


def test_a_version_that_decays_beside_a_sound_canary_is_not_rolled_forward_to_it() -> None:
    _, _, found = deployed(
        5,
        ("v1", 2_000, GOOD),
        ("v2", 300, GOOD),
        ("v1", 300, GOOD),
        ("v2", 100, GOOD),
        ("v1", 500, BAD),
    )
    assert orders(found) == [("v1", Order.RETRAIN)]


def test_after_a_rollback_the_reference_stands_and_late_records_neither_command_nor_teach() -> None:
    state, stream, (found,) = deployed(6, ("v1", 2_000, GOOD), ("v2", 500, BAD))
    reference = row(state).reference_count, row(state).reference_bad
    completed(state, found)
    assert [version.rolled_back for version in row(state).versions] == [False, True]
    assert stream.send(1_000, BAD, model_version="v2") == []
    assert (row(state).frozen, row(state).reference_count, row(state).reference_bad) == (
        True,
        *reference,
    )
    assert stream.send(1_000, GOOD, model_version="v1") == []
    # The world changed after all: v1 is as bad as v2 was, and no version is left to go back to.
    assert orders(decisions(stream.send(500, BAD, model_version="v1"))) == [("v1", Order.RETRAIN)]


def test_after_a_rollback_the_next_version_goes_back_past_the_one_that_was_rolled_back() -> None:
    state, stream, (found,) = deployed(7, ("v1", 2_000, GOOD), ("v2", 500, BAD))
    completed(state, found)
    stream.send(1_000, GOOD, model_version="v1")
    later = decisions(stream.send(500, BAD, model_version="v3"))
    assert orders(later) == [("v3", Order.ROLLBACK)]
    assert target(later) == ["roll back to v1"]


def test_a_version_rolled_back_for_one_metric_is_no_way_back_for_another() -> None:
    state = watched()
    error, accuracy = Stream(state, 8), Stream(state, 9, metric="accuracy")
    accuracy.offset = 50_000
    for each in (error, accuracy):
        each.send(2_000, GOOD, model_version="v1")
    accuracy.send(600, GOOD, model_version="v2")
    (found,) = decisions(error.send(600, BAD, model_version="v2"))
    completed(state, found)
    found_next = decisions(accuracy.send(500, BAD, model_version="v3"))
    assert target(found_next) == ["roll back to v1"]


def test_a_version_taken_back_by_hand_is_not_what_the_next_one_goes_back_to() -> None:
    _, _, found = deployed(
        10, ("v1", 2_000, GOOD), ("v2", 500, GOOD), ("v1", 500, GOOD), ("v3", 500, BAD)
    )
    assert target(found) == ["roll back to v1"]
    _, _, found = deployed(10, ("v1", 2_000, GOOD), ("v2", 500, GOOD), ("v3", 500, BAD))
    assert target(found) == ["roll back to v2"]


def test_a_version_found_bad_in_a_segment_is_no_way_back_for_the_whole() -> None:
    state = watched()
    stream = Stream(state, 11)
    stream.send(4_000, ("a", 0.4, 0.05), ("b", 0.6, 0.2), model_version="v1")
    found = decisions(stream.send(150, ("a", 1.0, 0.3), model_version="v1"))
    assert [one.evidence[0].segment for one in found if "segment a" in one.reason] == ["a"]
    found = decisions(stream.send(800, ("a", 0.4, 0.5), ("b", 0.6, 0.6), model_version="v2"))
    assert {one.order for one in found} == {Order.RETRAIN}


def test_a_segment_asks_for_the_rollback_that_the_whole_has_asked_for() -> None:
    state = watched()
    stream = Stream(state, 12)
    stream.send(4_000, ("a", 0.5, 0.05), ("b", 0.5, 0.05), model_version="v1")
    found = decisions(stream.send(2_000, ("a", 0.5, 0.3), ("b", 0.5, 0.2), model_version="v2"))
    assert len(found) >= 2
    assert {one.order for one in found} == {Order.ROLLBACK}
    assert len({one.command_id for one in found}) == 1


@pytest.mark.parametrize("order", [Order.ROLLBACK, Order.RETRAIN])
def test_a_completed_command_answers_every_metric_that_asked_for_it(order: Order) -> None:
    """The second decision was held, because the command was open; its metric is watched anew all
    the same.
    """
    state = watched()
    streams = [
        Stream(state, 13),
        Stream(state, 14, metric="accuracy"),
        Stream(state, 15, metric="conversion"),
    ]
    for n, stream in enumerate(streams):
        stream.offset = n * 50_000
        stream.send(2_000, GOOD, model_version="v1")
    bad = "v2" if order == Order.ROLLBACK else "v1"
    error, accuracy, conversion = streams
    (first,) = decisions(error.send(600, BAD, model_version=bad))
    (second,) = decisions(accuracy.send(600, BAD, model_version=bad))
    conversion.send(600, (None, 1.0, 0.95), model_version=bad)
    assert (first.order, second.order, second.command_id) == (order, order, first.command_id)
    untouched = row(state, name="conversion")
    completed(state, first)
    for name in ("error", "accuracy"):
        (version,) = [one for one in row(state, name=name).versions if one.model_version == bad]
        assert (version.finding_id, version.asked) == ("", Order.NONE)
        assert version.rolled_back == (order == Order.ROLLBACK)
        assert row(state, name=name).frozen == (order == Order.ROLLBACK)
    if order == Order.RETRAIN:
        assert row(state, name="conversion") == untouched
        accuracy.send(1_500, GOOD, model_version=bad)
        assert orders(decisions(accuracy.send(600, BAD, model_version=bad))) == [
            (bad, Order.RETRAIN)
        ]


def test_a_completed_retraining_does_not_answer_for_another_version() -> None:
    state, stream, found = deployed(16, ("v1", 2_000, GOOD), ("v1", 500, BAD), ("v2", 500, BAD))
    completed(state, found[1])
    old, new = row(state).versions
    assert (old.state, old.asked, new.state, new.asked) == (
        State.HARM,
        Order.RETRAIN,
        State.WAIT,
        Order.NONE,
    )
    stream.send(500, BAD, model_version="v1")
    assert row(state).reference_count == 0  # a version found bad is no baseline
    stream.send(1_000, GOOD, model_version="v2")
    assert (row(state).frozen, row(state).reference_count) == (True, 1_000)
