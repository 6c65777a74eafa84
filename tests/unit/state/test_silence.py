"""Who has stopped sending: an arm beside others that go on, a subject; and what it costs to
know.
"""

import pytest

from agents.flow.pipeline import rebuild
from schemas.catalog import METRICS, RESULTS, SPECS
from schemas.records import ExperimentStatus
from state import silent_senders
from state.silent_senders import FORGOTTEN_MS, SilentSenders
from tests.support.builders import CODEC, NOON, metric, result, spec
from tests.support.loop import Loop, rows

MINUTE = 60_000
SILENT = 30 * MINUTE
ARM = ("bot|exp", "b")


class Sent:
    """A partition to which arms send a record each minute."""

    def __init__(self) -> None:
        self.loop = Loop()
        self._number = 0

    @property
    def silence(self) -> SilentSenders:
        return self.loop.tables.experiments.silence

    def minutes(self, minutes: int, *arms: str, subject: str = "bot") -> None:
        for _ in range(minutes):
            self.loop.wait(MINUTE)
            for arm in arms:
                self._number += 1
                if subject == "bot":
                    self.loop.send(RESULTS, [result(self._number, variant=arm)])
                else:
                    self.loop.send(METRICS, [metric(self._number, subject=subject)])

    def arms(self) -> list[tuple[str, str]]:
        return self.silence.stopped_arms(self.loop.now, SILENT)

    def subjects(self) -> list[str]:
        return self.silence.stopped_subjects(self.loop.now, SILENT)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_an_arm_that_stops_while_another_goes_on_has_stopped_after_half_an_hour(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    sent.minutes(29, "control")
    assert sent.arms() == []
    sent.minutes(1, "control")
    assert sent.arms() == [ARM]
    assert sent.subjects() == []


def test_an_arm_that_sends_again_has_not_stopped(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    sent.minutes(31, "control")
    assert sent.arms() == [ARM]
    sent.minutes(1, "control", "b")
    assert sent.arms() == []
    sent.minutes(31, "control")
    assert sent.arms() == [ARM], "it is watched on"


def test_where_all_arms_stop_it_is_the_subject_that_stopped(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    assert (sent.arms(), sent.subjects()) == ([], [])
    sent.minutes(31)
    assert (sent.arms(), sent.subjects()) == ([], ["bot"])
    sent.minutes(1, "control", "b")
    assert (sent.arms(), sent.subjects()) == ([], [])


def test_after_a_day_nobody_waits_for_it(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    sent.minutes(31)
    assert sent.subjects() == ["bot"]
    sent.loop.wait(FORGOTTEN_MS)
    sent.minutes(1, "control")
    assert sent.arms() == []
    sent.loop.wait(FORGOTTEN_MS + SILENT)
    assert sent.subjects() == []


def test_a_subject_that_was_stopped_by_a_person_is_not_missed(sent: Sent) -> None:
    sent.loop.send(SPECS, [spec()])
    sent.minutes(5, "control", "b")
    sent.loop.send(SPECS, [spec(event_id="stop", status=ExperimentStatus.STOPPED)])
    sent.minutes(31)
    assert sent.subjects() == []


def test_metrics_of_a_live_model_are_heard_too(sent: Sent) -> None:
    sent.minutes(3, "x", subject="ranker")
    sent.minutes(29)
    assert sent.subjects() == []
    sent.minutes(2)
    assert sent.subjects() == ["ranker"]


def restarted(sent: Sent, now: int = 0) -> None:
    """Another worker takes the partition over, from what is stored of it alone; now: when it goes
    on.
    """
    stored, loop = rows(sent.loop.tables), Loop()
    for topic, table in loop.tables.all().items():
        table.restore(list(stored[topic].items()), CODEC)
    loop.now, loop.tables.now = now or sent.loop.now, sent.loop.tables.now
    rebuild(loop.tables)
    sent.loop = loop


def test_an_arm_that_stopped_before_a_restart_is_told_after_it_when_its_time_is_over(
    sent: Sent,
) -> None:
    sent.minutes(5, "control", "b")
    sent.minutes(10, "control")
    restarted(sent)
    sent.minutes(19, "control")
    assert sent.arms() == []
    sent.minutes(1, "control")
    assert sent.arms() == [ARM]


def test_of_arms_of_which_nothing_is_stored_the_time_begins_anew(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    sent.loop.tables.experiments.arms.last_at[: len(sent.loop.tables.experiments.arms)] = -1
    restarted(sent)
    assert sent.arms() == []
    sent.minutes(29, "control")
    assert sent.arms() == []
    sent.minutes(2, "control")
    assert sent.arms() == [ARM]


@pytest.mark.parametrize("subject", ["bot", "ranker"])
def test_a_subject_that_was_silent_and_untold_at_a_restart_is_told_when_its_time_is_over(
    sent: Sent, subject: str
) -> None:
    sent.minutes(3, "control", subject=subject)
    sent.minutes(20)
    assert sent.subjects() == []
    restarted(sent)
    sent.minutes(9)
    assert sent.subjects() == []
    sent.minutes(1)
    assert sent.subjects() == [subject]


def test_a_subject_is_told_after_a_longer_restart_and_one_that_was_told_goes_on_being_shown(
    sent: Sent,
) -> None:
    sent.minutes(3, "control", "b")
    restarted(sent, sent.loop.now + 3 * SILENT)
    sent.minutes(1)
    assert sent.subjects() == ["bot"]
    restarted(sent)
    assert sent.subjects() == ["bot"]
    restarted(sent, sent.loop.now + FORGOTTEN_MS)
    sent.minutes(1)
    assert (sent.subjects(), sent.arms()) == ([], [])


def test_a_subject_that_sends_again_after_a_restart_is_not_told_and_one_that_was_stopped_neither(
    sent: Sent,
) -> None:
    sent.minutes(3, "control", "b")
    sent.minutes(20)
    restarted(sent)
    sent.minutes(1, "control", "b")
    sent.minutes(29)
    assert sent.subjects() == []
    sent.loop.send(SPECS, [spec(event_id="stop", status=ExperimentStatus.STOPPED)])
    restarted(sent)
    sent.minutes(40)
    assert sent.subjects() == []


def test_a_live_metric_that_is_not_judged_is_remembered_too(sent: Sent) -> None:
    sent.loop.send(METRICS, [metric(0, subject="ranker", metric="visits")])
    restarted(sent)
    sent.minutes(31)
    assert sent.subjects() == ["ranker"]


def test_names_past_the_bound_are_counted_and_not_kept(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent_senders, "SUBJECTS_MAX", 3)
    sent.silence.subjects([f"s{n}" for n in range(5)], NOON)
    assert sent.silence.unwatched == 2
    assert sent.silence.stopped_subjects(NOON + SILENT, SILENT) == ["s0", "s1", "s2"]
    sent.silence.stopped_subjects(NOON + FORGOTTEN_MS, SILENT)
    sent.silence.subjects(["s4"], NOON + FORGOTTEN_MS)
    assert sent.silence.unwatched == 2, "who is forgotten makes room"


def test_a_look_costs_what_is_due_and_not_what_there_is(sent: Sent) -> None:
    class Counted(dict[str, int]):
        reads = 0

        def __getitem__(self, name: str) -> int:
            Counted.reads += 1
            return super().__getitem__(name)

    sent.silence.subjects([f"s{n}" for n in range(1_000)], NOON)
    sent.silence.stopped_subjects(NOON, SILENT)
    sent.silence._heard = Counted(sent.silence._heard)
    for second in range(60):
        sent.silence.stopped_subjects(NOON + second * 1_000, SILENT)
    assert Counted.reads == 0
