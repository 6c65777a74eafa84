"""The executor, the examples and a deployer of asyncio pass the trial; a careless deployer is
found wanting in each point.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from streams.runtime.settings import Settings
from tests.support.kafka.console import ROOT, environment, mendstream, output
from tests.support.kafka.running import environment_of, own_topics, where

pytestmark = pytest.mark.kafka

TOTAL = 14
EXAMPLES = (
    "examples.deployer",
    "examples.deployer_faust",
    "examples.clients.deploy",
    "tests.support.kafka.async_deployer",
)


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    """Topics for each: a deployer reads every command from the first on."""
    with own_topics(kafka) as chosen:
        yield chosen


@pytest.fixture
def key(tmp_path: Path) -> Path:
    output("keys", "new", tmp_path / "key.pem")
    (tmp_path / "keys").write_text(output("keys", "public", tmp_path / "key.pem"))
    return tmp_path / "key.pem"


@contextmanager
def deployer(
    directory: Path, settings: Settings, *program: str, place: Path = ROOT
) -> Iterator[str]:
    """Starts a program; gives the shell command that kills it and starts it again."""
    restart = directory / "restart.sh"
    restart.write_text(
        f"export MENDSTREAM_TOPIC_PREFIX={settings.topic_prefix}\n"
        f"[ ! -f pid ] || kill -9 $(cat pid)\ncd {place}\n"
        f"nohup {shlex.join((sys.executable, *program))} < /dev/null >> {directory}/log 2>> "
        f"{directory}/errors &\n"
        f"echo $! > {directory}/pid\n"
    )
    command = f"cd {directory} && sh restart.sh"
    subprocess.run(command, shell=True, check=True, env=environment(), start_new_session=True)
    try:
        yield command
    finally:
        with suppress(ProcessLookupError):
            os.kill(int((directory / "pid").read_text()), signal.SIGKILL)


def tried(settings: Settings, key: Path, restart: str, effects: str) -> tuple[int, list[str]]:
    """The exit code, and what is said of each case."""
    given = (
        "conformance",
        "--key",
        key,
        "--restart",
        restart,
        "--effects",
        effects,
        "--seconds",
        "30",
    )
    done = mendstream(*given, env=environment_of(settings), seconds=400.0)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def printed(directory: Path) -> str:
    """A shell command that gives the ids of what an example acted on; Faust makes its log of what
    is printed.
    """
    return (
        f"grep -oh '[0-9a-f-]\\{{36\\}} conformance-[^ ]* ->' {directory}/log "
        f"{directory}/errors | cut -d ' ' -f 1"
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_passes(settings: Settings, tmp_path: Path, key: Path, example: str) -> None:
    state = str(tmp_path / "state")
    with deployer(
        tmp_path, settings, "-m", example, settings.bootstrap, str(tmp_path / "keys"), state
    ) as restart:
        code, said = tried(settings, key, restart, printed(tmp_path))
    assert (code, said[-1]) == (0, f"{TOTAL} of {TOTAL} passed"), "\n".join(said)


def test_the_executor_passes(settings: Settings, tmp_path: Path, key: Path) -> None:
    (tmp_path / "targets.yaml").write_text(
        f"targets: [{{kind: file, match: 'conformance-*', directory: {tmp_path}, strategy: "
        "immediate}]"
    )
    program = (
        "-m",
        "streams",
        "executor",
        "--targets",
        f"{tmp_path}/targets.yaml",
        "--keys",
        f"{tmp_path}/keys",
    )
    with deployer(tmp_path, settings, *program, *where(settings)) as restart:
        ids = f"""sed -n 's/.*"command_id": *"\\([^"]*\\)".*/\\1/p' {tmp_path}/*.effects.jsonl"""
        code, said = tried(settings, key, restart, ids)
    assert (code, said[-1]) == (0, f"{TOTAL} of {TOTAL} passed"), "\n".join(said)


def test_a_careless_deployer_is_found_wanting_in_every_point_but_one(
    settings: Settings, tmp_path: Path, key: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    (tmp_path / "streams").symlink_to(ROOT / "streams")
    careless(
        tmp_path / "examples" / "duties.py",
        '["command_id"] in self._state["done"]',
        '["target"] is None',
    )
    careless(tmp_path / "examples" / "duties.py", " verify(\n", " (lambda *_: None)(\n")
    careless(tmp_path / "examples" / "duties.py", '["fencing_token"] <= ', '["fencing_token"] < -')
    careless(
        tmp_path / "examples" / "duties.py",
        "f\"{command['attempt']} {status}\"",
        "str(time.time())",
    )
    careless(tmp_path / "examples" / "deployer.py", "read_committed", "read_uncommitted")
    state = str(tmp_path / "state")
    program = ("-m", EXAMPLES[0], settings.bootstrap, str(tmp_path / "keys"), state)
    with deployer(tmp_path, settings, *program, place=tmp_path) as restart:
        code, said = tried(settings, key, restart, printed(tmp_path))
    passed = [line.removeprefix("pass  ") for line in said if line.startswith("pass")]
    assert code == 1
    assert passed == [
        "carries a good command out and says so",
        "goes on where it was after a crash",
    ], "\n".join(said)


def careless(file: Path, careful: str, otherwise: str) -> None:
    text = file.read_text()
    assert careful in text
    file.write_text(text.replace(careful, otherwise))
