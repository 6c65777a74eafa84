"""Who runs: how each is started, what it is missing here, and which versions it is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import confluent_kafka

from schemas.catalog import RESULTS
from streams.kafka.embedded.jars import VERSION as KAFKA

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JAVA = HERE / "java"
JARS = JAVA / "target"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
ROWS = "bench.rows"  # where each puts out the rows that changed
# threads of Kafka Streams, workers of ours: as many as the machine of the published figures has
# cores
SEVERAL = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What a peer is told: where Kafka is, its group, a directory for its state, a file with the
    input's schema.
    """

    bootstrap: str
    group: str
    directory: Path
    schema: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """processes: workers of the group. share: of the records of a run that it is given, for the
    slow would take all night; the rate does not depend on it.

    missing: what it needs and is not here, and how to get it; "" if nothing.
    """

    name: str
    title: str
    command: Callable[[Run], list[str]]
    environment: Callable[[Run], Mapping[str, str]]
    missing: Callable[[], str]
    versions: Callable[[], str]
    processes: int = 1
    share: float = 1.0


def _nothing_missing() -> str:
    return ""


def _no_environment(_: Run) -> Mapping[str, str]:
    return {}


def _ours(run: Run) -> Mapping[str, str]:
    return {
        "MENDSTREAM_BOOTSTRAP": run.bootstrap,
        "MENDSTREAM_GROUP": run.group,
        "MENDSTREAM_CRASH_DIRECTORY": str(run.directory),
    }


def _our_versions() -> str:
    return f"CPython {sys.version.split()[0]}, confluent-kafka {confluent_kafka.__version__}"


def _module(name: str) -> Callable[[Run], list[str]]:
    return lambda _: [sys.executable, "-m", name]


def _plain(run: Run) -> list[str]:
    return [sys.executable, "-m", "bench.peers.plain_program", run.bootstrap, run.group, RESULTS]


def _processor(_: Run) -> list[str]:
    return [sys.executable, "-m", "streams", "processor"]


def _kafka_streams(store: str, threads: int) -> Callable[[Run], list[str]]:
    def command(run: Run) -> list[str]:
        jars = f"{JARS}/kafka-streams-peer-1.jar:{JARS}/jars/*"
        return [
            *("java", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars),
            *("mendstream.bench.RunningStatistics", run.bootstrap, run.group, store, RESULTS, ROWS),
            *(str(run.directory), str(run.schema), str(threads)),
        ]

    return command


def _no_java() -> str:
    if not shutil.which("java") or not shutil.which("javac") or not shutil.which("mvn"):
        return (
            "needs a JDK >= 17 and Maven: on Debian, `apt-get install openjdk-17-jdk-headless "
            "maven`"
        )
    if not (JARS / "jars").is_dir():
        return "was not built: `mvn package` failed, see above"
    return ""


def _java_versions() -> str:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return f"Kafka Streams {KAFKA}, {said.splitlines()[0]}"


def _in_python(program: str) -> Callable[[Run], list[str]]:
    def command(run: Run) -> list[str]:
        where = [run.bootstrap, run.group, RESULTS, ROWS, str(run.directory), str(run.schema)]
        return [str(PEERS_PYTHON), str(HERE / "python" / f"{program}.py"), *where]

    return command


def _no_python() -> str:
    return (
        ""
        if PEERS_PYTHON.exists()
        else "its environment is missing: `make bench` makes it in .venv-peers"
    )


def _python_versions(*packages: str) -> Callable[[], str]:
    def versions() -> str:
        asks = (
            "import importlib.metadata as m, json; print(json.dumps([m.version(p) for p in "
            f"{packages!r}]))"
        )
        said = subprocess.run(
            [PEERS_PYTHON, "-c", asks], capture_output=True, text=True, check=True
        ).stdout
        return ", ".join(
            f"{name} {version}" for name, version in zip(packages, json.loads(said), strict=True)
        )

    return versions


def built() -> None:
    """Builds what is in Java, where a JDK and Maven are."""
    if shutil.which("javac") and shutil.which("mvn"):
        print("building the Kafka Streams peer with Maven ...", file=sys.stderr, flush=True)
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=JAVA, env=os.environ, check=False)


def _mendstream(name: str, title: str, command: Callable[[Run], list[str]]) -> tuple[Peer, Peer]:
    several = Peer(
        name,
        f"{title}, {SEVERAL} workers",
        command,
        _ours,
        _nothing_missing,
        _our_versions,
        SEVERAL,
    )
    return several, replace(several, name=f"{name}_alone", title=f"{title}, 1 worker", processes=1)


def _streams(store: str, threads: int) -> Peer:
    name = f"kafka_streams_{store}" + ("" if threads == SEVERAL else "_alone")
    title = f"Kafka Streams, {store}, {threads} thread{'s' if threads > 1 else ''}"
    return Peer(
        name, title, _kafka_streams(store, threads), _no_environment, _no_java, _java_versions
    )


PEERS = (
    Peer(
        "plain_consume", "plain consume()", _plain, _no_environment, _nothing_missing, _our_versions
    ),
    *_mendstream(
        "mendstream_same_job",
        "Mendstream's engine, the same job",
        _module("bench.peers.least_program"),
    ),
    *_mendstream("mendstream", "Mendstream, everything on", _processor),
    _streams("memory", SEVERAL),
    _streams("memory", 1),
    _streams("rocksdb", SEVERAL),
    Peer(
        "quix_streams",
        "Quix Streams",
        _in_python("quix_state"),
        _no_environment,
        _no_python,
        _python_versions("quixstreams", "confluent-kafka"),
        share=0.25,
    ),
    Peer(
        "faust",
        "Faust, memory, at least once",
        _in_python("faust_table"),
        _no_environment,
        _no_python,
        _python_versions("faust-streaming", "aiokafka"),
        share=0.05,
    ),
)
