"""A processor, or another command, as a child process: started, started again when it crashes, and
ended with its parent.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from schemas.compiled_files import CACHE
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

STOP_SECONDS = (
    10.0  # a processor leaves within 5 s; past this it is killed, and the next one restores
)
SOON_SECONDS = 10.0  # a run that ends so soon did not do any work
CRASHES = 4  # so many ends in a row, each soon after the start, will not heal by themselves
_ROOT = Path(__file__).parents[2]


class Worker:
    """One `mendstream processor`. A context manager; `watch` is to be called often.

    log: where its lines go; None: where ours go. crashes: so many ends in a row, each soon after
    the start, are too many. command: another one that ends with its stdin.
    """

    def __init__(
        self,
        settings: Settings,
        log: Path | None = None,
        crashes: int = CRASHES,
        command: Sequence[str] = ("processor", "--until-stdin-closes"),
    ) -> None:
        self._settings, self.log, self._most = settings, log, crashes
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._crashes = 0

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def watch(self) -> bool:
        """Starts the processor again if it ended, and tells whether it did. Raises MendstreamError
        if it keeps ending.
        """
        process = self._process
        if process is None or process.poll() is None:
            return False
        self._crashes = self._crashes + 1 if monotonic() - self._started < SOON_SECONDS else 1
        if self._crashes >= self._most:
            raise MendstreamError(
                f"The {self._command[0]} ended {self._crashes} times in a row, soon after its "
                f"start: {self._last_words()}",
                f"Its lines are in {self.log}." if self.log else "Its lines are above.",
            )
        assert process.stdin is not None, "a child has one"
        process.stdin.close()
        self._start()
        return True

    def stop(self) -> None:
        """Lets the processor finish its transaction and leave."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None, "its end is how the child learns of ours"
        process.stdin.close()
        if not wait_until(lambda: process.poll() is not None, STOP_SECONDS):
            process.kill()
        process.wait()

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "streams", *self._command]
        self._started = monotonic()
        log = self.log.open("ab") if self.log else None
        try:
            # Its own session: Ctrl-C reaches the parent alone, which ends first this child, then
            # its Kafka.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(self._settings),
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _environment(settings: Settings) -> Mapping[str, str]:
    """The settings as environment: secrets do not belong on a command line, where other users see
    them.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == CACHE or not name.upper().startswith("MENDSTREAM_")
    }
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        environment[f"MENDSTREAM_{name.upper()}"] = text
    path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return environment | {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
