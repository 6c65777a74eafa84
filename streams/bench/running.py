"""Programs that run beside a bench."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.bench.load import READY

STOP_SECONDS = 30.0


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, at: Path | None = None
) -> Iterator[int]:
    """A process's id; it is stopped on the way out. environment: more than our own. at: the
    directory that it runs in.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=at, env={**os.environ, **environment}, stdout=file, stderr=file
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def background(bootstrap: str, rate: int, seconds: float) -> Iterator[Callable[[], None]]:
    """Results at a steady rate, records a second, of a process that has made them and waits;
    called, it begins.
    """
    command = [sys.executable, "-m", "streams.bench.load", bootstrap, str(rate), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    word, said = process.stdin, process.stdout
    assert word is not None
    assert said is not None

    def begin() -> None:
        word.write(b"\n")
        word.flush()

    try:
        assert said.readline().decode().strip() == READY, "the load did not come up"
        yield begin
    finally:
        process.kill()
        process.communicate()
