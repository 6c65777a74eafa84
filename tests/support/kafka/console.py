"""Runs the real command line in a process of its own, as a person would."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory, gettempdir
from typing import Any

from tests.support.kafka.command_server import Request

ROOT = Path(__file__).parents[3]
SECONDS = 60.0  # the deadline of a command; most take one or two


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without settings of Mendstream, the place of the jars excepted.

    Where no bytecode may lie beside the sources it lies in a folder of its own: a program that is
    started dozens of times is not compiled as often.
    """
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("MENDSTREAM_") or k == "MENDSTREAM_CACHE"
    }
    if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
        kept.setdefault("PYTHONPYCACHEPREFIX", str(Path(gettempdir(), "mendstream-bytecode")))
    return kept | {"COLUMNS": "120"} | dict(more or {})


def mendstream(
    *arguments: str | Path, env: Mapping[str, str] | None = None, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Runs one command to its end. Raises TimeoutExpired after so many seconds, and ends it."""
    with NamedTemporaryFile("r") as stdout, NamedTemporaryFile("r") as stderr:
        given = [*map(str, arguments)]
        request = Request(given, environment(env), stdout.name, stderr.name)
        code = _commands().run(request, seconds)
        return subprocess.CompletedProcess(given, code, stdout.read(), stderr.read())


class _Commands:
    """The server of commands, and the door to it; it ends with this process."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="mendstream-commands-")
        self._door = str(Path(self._folder.name, "door"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._door)
            listener.listen()
            descriptor = listener.fileno()
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.kafka.command_server", str(descriptor)],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                pass_fds=(descriptor,),
            )

    def run(self, request: Request, seconds: float) -> int:
        """Returns the exit code. Raises TimeoutExpired."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(self._door)
            connection.sendall(request.line())
            command = int(_answer(connection))
            try:
                return int(_answer(connection))
            except TimeoutError as late:
                os.kill(command, signal.SIGKILL)
                _answer(connection)
                raise subprocess.TimeoutExpired(request.arguments, seconds) from late


def _answer(connection: socket.socket) -> bytes:
    """The next line that the server says."""
    line = b""
    while not line.endswith(b"\n"):
        said = connection.recv(1)
        assert said, "the server of commands has ended"
        line += said
    return line


@cache
def _commands() -> _Commands:
    return _Commands()


def output(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; it must succeed."""
    done = mendstream(*arguments, env=env)
    assert done.returncode == 0, (
        f"{arguments}: {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    )
    return done.stdout


def lines(*arguments: str | Path, env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The JSON lines that a command prints."""
    return [json.loads(line) for line in output(*arguments, env=env).splitlines()]


def error(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """The one line that a failing command says, without `error: `."""
    done = mendstream(*arguments, env=env)
    assert done.returncode == 1, (
        f"{arguments}: {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    )
    assert "Traceback" not in done.stderr + done.stdout
    said = done.stderr.splitlines()
    assert len(said) == 1, done.stderr
    assert said[0].startswith("error: ")
    return said[0].removeprefix("error: ")
