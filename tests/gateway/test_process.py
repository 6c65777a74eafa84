"""`mendstream gateway` as a process: what it says, how it ends, what keeps it from starting."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from schemas.catalog import TABLES_COMMANDS
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.gateway.served import SECRET
from tests.support.gateway.world import Kept, write, write_journal
from tests.support.kafka.console import ROOT, environment, mendstream
from tests.support.kafka.running import SECONDS, environment_of, own_topics

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        write_journal(made)
        yield made


def started(settings: Settings, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    own = {"MENDSTREAM_GATEWAY_PORT": "0", "MENDSTREAM_VIEWS_DIRECTORY": str(folder)}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "streams", "gateway", "--no-auth"],
            cwd=ROOT,
            env=environment(environment_of(settings) | own),
            stdout=file,
            stderr=file,
        )


def port_of(log: Path) -> int | None:
    found = re.search(r"the gateway is at http://127\.0\.0\.1:(\d+)", log.read_text())
    return int(found[1]) if found else None


def asked(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_says_where_it_is_and_leaves_when_asked(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):  # the second goes on with the file of the first
        process = started(settings, tmp_path / "views", log)
        try:
            assert wait_until(lambda: port_of(log) is not None, SECONDS), log.read_text()
            port = port_of(log)
            assert port is not None
            assert wait_until(lambda p=port: asked(p, "/health")[0] == 200, SECONDS)  # type: ignore[misc]
            status, body = asked(port, "/api/v1/whoami")
            assert (status, json.loads(body)["name"]) == (200, "developer")
            assert "NO AUTHENTICATION" in log.read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
    assert "from its file" in log.read_text()


def test_what_ends_its_views_ends_the_process(kafka: str, tmp_path: Path) -> None:
    """A replica that would answer out of views that stand still is worse than none."""
    log = tmp_path / "log"
    with own_topics(kafka) as settings:
        process = started(settings, tmp_path / "views", log)
        try:
            assert wait_until(lambda: port_of(log) is not None, SECONDS), log.read_text()
            write(settings, [Kept(TABLES_COMMANDS, "x", b"of another release", "x")])
            assert wait_until(lambda: process.poll() is not None, SECONDS)
            assert process.returncode == 1
            assert "holds a row that this version cannot read" in log.read_text()
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "MENDSTREAM_JWT_JWKS_URL"),
        ({"MENDSTREAM_JWT_SECRET": SECRET}, "MENDSTREAM_JWT_ISSUER"),
    ],
)
def test_without_keys_it_does_not_start(
    settings: Settings, more: dict[str, str], said: str
) -> None:
    done = mendstream("gateway", env=environment_of(settings) | more)
    assert done.returncode == 1
    assert said in done.stderr
