"""A ledger takes each command once, and none that is older than one it took, across restarts
too.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.runtime.clock import now_ms
from streams.signing.verifier import Ledger, Refused
from tests.support.signed import sent

COMMAND = sent().command


def ordered(
    token: int, command_id: str = "5e1f", attempt: int = 1, target: str = "production"
) -> dict[str, Any]:
    fields = {
        "command_id": command_id,
        "attempt": attempt,
        "target": target,
        "fencing_token": token,
    }
    return {**COMMAND, **fields}


def entry(ledger: Ledger, command: dict[str, Any]) -> str:
    """Why a ledger refuses a command; empty where it takes it."""
    try:
        ledger.admit(command)
    except Refused as refused:
        return refused.reason
    return ""


@pytest.mark.parametrize("stored", [False, True])
def test_a_ledger_takes_each_command_once_and_no_older_token(stored: bool, tmp_path: Path) -> None:
    path = tmp_path / "ledger.json" if stored else None
    ledger = Ledger(path)
    for command, said in (
        (ordered(3), ""),
        (ordered(3), "SEEN"),
        (ordered(9), "SEEN"),
        (ordered(3, "other"), "STALE_TOKEN"),
        (ordered(2, "other"), "STALE_TOKEN"),
        (ordered(1, "other", target="canary"), ""),
        (ordered(4, attempt=2), ""),
        (ordered(4, attempt=2), "SEEN"),
        (ordered(4, attempt=3), "STALE_TOKEN"),
    ):
        assert entry(ledger, command) == said
        ledger = Ledger(path) if stored else ledger  # after a restart it knows all the same


def test_to_check_is_not_to_take() -> None:
    ledger = Ledger()
    ledger.check(ordered(3))
    assert entry(ledger, ordered(3)) == ""
    with pytest.raises(Refused, match="attempt 1 of command '5e1f'"):
        ledger.check(ordered(3))


def test_a_ledger_that_cannot_write_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    ledger = Ledger(tmp_path / "gone" / "ledger.json")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError):
        ledger.admit(ordered(3))
    (tmp_path / "gone").mkdir()
    assert entry(ledger, ordered(3)) == ""
    assert [path.name for path in (tmp_path / "gone").iterdir()] == ["ledger.json"]


def test_a_ledger_is_bounded_and_what_it_forgot_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    ledger = Ledger(path, most=3)
    assert {entry(ledger, ordered(token, f"id {token}")) for token in range(1, 9)} == {""}
    assert len(json.loads(path.read_text())["seen"]) == 3
    assert [entry(ledger, ordered(token, f"id {token}")) for token in (8, 1)] == [
        "SEEN",
        "STALE_TOKEN",
    ]
    for number in range(
        3
    ):  # the target that was ordered longest ago is forgotten, not the one ordered again
        entry(ledger, ordered(9 + number, f"again {number}"))
        entry(ledger, ordered(1, f"else {number}", target=f"target {number}"))
    assert [each[0] for each in json.loads(path.read_text())["tokens"]] == [
        "target 1",
        "production",
        "target 2",
    ]


def test_a_token_is_the_targets_whatever_subject_it_came_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    path.write_text('{"seen": [], "tokens": [["acme", "production", 7], ["bot", "production", 3]]}')
    ledger = Ledger(path)
    assert [entry(ledger, ordered(token, f"id {token}")) for token in (4, 7, 8)] == [
        "STALE_TOKEN",
        "STALE_TOKEN",
        "",
    ]
    assert entry(ledger, {**ordered(8, "other"), "subject": "else"}) == "STALE_TOKEN"


DAMAGED = [b"", b"{", b"[]", b"7", b'{"seen": []}', b'{"seen": [1], "tokens": []}', b"\xff\0"]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_ledger_is_set_aside_and_takes_nothing_that_it_may_have_taken(
    damaged: bytes, tmp_path: Path
) -> None:
    (path := tmp_path / "ledger.json").write_bytes(damaged)
    ledger = Ledger(path)
    assert path.with_name("ledger.json.damaged").read_bytes() == damaged
    assert "was no ledger" in ledger.fault
    later = now_ms() + 60_000
    for _ in range(2):  # after another restart too
        assert entry(ledger, ordered(3)) == "SEEN"
        ledger = Ledger(path)
        assert ledger.fault == ""
    assert entry(ledger, {**ordered(4, "later"), "issued_at": later}) == ""


def test_a_folder_in_the_place_of_a_ledger_is_set_aside_each_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    for number in range(3):
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / f"inside {number}").touch()
        assert "was no ledger" in Ledger(path).fault
    assert len([*tmp_path.glob("ledger.json.damaged*/inside*")]) == 3
