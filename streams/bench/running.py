"""Programs that run beside a bench."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

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
