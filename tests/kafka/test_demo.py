"""The demo orders what is known of its data to be right, and leaves nothing behind."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from streams.kafka.embedded import jars
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.errors import MendstreamError
from tests.support.kafka.console import ROOT, environment, error, lines, mendstream

pytestmark = pytest.mark.kafka
SECONDS = 240.0  # the deadline of a demo; it takes 15 s on 2 idle cores


@pytest.fixture(scope="module", autouse=True)
def kafka_jars() -> Path:
    try:
        return jars.kafka_jars()
    except MendstreamError as why:
        pytest.skip(f"no embedded Kafka: {why}")


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose temporary files can be counted afterwards."""
    (tmp_path / "temporary").mkdir()
    yield {"TMPDIR": str(tmp_path / "temporary")}
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_demo_orders_the_right_commands_and_a_second_one_finds_only_duplicates(
    temporary: dict[str, str], tmp_path: Path
) -> None:
    with EmbeddedKafka() as broker:
        here = ("--bootstrap", broker.bootstrap)
        outcomes = []
        for run in ("first", "second"):
            began = monotonic()
            done = mendstream(
                "demo", *here, "--json", tmp_path / run, env=temporary, seconds=SECONDS
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert monotonic() - began < SECONDS
            assert done.stderr == ""
            outcomes.append(json.loads((tmp_path / run).read_text()))
        # A spec is applied anew each time.
        assert [each["duplicates"] for each in outcomes] == [0, 240_000]
        assert outcomes[0]["commands"] == outcomes[1]["commands"]
    outcome = outcomes[0]
    assert outcome["records"] == 240_000
    assert (outcome["dead_letters"], outcome["forwarded"]) == (0, 0)
    commands = {(each["type"], each["subject"]): each for each in outcome["commands"]}
    assert len(commands) == len(outcome["commands"]), "each order is given once"
    assert set(commands) == {("IMPROVE", "employment"), ("RETRAIN", "car-loan")}
    assert "group quarters" in commands["IMPROVE", "employment"]["reason"]
    assert commands["RETRAIN", "car-loan"]["model_version"] == "v1"
    assert set(commands["RETRAIN", "car-loan"]) == {
        *("type", "subject", "experiment_id", "variant", "model_version", "reason", "issued_at")
    }
    assert all(each["reason"] in done.stdout for each in outcome["commands"])


def test_a_kept_demo_can_be_looked_at_and_ends_with_ctrl_c(
    temporary: dict[str, str], tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with said.open("wb") as file:
        command = [sys.executable, "-m", "streams", "demo", "--keep"]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(temporary),
            stdout=file,
            stderr=file,
            start_new_session=True,
        ) as running:
            try:
                for word in ("Ctrl-C ends it.", "The pages answer"):
                    there = wait_until(lambda text=word: text in said.read_text(), SECONDS)  # type: ignore[misc]
                    assert there, said.read_text()
                bootstrap = said.read_text().split("table arms --bootstrap ")[1].split()[0]
                arms = lines("table", "arms", "--bootstrap", bootstrap)
                assert sum(row["count"] for row in arms) == 60_000
                told = " ".join(said.read_text().split())
                assert re.search(r"Watch it live .*http://127\.0\.0\.1:\d+ .*no.* token", told)
                _look_at_pages(said.read_text())
                started = _descendants(running.pid)
                assert len(started) >= 4  # Kafka, its watchdog, processor, gateway
            finally:
                running.send_signal(signal.SIGINT)
            assert running.wait(30.0) == 130
    assert wait_until(lambda: _gone(started), 10.0), started


def test_a_killed_demo_leaves_no_process(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as file:
        command = [sys.executable, "-m", "streams", "demo"]
        (tmp_path / "temporary").mkdir()
        env = environment({"TMPDIR": str(tmp_path / "temporary")})
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=file, stderr=file, start_new_session=True
        ) as running:
            assert wait_until(lambda: "published" in said.read_text(), SECONDS), said.read_text()
            started = _descendants(running.pid)
            assert len(started) >= 3  # Kafka, its watchdog, the processor
            running.kill()
    assert wait_until(lambda: _gone(started), 30.0), started


def test_the_demo_says_where_it_cannot_write(tmp_path: Path) -> None:
    said = error("demo", "--json", tmp_path / "nowhere" / "demo.json")
    assert said.startswith(
        f"{tmp_path / 'nowhere' / 'demo.json'} cannot be written: No such file or directory."
    )


def _look_at_pages(said: str) -> None:
    """A browser is shown what the demo has come to, without a token, on this machine alone."""
    where = re.search(r"Watch it live .*(http://127\.0\.0\.1:\d+) ", said)
    assert where is not None, said
    with urlopen(f"{where[1]}/api/v1/commands", timeout=30.0) as answer:
        commands = json.load(answer)["items"]
    assert {each["subject"] for each in commands} >= {"employment", "car-loan"}
    with urlopen(f"{where[1]}/api/v1/subjects/car-loan/metrics", timeout=30.0) as answer:
        assert json.load(answer)["items"]
    with urlopen(where[1], timeout=30.0) as answer:
        assert b"Mendstream" in answer.read()


def _descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that they did."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def _gone(pids: set[int]) -> bool:
    listed = subprocess.run(
        ["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    running = {
        int(pid) for pid, state in map(str.split, listed.splitlines()) if not state.startswith("Z")
    }
    return not pids & running
