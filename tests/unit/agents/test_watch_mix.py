"""After a shift of the mix the whole learns the mix that is, and segments are watched on."""

from schemas.records import Autonomy, Order, Reference, State, Verdict
from tests.support.watching import Stream, completed, decisions, row, watched

BEFORE = (("easy", 0.7, 0.02), ("hard", 0.3, 0.3))
AFTER = (("easy", 0.2, 0.02), ("hard", 0.8, 0.3))


def test_after_a_mix_shift_the_whole_learns_again_and_finds_the_decay_that_follows() -> None:
    """The improvement is only proposed, so no command will ever be completed."""
    state = watched(improve=Autonomy.PROPOSE, false_alarm_records=1e5)
    stream = Stream(state, 1)
    stream.send(6_000, *BEFORE)
    (shift,) = decisions(stream.send(1_000, *AFTER))
    assert (shift.verdict, shift.command_id) == (Verdict.MIX_SHIFT, None)
    whole = row(state)
    assert (whole.frozen, whole.reference_count < 1_000, whole.versions[0].state) == (
        False,
        True,
        State.OK,  # watched already, if roughly
    )
    assert row(state, "easy").share_count + row(state, "hard").share_count == whole.reference_count
    assert stream.send(4_000, *AFTER) == []
    assert (row(state).frozen, row(state).versions[0].state) == (True, State.OK)
    found = decisions(stream.send(1_000, ("easy", 0.2, 0.25), ("hard", 0.8, 0.5)))
    assert {one.verdict for one in found} == {Verdict.DRIFT}
    assert any("segment" not in one.reason.split(":")[0] for one in found)


def test_segments_alarm_while_the_whole_learns_again() -> None:
    state = watched(false_alarm_records=1e5)
    stream = Stream(state, 2)
    stream.send(6_000, *BEFORE)
    (shift,) = decisions(stream.send(400, *AFTER))
    assert shift.order == Order.IMPROVE
    found = decisions(stream.send(300, ("easy", 0.2, 0.02), ("hard", 0.8, 0.7)))
    assert not row(state).frozen
    assert [(one.verdict, one.order, one.evidence[0].segment) for one in found] == [
        (Verdict.DRIFT, Order.RETRAIN, "hard")
    ]


def test_an_improvement_that_is_completed_restarts_the_metric_it_was_asked_for() -> None:
    state = watched(false_alarm_records=1e5)
    stream = Stream(state, 3)
    stream.send(6_000, *BEFORE)
    (shift,) = decisions(stream.send(3_000, *AFTER))
    assert row(state).frozen
    completed(state, shift)
    assert not any(row(state, segment).frozen for segment in (None, "easy", "hard"))


def test_a_stated_reference_stands_and_the_finding_with_it() -> None:
    """It says nothing of segments, so what happened within them cannot be told from their mix."""
    state = watched(
        false_alarm_records=1e5, references=(Reference(metric="error", count=10_000, sum=1_050.0),)
    )
    stream = Stream(state, 5)
    assert stream.send(4_000, *BEFORE) == []
    (found,) = decisions(stream.send(4_000, *AFTER))
    assert (found.verdict, found.evidence[0].segment) == (Verdict.DRIFT, None)
    assert (row(state).reference_count, row(state).versions[0].state) == (10_000, State.HARM)
