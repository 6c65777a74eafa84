"""A deployer remembers how commands ended, also after it was started again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mendstream.client import ClientError
from mendstream.client.ended_commands import EndedCommands
from mendstream.client.handling import CommandEnd
from schemas.records import FailureCause, Status
from tests.support.signed import ROLLBACK

DONE = CommandEnd(Status.COMPLETED, "served", made_version="v9")
BROKEN = CommandEnd(Status.FAILED, "out of reach", FailureCause.DEPLOYER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def test_what_ended_is_known_after_a_restart(path: Path) -> None:
    first = EndedCommands(path)
    assert first.ending(ROLLBACK) is None
    first.note(ROLLBACK, DONE)
    again = EndedCommands(path)
    assert again.ending(ROLLBACK) == DONE
    assert again.ending(replace(ROLLBACK, attempt=ROLLBACK.attempt + 1)) == DONE


def test_what_failed_is_tried_again_by_a_new_attempt_alone(path: Path) -> None:
    ledger = EndedCommands(path)
    ledger.note(ROLLBACK, BROKEN)
    second = replace(ROLLBACK, attempt=2, fencing_token=ROLLBACK.fencing_token + 1)
    assert ledger.ending(ROLLBACK) == BROKEN
    assert ledger.ending(second) is None
    ledger.note(second, DONE)
    assert ledger.ending(ROLLBACK) == DONE


def test_a_token_that_is_not_newer_is_stale(path: Path) -> None:
    ledger, token = EndedCommands(path), ROLLBACK.fencing_token
    assert ledger.stale(ROLLBACK) is None
    ledger.note(ROLLBACK, DONE)
    other = replace(ROLLBACK, command_id="another")
    assert EndedCommands(path).stale(other) == token
    assert ledger.stale(replace(other, fencing_token=token + 1)) is None
    assert ledger.stale(replace(other, target="elsewhere")) is None


def test_an_older_attempt_takes_back_neither_attempt_nor_token(path: Path) -> None:
    ledger, token = EndedCommands(path), ROLLBACK.fencing_token
    second = replace(ROLLBACK, attempt=2, fencing_token=token + 5)
    ledger.note(second, BROKEN)
    ledger.note(ROLLBACK, BROKEN)
    assert ledger.ending(second) == BROKEN
    assert (
        ledger.stale(replace(ROLLBACK, command_id="another", fencing_token=token + 5)) is not None
    )


def test_it_remembers_so_many_and_no_more(path: Path) -> None:
    ledger = EndedCommands(path, most=2)
    for number in range(4):
        ledger.note(replace(ROLLBACK, command_id=f"c{number}", target=f"t{number}"), DONE)
    stored = json.loads(path.read_text())
    assert list(stored["ended"]) == ["c2", "c3"]
    assert list(stored["tokens"]) == ["t2", "t3"]


@pytest.mark.parametrize("text", ["", "[]", '{"ended": {"c": [1]}, "tokens": {}}', "{}"])
def test_what_no_ledger_wrote_is_told_and_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ClientError, match="is no state file of a deployer"):
        EndedCommands(path)
    assert path.read_text() == text


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be used"):
        EndedCommands(tmp_path / "nowhere" / "state.json")


def test_what_cannot_be_noted_is_not(path: Path) -> None:
    ledger = EndedCommands(path)
    path.with_name("state.json.new").mkdir()
    with pytest.raises(ClientError, match="comes again"):
        ledger.note(ROLLBACK, DONE)
    assert ledger.ending(ROLLBACK) is None
