"""How a processor starts, and how its parent starts it."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import compiled_files
from schemas.catalog import local_ids
from schemas.codec.framing import Codec
from streams.cli import processor_commands
from streams.engine.quarantine import BlackBox
from streams.kafka import schema_ids
from streams.runtime import health
from streams.runtime.clock import wait_until
from streams.runtime.health import STALLED_SECONDS, Health
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker


class Unserved(Health):
    """Opens no port. The one that was made last is `Unserved.last`."""

    last: "Unserved"

    def serve(self, host: str, port: int) -> Health:
        Unserved.last = self
        return self


def _state() -> str:
    worker = Unserved.last
    return f"{'live' if worker.live() else 'stuck'}, {'ready' if worker.ready else 'not ready'}"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a start did, in its order. Compiling takes longer than a loop may stand still."""
    done: list[str] = []
    now = 1_000.0

    def compiles() -> None:
        nonlocal now
        now += STALLED_SECONDS + 1.0
        done.append(f"compiles: {_state()}")

    class Joins:
        def __init__(self, *_: object, **__: object) -> None:
            done.append(f"joins: {_state()}")

        def run(self) -> None:
            nonlocal now
            now += STALLED_SECONDS + 1.0
            done.append(f"hangs: {_state()}")

        def stop(self) -> None:
            raise AssertionError

    monkeypatch.setattr(health, "monotonic", lambda: now)
    monkeypatch.setattr(processor_commands, "Health", Unserved)
    monkeypatch.setattr(processor_commands, "warm_up", compiles)
    monkeypatch.setattr(processor_commands, "Processor", Joins)
    monkeypatch.setattr(
        processor_commands, "check_installation", lambda _settings: done.append("checks")
    )
    monkeypatch.setattr(processor_commands, "introduce", lambda *_: None)
    monkeypatch.setattr(processor_commands, "black_box", lambda _settings: BlackBox(None))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(schema_ids, "codec_for", lambda _settings: Codec(local_ids()))
    yield done
    compiled_files.keep_in(None)


def test_a_worker_compiles_before_it_joins_the_group_and_is_live_meanwhile(
    steps: list[str], tmp_path: Path
) -> None:
    processor_commands._process(Settings(compiled_directory=str(tmp_path)))
    assert steps == [
        "checks",
        "compiles: live, not ready",
        "joins: live, not ready",
        "hangs: stuck, not ready",
    ]


def test_a_worker_that_cannot_keep_its_code_says_so(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setattr(
        processor_commands, "warm_up", lambda: compiled_files.write("one", "0", "code", b"x")
    )
    processor_commands._process(Settings(compiled_directory=str(file)))
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(f"compiled code cannot be kept in {file}")
    assert len(steps) == 3, "it goes on all the same"


def test_a_child_has_the_settings_and_the_cache_of_its_parent_and_nothing_else_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child"
    child.write_text("#!/bin/sh\nenv\nexec cat\n")
    child.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(child))
    monkeypatch.setenv("MENDSTREAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MENDSTREAM_GROUP", "not-this-one")
    log = tmp_path / "log"
    with Worker(Settings(group="this-one", slot="seven"), log):
        assert wait_until(lambda: "MENDSTREAM_SLOT=seven" in log.read_text().split("\n"), 10.0)
    said = log.read_text().split("\n")
    assert f"MENDSTREAM_CACHE={tmp_path / 'cache'}" in said
    assert "MENDSTREAM_GROUP=this-one" in said
    assert "MENDSTREAM_GROUP=not-this-one" not in said
