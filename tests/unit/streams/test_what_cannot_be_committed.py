"""A record whose commit fails for what it is ends a few workers and is set aside; nothing else is,
and all goes on.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import (
    DEAD_LETTERS,
    JOURNAL,
    POLICIES,
    RESULTS,
    SPECS,
    TABLES_EXPERIMENTS,
    TABLES_POLICIES,
)
from schemas.codec.framing import MAX_BYTES
from schemas.ids import event_uuid
from schemas.records import Direction, ExperimentSpec, MetricKind, MetricSpec, Policy, Role
from streams.engine import transaction
from streams.engine.journal import Journal
from streams.engine.quarantine import DEADLY, BlackBox
from streams.engine.transaction import CommitRefused, Outbox
from streams.engine.uncommitted import PIECES, Uncommitted
from streams.kafka.dead_letters import REASON
from streams.runtime.message_sizes import RECORD_BYTES
from tests.support.builders import Sent, result, spec
from tests.support.still import Still, still

ENDS_MAX = 2 + 2 * DEADLY  # from thousands of records to one, and then so often at that one


def named(n: int, metrics: int = 1) -> ExperimentSpec:
    each = [
        MetricSpec(f"metric number {i}", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
        for i in range(metrics)
    ]
    return replace(spec(event_id=event_uuid("spec", n), experiment_id=f"e{n}"), metrics=tuple(each))


def letters(one: Still) -> list[bytes]:
    return [
        dict(entry.headers)[REASON]
        for entry in one.kafka.logs[DEAD_LETTERS, 0].entries
        if entry.fate.name == "COMMITTED" and entry.headers
    ]


@pytest.mark.parametrize("waits", [True, False], ids=["at the start", "while it runs"])
def test_a_record_whose_row_kafka_refuses_is_set_aside_alone(
    waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "RECORD_BYTES", 4_096 + 2_500)
    with still() as one:
        if not waits:
            one.worker(BlackBox(tmp_path / "box.mark")).until(lambda: len(one.values(JOURNAL)) > 0)
        for n in range(70):
            one.send(SPECS, named(n, metrics=60 if n == 41 else 1))
        ends = 0
        while one.kafka.group(one.settings.group).offsets.get((SPECS, 0), 0) < 70:
            try:
                one.worker(BlackBox(tmp_path / "box.mark")).takes_in(SPECS)
            except CommitRefused:
                ends += 1
            assert ends <= ENDS_MAX
        assert letters(one) == [b"QUARANTINED"]
        assert {row.experiment_id for row in one.records(TABLES_EXPERIMENTS)} == {
            f"e{n}" for n in range(70) if n != 41
        }
        one.send(RESULTS, result())
        one.worker(BlackBox(tmp_path / "box.mark")).takes_in(RESULTS)


def test_what_waits_at_a_start_is_committed_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.engine.group_membership.CATCH_UP", 10)
    with still() as one:
        for n in range(95):
            one.send(SPECS, named(n))
        one.worker().takes_in(SPECS)
        assert len([entry for entry in one.records(JOURNAL) if entry.applied % 10 == 0]) >= 9


def test_more_policies_than_one_entry_holds_are_taken_in_several() -> None:
    wide = tuple("subject " + "x" * 400 + str(i) for i in range(100))
    with still() as one:
        for n in range(60):
            one.send(POLICIES, Policy(event_uuid("policy", n), f"p{n}", wide), f"p{n}")
        one.worker().until(lambda: len(one.records(TABLES_POLICIES)) == 60)
        assert sum(len(value or b"") for value in one.values(JOURNAL)) > RECORD_BYTES
        assert max(len(value or b"") for value in one.values(JOURNAL)) < RECORD_BYTES // 2


def test_a_megabyte_of_garbage_among_the_policies_is_a_dead_letter_and_no_end() -> None:
    with still() as one:
        for _ in range(3):
            one.send(POLICIES, b"x" * 1_000_000, "p")
        one.worker().until(lambda: len(letters(one)) == 3)
        assert max(len(value or b"") for value in one.values(JOURNAL)) < 2 * MAX_BYTES


def test_an_outbox_says_what_is_too_large_before_anything_is_written() -> None:
    outbox = Outbox(rows=[("tables.commands.v1", 3, [("c", b"x" * RECORD_BYTES)])])
    with pytest.raises(CommitRefused, match=r"row 'c' of tables.commands.v1/3 has 1048588 bytes"):
        outbox.check()
    outbox = Outbox()
    outbox.add(DEAD_LETTERS, 0, None, b"x" * RECORD_BYTES)
    outbox.check()


def test_an_entry_is_full_of_steps_too() -> None:
    journal = Journal(0)
    for n in range(5_001):
        journal.set_aside("t", n)
    assert journal.full
    journal.entry(0, "", 0)
    assert not journal.full


def taken(one: Uncommitted, start: int, end: int) -> list[tuple[int, bool]]:
    records: list[Any] = [Sent(b"", n) for n in range(start, end)]
    return [(len(piece), alone) for piece, alone in one.cut("t", 0, records)]


def test_a_stretch_that_could_not_be_committed_comes_in_a_few_pieces_until_it_is(
    tmp_path: Path,
) -> None:
    one = Uncommitted(tmp_path / "c")
    spread: list[Any] = [Sent(b"", n) for n in range(100, 420)]
    one.folded("t", 0, spread)
    one.blame()
    again = Uncommitted(tmp_path / "c")
    pieces = taken(again, 90, 440)
    assert pieces == [(10, False), *[(10, True)] * PIECES, (20, False)]
    again.settled({("t", 0): 419})
    assert len(taken(Uncommitted(tmp_path / "c"), 90, 440)) > 1
    again.settled({("t", 0): 420})
    assert taken(Uncommitted(tmp_path / "c"), 90, 440) == [(350, False)]


def test_what_is_committed_leaves_no_note(tmp_path: Path) -> None:
    one = Uncommitted(tmp_path / "c")
    one.folded("t", 0, [Sent(b"", 1)])  # type: ignore[list-item]
    with one.writing():
        assert taken(Uncommitted(tmp_path / "c"), 0, 3) == [(1, False), (1, True), (1, False)]
    assert (tmp_path / "c").read_text() == ""
    one.settled({("t", 0): 2})
    one.blame()
    assert (tmp_path / "c").read_text() == ""


@pytest.mark.parametrize(
    "text", ["{", "7", "[[]]", '[["t", 1, 2, 2]]', '[["t", "1", 2, 3]]', "[" * 99_999]
)
def test_a_damaged_note_is_set_aside(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c").write_text(text)
    with caplog.at_level(logging.ERROR):
        assert taken(Uncommitted(tmp_path / "c"), 0, 3) == [(3, False)]
    assert "is damaged and begun anew" in caplog.text
