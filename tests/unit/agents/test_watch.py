"""Live metrics through the whole fold: drift is found, dated, explained and answered once."""

from typing import Any

import numpy as np
import pytest

from agents.flow.pipeline import fold
from schemas.catalog import COMMANDS, METRICS
from schemas.records import (
    EvidenceKind,
    ModelMetric,
    Order,
    Outcome,
    Reference,
    RollbackCommand,
    State,
    Status,
    Verdict,
)
from tests.support.builders import CODEC, many, metric, piece, sent
from tests.support.watching import Stream, completed, decisions, row, watched


@pytest.mark.parametrize("name", ["error", "accuracy"])
def test_a_decay_is_found_soon_and_orders_one_retraining(name: str) -> None:
    state = watched()
    stream = Stream(state, 1, metric=name)
    assert stream.send(4_000, (None, 1.0, 0.10)) == []
    (found,) = decisions(stream.send(1_500, (None, 1.0, 0.25)))
    assert (found.verdict, found.order, found.outcome) == (
        Verdict.DRIFT,
        Order.RETRAIN,
        Outcome.ISSUED,
    )
    proof = found.evidence[0]
    assert 3_900 <= proof.first_offset <= 4_100 < proof.last_offset < 4_600
    assert proof.low < 0.25 < proof.high
    (version,) = row(state, name=name).versions
    assert version.state == State.HARM
    assert proof.evidence_kind == version.evidence_kind == EvidenceKind.E_DETECTOR
    assert decisions(stream.send(500, (None, 1.0, 0.25))) == []


def test_nothing_changes_and_nothing_is_found() -> None:
    alarms = 0
    for seed in range(12):
        alarms += len(
            decisions(
                Stream(watched(false_alarm_records=1e6), seed).send(
                    10_000, ("a", 0.5, 0.05), ("b", 0.5, 0.2)
                )
            )
        )
    assert alarms <= 1


def test_a_shift_of_the_mix_asks_for_an_improvement_of_the_segment_that_grew() -> None:
    verdicts = []
    for seed in range(8):
        stream = Stream(watched(false_alarm_records=1e6), seed)
        stream.send(4_000, ("easy", 0.8, 0.02), ("hard", 0.2, 0.3))
        (found,) = decisions(stream.send(1_500, ("easy", 0.2, 0.02), ("hard", 0.8, 0.3)))
        assert found.evidence[0].segment == "hard"
        assert ("mix shift" in found.reason) == (found.verdict == Verdict.MIX_SHIFT)
        verdicts.append((found.verdict, found.order))
    assert (
        verdicts.count((Verdict.MIX_SHIFT, Order.IMPROVE)) >= 7
    )  # an alarm after few records may see noise


def test_a_decay_within_one_segment_names_it() -> None:
    state = watched(false_alarm_records=1e6)
    stream = Stream(state, 3)
    stream.send(6_000, ("young", 0.5, 0.1), ("old", 0.5, 0.1))
    found = decisions(stream.send(1_500, ("young", 0.5, 0.4), ("old", 0.5, 0.1)))
    assert {one.verdict for one in found} == {Verdict.DRIFT}
    assert {one.evidence[0].segment for one in found} == {"young"}


def test_a_version_that_was_never_good_is_rolled_back_to_the_one_before() -> None:
    state = watched()
    stream = Stream(state, 4)
    stream.send(4_000, (None, 1.0, 0.05), model_version="v1")
    outputs = stream.send(1_000, (None, 1.0, 0.2), model_version="v2")
    (found,) = decisions(outputs)
    assert (found.order, found.model_version) == (Order.ROLLBACK, "v2")
    (command,) = [one.record for one in outputs if one.topic == COMMANDS["ROLLBACK"]]
    assert isinstance(command, RollbackCommand)
    assert (command.model_version, command.to_version) == ("v2", "v1")


def test_a_version_that_was_good_for_most_of_its_life_is_retrained() -> None:
    stream = Stream(watched(), 4)
    stream.send(4_000, (None, 1.0, 0.05), model_version="v1")
    stream.send(3_000, (None, 1.0, 0.05), model_version="v2")
    (found,) = decisions(stream.send(1_000, (None, 1.0, 0.2), model_version="v2"))
    assert (found.order, found.model_version) == (Order.RETRAIN, "v2")


def test_where_the_watch_begins_with_a_bad_record_the_suspicion_begins_with_the_watch() -> None:
    """There is no record before it that the change could be dated to."""
    state = watched(references=(Reference(metric="error", count=5_000, sum=250.0),))
    bad = many(metric(), 200, 5_000, sum=np.ones(200))
    (found,) = [
        one
        for one in decisions(list(fold(piece(METRICS, bad), state, CODEC).outputs))
        if one.evidence
    ]
    assert (found.evidence[0].first_offset, found.evidence[0].count) == (
        5_000,
        found.evidence[0].last_offset - 4_999,
    )


def test_what_went_into_the_reference_is_no_part_of_the_change_in_the_segments_either() -> None:
    state = watched()
    Stream(state, 5).send(1_000, ("a", 0.5, 0.05), ("b", 0.5, 0.05))
    bad = many(metric(segment="a"), 200, 5_000, sum=np.ones(200))
    found = next(
        one
        for one in decisions(list(fold(piece(METRICS, bad), state, CODEC).outputs))
        if one.evidence and one.evidence[0].segment in (None, "a")
    )
    assert 990 <= found.evidence[0].first_offset <= 5_000
    for segment in ("a", "b"):
        (version,) = row(state, segment).versions
        assert version.whole_window_count > 400
        assert version.whole_window_count <= row(state, segment).share_count


def test_a_version_before_that_fails_later_in_the_same_slice_was_sound_when_it_mattered() -> None:
    """v2 alarms first; v1 alarms later in the slice, which must not take the rollback back."""
    state = watched()
    stream = Stream(state, 5)
    stream.send(3_000, (None, 1.0, 0.05), model_version="v1")
    bad_v2 = many(metric(model_version="v2"), 200, 10_000, sum=np.ones(200))
    bad_v1 = many(metric(model_version="v1"), 200, 10_200, sum=np.ones(200))
    found = decisions(list(fold(piece(METRICS, [*bad_v2, *bad_v1]), state, CODEC).outputs))
    assert [(one.model_version, one.order) for one in found] == [
        ("v2", Order.ROLLBACK),
        ("v1", Order.RETRAIN),
    ]


def test_after_its_command_is_completed_a_metric_learns_anew_and_watches_again() -> None:
    state = watched(false_alarm_records=1e6)
    stream = Stream(state, 7)
    stream.send(4_000, ("easy", 0.8, 0.02), ("hard", 0.2, 0.3))
    (first,) = decisions(stream.send(1_500, ("easy", 0.2, 0.02), ("hard", 0.8, 0.3)))
    completed(state, first)
    assert (row(state).frozen, row(state).reference_count, row(state).versions[0].state) == (
        False,
        0,
        State.WAIT,
    )
    assert stream.send(5_000, ("easy", 0.2, 0.02), ("hard", 0.8, 0.3)) == []
    # What went before the restart is in no reference: the mix is as it was then, and this is a
    # decay.
    assert (row(state, "easy").share_count + row(state, "hard").share_count, row(state).frozen) == (
        1_000,
        True,
    )
    found = decisions(stream.send(1_500, ("easy", 0.2, 0.3), ("hard", 0.8, 0.4)))
    assert found[0].verdict == Verdict.DRIFT


@pytest.mark.parametrize("status", [Status.ACKNOWLEDGED, Status.FAILED])
def test_a_command_that_is_not_over_leaves_its_metric_alone(status: Status) -> None:
    state = watched()
    stream = Stream(state, 8)
    stream.send(4_000, (None, 1.0, 0.1))
    (found,) = decisions(stream.send(1_500, (None, 1.0, 0.3)))
    before = row(state)
    completed(state, found, status)
    assert row(state) == before
    completed(state, found, Status.COMPLETED, attempt=2)  # of an attempt that never was
    assert row(state) == before
    if status != Status.ACKNOWLEDGED:
        completed(state, found, Status.COMPLETED)  # after the end
        assert row(state) == before


def test_a_stated_reference_is_watched_against_from_the_first_record() -> None:
    state = watched(references=(Reference(metric="error", count=5_000, sum=250.0),))
    (found,) = decisions(Stream(state, 9).send(1_000, (None, 1.0, 0.2)))
    assert found.evidence[0].last_offset < 300
    assert row(state).reference_count == 5_000


@pytest.mark.parametrize("stated", [-50.0, 9_000.0])
def test_a_stated_reference_out_of_its_range_is_taken_at_its_end(stated: float) -> None:
    state = watched(references=(Reference(metric="error", count=5_000, sum=stated),))
    Stream(state, 10).send(100, (None, 1.0, 0.2))
    assert 0 <= row(state).reference_bad <= 5_000
    assert not any(np.isnan(version.log_e) for version in row(state).versions)


def test_a_segment_that_a_slice_does_not_name_is_left_as_it_was() -> None:
    state = watched()
    stream = Stream(state, 11)
    stream.send(150, ("a", 0.5, 0.1), ("b", 0.5, 0.1))
    before = row(state, "b")
    stream.send(90, ("a", 1.0, 0.0))  # no suspicion begins, which segments would take note of
    after = row(state, "b")
    assert after.versions == before.versions
    assert (after.reference_count, after.usual) == (before.reference_count, before.usual)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"sum": 0.5}, "NOT_A_RATE"), ({"sum": 3.0}, "NOT_A_RATE"), ({"sum": -1.0}, "NOT_A_RATE")],
)
def test_a_rate_that_is_none_is_refused_by_name(fields: dict[str, Any], reason: str) -> None:
    effects = fold(piece(METRICS, sent([metric(), metric(1, **fields)])), watched(), CODEC)
    assert [(one.index, one.reason) for one in effects.refused] == [(1, reason)]
    assert effects.applied == 1


def test_a_reference_is_what_its_records_are_however_bad() -> None:
    state = watched()
    records: list[ModelMetric] = [metric(n, sum=float(n % 2)) for n in range(1_000)]
    assert fold(piece(METRICS, sent(records)), state, CODEC).outputs == ()
    found = row(state)
    assert (found.frozen, found.reference_count, found.reference_bad) == (True, 1_000, 500)
