"""A fast part of the recorded logs; `make golden` plays them all."""

import os
import subprocess
import sys

import pytest

from agents.commands.disposition import VERSION
from tests.golden import store
from tests.golden.__main__ import refusal_to_record
from tests.golden.behaviour import Behaviour, differences
from tests.golden.logs import Recording, recordings

RECORDED = store.load()
QUICK = [recording for recording in recordings() if recording.quick]
LAWS = [recording for recording in QUICK if recording.name.startswith("law: ")]
OLDER_PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Nehalem",
}


@pytest.mark.parametrize("recording", QUICK, ids=lambda recording: recording.name)
def test_a_recorded_log_is_decided_as_it_was(recording: Recording) -> None:
    assert differences(RECORDED[recording.name], recording.play()) == []


def test_an_older_kind_of_processor_folds_them_to_the_same_bytes() -> None:
    play = "from tests.golden.test_golden import LAWS\nfor one in LAWS: print(one.play().to_json())"
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", play],
        env={**os.environ, **OLDER_PROCESSOR},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = other.stdout.splitlines()
    for recording, line in zip(LAWS, lines, strict=True):
        assert differences(RECORDED[recording.name], Behaviour.from_json(line)) == []


def test_what_is_recorded_was_decided_by_agents_of_this_version() -> None:
    assert store.recorded_version() == VERSION
    assert {recording.name for recording in recordings()} == RECORDED.keys()


def test_the_recorded_logs_have_commands_of_every_type() -> None:
    commands = [line.split()[0] for behaviour in RECORDED.values() for line in behaviour.commands]
    assert set(commands) == {"RollbackCommand", "DeployCommand", "RetrainCommand", "ImproveCommand"}


def behaviour(**changed: object) -> Behaviour:
    fields = {"name": "a log", "log": "1f", "decisions": ("9 HARM",), "commands": (), "written": {}}
    return Behaviour(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (behaviour(), []),
        (
            behaviour(log="2e", decisions=()),
            ["a log: the log itself is another one: what generates it has changed"],
        ),
        (
            behaviour(decisions=("10 HARM",)),
            ["a log: decision is missing: 9 HARM", "a log: decision is new: 10 HARM"],
        ),
        (behaviour(commands=("RollbackCommand",)), ["a log: command is new: RollbackCommand"]),
        (behaviour(written={"alerts.v1": "3d"}), ["a log: other bytes in alerts.v1"]),
    ],
)
def test_a_difference_is_told_in_words(found: Behaviour, told: list[str]) -> None:
    assert differences(behaviour(), found) == told


def test_two_lines_in_another_order_are_a_difference() -> None:
    one, other = behaviour(commands=("a", "b")), behaviour(commands=("b", "a"))
    assert differences(one, other) == ["a log: the commands come in another order"]


@pytest.mark.parametrize(
    ("recorded", "version", "changelog", "told"),
    [
        ("6", "6", "agents' version 6", "Agents of version 6 are recorded already"),
        ("6", "7", "agents' version 6", "CHANGELOG.md does not say what changed"),
    ],
)
def test_recording_wants_a_new_version_and_a_line_in_the_changelog(
    recorded: str, version: str, changelog: str, told: str
) -> None:
    assert refusal_to_record(recorded, version, changelog).startswith(told)
