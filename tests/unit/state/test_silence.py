"""Who has stopped sending: an arm beside others that go on, a subject; and what it costs to know."""

import pytest

from schemas.catalog import METRICS, RESULTS, SPECS
from schemas.records import ExperimentStatus
from state import silence
from state.silence import FORGOTTEN_MS, Silence
from tests.builders import NOON, metric, result, spec
from tests.loop import Loop

MINUTE = 60_000
SILENT = 30 * MINUTE
ARM = ("bot|exp", "b")


class Sent:
    """A partition to which arms send a record each minute."""

    def __init__(self) -> None:
        self.loop = Loop()
        self._number = 0

    @property
    def silence(self) -> Silence:
        return self.loop.tables.silence

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


def test_after_a_restart_the_time_begins_anew_and_what_is_stored_is_watched(sent: Sent) -> None:
    sent.minutes(5, "control", "b")
    tables, now = sent.loop.tables, sent.loop.now
    tables.arms["heard"][: len(tables.arms)] = 0  # worked out, and so not restored
    tables.silence = Silence(tables.arms, tables.trials)
    assert sent.arms() == []
    sent.minutes(31, "control")
    assert sent.loop.now > now
    assert sent.arms() == [ARM]


def test_names_past_the_bound_are_counted_and_not_kept(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SUBJECTS_MOST", 3)
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
