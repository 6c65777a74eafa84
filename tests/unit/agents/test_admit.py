"""Who is let in: right bytes, sensible values, the right partition, once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.flow.pipeline import fold, remember
from schemas.catalog import METRICS, RESULTS, SPECS, STATUS, TICKS
from schemas.codec.framing import Record
from schemas.ids import partition_of
from schemas.records import CommandStatus, Status, Tick
from state.partition.partition_state import PartitionState
from state.seen_ids import WINDOW
from tests.support.builders import CODEC, NOON, Sent, metric, piece, result, sent, spec

PARTITIONS = 4
HOME = next(name for name in map(str, range(99)) if partition_of(name, PARTITIONS) == 0)
AWAY = next(name for name in map(str, range(99)) if partition_of(name, PARTITIONS) == 2)


def status(subject: str) -> CommandStatus:
    return CommandStatus(
        event_id="s",
        command_id="c",
        subject=subject,
        status=Status.COMPLETED,
        fencing_token=1,
        reported_at=NOON,
        reporter="r",
    )


MAKE: dict[str, Callable[[str], Record]] = {
    RESULTS: lambda subject: result(subject=subject),
    METRICS: lambda subject: metric(subject=subject),
    SPECS: lambda subject: spec(subject=subject),
    STATUS: status,
}


def state(dedupe_window: int = WINDOW) -> PartitionState:
    return PartitionState(0, PARTITIONS, dedupe_window)


@pytest.mark.parametrize("topic", MAKE)
def test_a_record_of_another_partition_is_forwarded_once_and_then_refused(topic: str) -> None:
    first = sent([MAKE[topic](AWAY)])
    effects = fold(piece(topic, first), state(), CODEC)
    assert [(one.index, one.partition, one.subject) for one in effects.forwards] == [(0, 2, AWAY)]
    again = [replace(first[0], headed=(("forwarded-from", b"1"),))]
    effects = fold(piece(topic, again), state(), CODEC)
    assert (effects.forwards, [one.reason for one in effects.refused]) == ((), ["FORWARDED_TWICE"])


@pytest.mark.parametrize("topic", [RESULTS, METRICS, SPECS])
def test_an_id_again_is_a_duplicate_even_after_a_restart(topic: str) -> None:
    tables, other = state(), state()
    first, second = sent([MAKE[topic](HOME)]), sent([MAKE[topic](HOME)], start=1)
    assert fold(piece(topic, first), tables, CODEC).applied == 1
    remember(piece(topic, first), other, CODEC)
    for some in (tables, other):
        effects = fold(piece(topic, second), some, CODEC)
        assert (effects.applied, effects.duplicates) == (0, 1)


OTHERS = [name for name in (f"evil/{n}" for n in range(99)) if partition_of(name, PARTITIONS) == 0][
    :2
]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("topic", [RESULTS, METRICS, SPECS])
def test_an_id_that_another_subject_used_before_is_no_duplicate(
    topic: str, restarted: bool
) -> None:
    tables = state()
    take = remember if restarted else fold
    take(piece(topic, sent([MAKE[topic](OTHERS[0]), MAKE[topic](OTHERS[1])])), tables, CODEC)
    effects = fold(
        piece(topic, sent([MAKE[topic](HOME), MAKE[topic](HOME)], start=2)), tables, CODEC
    )
    assert (effects.applied, effects.duplicates) == (1, 1)


def test_a_status_is_not_taken_for_one_of_another_subject() -> None:
    """It is refused for want of its command, each time for the same reason, and never passed over
    as known.
    """
    tables = state()
    fold(piece(STATUS, sent([status(OTHERS[0])])), tables, CODEC)
    effects = fold(piece(STATUS, sent([status(HOME)], start=1)), tables, CODEC)
    assert ([one.reason for one in effects.refused], effects.duplicates) == (["UNKNOWN_COMMAND"], 0)


def test_an_id_is_forgotten_a_window_later_and_not_before() -> None:
    record = result(subject=HOME)
    for offset, duplicates in ((10, 1), (11, 0)):
        tables = state(dedupe_window=10)
        fold(piece(RESULTS, sent([record])), tables, CODEC)
        assert (
            fold(piece(RESULTS, sent([record], start=offset)), tables, CODEC).duplicates
            == duplicates
        )


def test_the_same_id_on_two_inputs_is_two_records() -> None:
    tables = state()
    fold(piece(RESULTS, sent([result(subject=HOME, event_id="one")])), tables, CODEC)
    assert (
        fold(piece(METRICS, sent([metric(subject=HOME, event_id="one")])), tables, CODEC).applied
        == 1
    )


def test_a_refused_record_does_not_make_its_id_seen() -> None:
    tables = state()
    bad, good = result(subject=HOME, count=0), result(subject=HOME)
    effects = fold(piece(RESULTS, sent([bad, good])), tables, CODEC)
    assert ([one.index for one in effects.refused], effects.applied) == ([0], 1)


@pytest.mark.parametrize("topic", [RESULTS, METRICS, SPECS, STATUS, TICKS])
def test_bytes_that_are_no_record_are_refused_with_a_reason_and_spoil_nothing_else(
    topic: str,
) -> None:
    good: Record = Tick(0, NOON) if topic == TICKS else MAKE[topic](HOME)
    values = [b"", None, b"garbage", b"\x00\x00\x00\x00\x01rest", good]
    effects = fold(piece(topic, sent(values)), state(), CODEC)
    assert [one.reason for one in effects.refused][:4] == [
        "NOT_FRAMED",
        "TOMBSTONE",
        "NOT_FRAMED",
        "UNKNOWN_SCHEMA",
    ]
    assert len(effects.refused) == 4 + (topic == STATUS)  # nobody issued its command
    assert all(one.sentence for one in effects.refused)


def test_time_is_the_highest_append_time_and_never_goes_back() -> None:
    tables = state()
    ticks = [Sent(CODEC.encode(Tick(0, 1)), at, NOON + late) for at, late in enumerate((5, 9, 2))]
    fold(piece(TICKS, ticks), tables, CODEC)
    assert tables.now == NOON + 9
    fold(piece(TICKS, [replace(ticks[0], at=3, appended=NOON)]), tables, CODEC)
    assert tables.now == NOON + 9


def test_a_record_with_too_much_beside_its_value_is_not_sent_on() -> None:
    laden = replace(sent([result(subject=AWAY)])[0], headed=(("ballast", b"x" * 70_000),))
    effects = fold(piece(RESULTS, [laden]), PartitionState(0, PARTITIONS), CODEC)
    assert not effects.forwards
    assert [one.reason for one in effects.refused] == ["TOO_LARGE"]


def test_a_refused_record_that_is_written_back_is_no_duplicate_of_itself() -> None:
    """Its id was taken in before an agent refused it. Whoever carried the id since makes it a
    duplicate after all.
    """
    whence = (("mendstream-redriven-from", f"{METRICS}/0/0".encode()),)
    bad = sent([metric(subject=HOME, metric="error", sum=3.0)])
    cases = {
        "back": ([], whence, 0),
        "another came since": (
            sent([metric(subject=HOME, metric="error", sum=3.0)], start=1),
            whence,
            1,
        ),
        "from elsewhere": ([], (("mendstream-redriven-from", f"{METRICS}/1/0".encode()),), 1),
        "no header": ([], (), 1),
    }
    for name, (since, headed, duplicates) in cases.items():
        for restarted in (False, True):
            tables = state()
            take = remember if restarted else fold
            take(piece(METRICS, [*bad, *since]), tables, CODEC)
            back = [replace(bad[0], at=9, headed=headed)]
            effects = fold(piece(METRICS, back), tables, CODEC)
            assert effects.duplicates == duplicates, (name, restarted)
            assert [one.reason for one in effects.refused] == ["NOT_A_RATE"] * (1 - duplicates)
