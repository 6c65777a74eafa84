"""The tutorial, as a person goes through it: each of its blocks of commands, in order, on a real
Kafka.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.kafka.console import ROOT, environment
from tests.support.kafka.running import Child

pytestmark = pytest.mark.kafka
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
FOLDER = "/tmp/bakery"  # as the tutorial names it
SECONDS = 60.0  # of one block; it has four commands at most

INSTALLING, *BLOCKS = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)
WHAT_EACH_SAYS: tuple[tuple[str, ...], ...] = (
    ("experiments.results.v1",),
    ("spec button of bakery applied",),
    (),
    ("600 new, 0 known already, 0 refused",),
    ('"verdict": "HARM"', "e = 33)", "roll back at the 57th record", '"PROPOSED"'),
    ('"fencing_token": 1', '"state": "HARM"', '"phase": "ISSUED"'),
    ("COMPLETED: green has no traffic: share=0%",),
    ('"phase": "ROLLED_BACK"', '"by": "executor-0"', '"phase": "COMPLETED"'),
    ("nothing found",),
    ("PENDING_APPROVAL, because the policy asks a person",),
    (),
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A shell in the tutorial's folder, which is one of the test's own."""

    folder: Path
    env: dict[str, str]

    def command(self, block: str) -> list[str]:
        block = block.replace("source .venv/bin/activate\n", "")
        return ["bash", "-euo", "pipefail", "-c", block.replace(FOLDER, str(self.folder))]

    @property
    def where(self) -> Path:
        return self.folder if self.folder.exists() else self.folder.parent

    def run(self, block: str, code: int = 0) -> str:
        """What a block prints; it must end with this code."""
        done = subprocess.run(
            self.command(block),
            cwd=self.where,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    @contextmanager
    def beside(self, block: str, log: Path, wanted: tuple[str, ...]) -> Iterator[None]:
        """Runs a block that does not end in a terminal of its own, once it has said what is
        wanted.
        """
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.command(block.replace("mendstream executor", "exec mendstream executor")),
                cwd=self.where,
                env=self.env,
                stdout=file,
                stderr=file,
            )
        try:
            assert wait_until(lambda: all(each in log.read_text() for each in wanted), SECONDS), (
                log.read_text()
            )
            yield
        finally:
            process.terminate()
            process.wait(SECONDS)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal beside the one in which `mendstream dev` runs, as the first block has it."""
    assert "mendstream dev" in INSTALLING
    log = tmp_path / "dev.log"
    with Child(Settings(), log, "-m", "streams", "dev", "--port", "0") as dev:
        dev.awaits(" restored in ")
        found = re.search(r"Kafka is at ([\d.:]+)", log.read_text())
        assert found is not None, log.read_text()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = environment({"MENDSTREAM_BOOTSTRAP": found[1], "PATH": path})
        yield Terminal(tmp_path / "bakery", env)
        dev.send(signal.SIGTERM)
        dev.wait()


def test_the_tutorial_can_be_followed(terminal: Terminal, tmp_path: Path) -> None:
    assert len(BLOCKS) == len(WHAT_EACH_SAYS), "the tutorial has another number of blocks"
    at = next(i for i, block in enumerate(BLOCKS) if "mendstream executor" in block)
    before, after = BLOCKS[:at], BLOCKS[at + 1 :]
    said = ""
    for block, wanted in zip(before, WHAT_EACH_SAYS[:at], strict=True):
        said = terminal.run(block)
        assert [text for text in wanted if text not in said] == [], said
    again = terminal.run(BLOCKS[3])
    assert "0 new, 600 known already" in again
    with terminal.beside(BLOCKS[at], tmp_path / "executor.log", WHAT_EACH_SAYS[at]):
        for block, wanted in zip(after, WHAT_EACH_SAYS[at + 1 :], strict=True):
            said = terminal.run(block)
            assert [text for text in wanted if text not in said] == [], said
            if "mendstream audit" in block:
                asked = re.search(r"\$ (mendstream why \w+)", TUTORIAL)
                assert asked is not None
                assert "byte-equal: decision and command" in terminal.run(asked[1])
            if "mendstream deploy" in block:
                command_id = said.partition(":")[0]
                own = terminal.run(f"mendstream approve {command_id} --by ann", code=1)
                assert "may not review it" in own
                assert "PENDING_APPROVAL -> " in terminal.run(
                    f"mendstream approve {command_id} --by bob"
                )
