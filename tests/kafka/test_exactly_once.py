"""Twenty SIGKILLs in one run: the commands and tables are those of a run without any."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.catalog import TABLES_ARMS, TABLES_COMMANDS, TABLES_EXPERIMENTS, TABLES_SUBJECTS
from schemas.records import CommandRow
from schemas.wire import Record
from streams.broker import EmbeddedKafka
from streams.config import Settings
from streams.kafka import admin
from streams.replay import main as replay
from streams.topics import create
from tests.kafka.logs import Place, as_json, commands, send_planted, table

pytestmark = pytest.mark.kafka

RECORDS = 100_000
KILLS = 20
POINTS = ("begun", "outputs", "rows", "offsets", "committed", "experiments.results.v1")
SMALL = ("commit_ms=5", "batch=400", "dedupe_window=200000")  # small transactions: kills hit work, not start-up
RUN_SECONDS = 90.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two_kafkas() -> Iterator[tuple[Settings, Settings]]:
    """Two brokers of their own: a run's tables and journal are the broker's whole, so runs cannot share one."""
    with EmbeddedKafka() as one, EmbeddedKafka() as other:
        yield Settings(bootstrap=one.bootstrap), Settings(bootstrap=other.bootstrap)


def run(settings: Settings, point: str, share: float, ends: dict[Place, int]) -> int:
    """Runs a victim to its end; returns how it ended."""
    command = [sys.executable, "-m", "tests.kafka.victim", settings.bootstrap, point, str(share), as_json(ends), *SMALL]
    done = subprocess.run(command, cwd=ROOT, timeout=RUN_SECONDS, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
    return done.returncode


def tables(settings: Settings) -> dict[str, dict[str, Record]]:
    rows = {t: table(settings, t) for t in (TABLES_ARMS, TABLES_COMMANDS, TABLES_EXPERIMENTS, TABLES_SUBJECTS)}
    rows[TABLES_COMMANDS] = {
        key: replace(row, issued_at=0, expires_at=0)
        for key, row in rows[TABLES_COMMANDS].items()
        if isinstance(row, CommandRow)
    }
    return rows


def test_twenty_kills_change_no_command_and_no_table(two_kafkas: tuple[Settings, Settings]) -> None:
    killed, calm = two_kafkas
    ends = {}
    for settings in two_kafkas:
        create(admin(settings), settings)
        ends = send_planted(settings, RECORDS)
    assert run(calm, "committed", 2.0, ends) == 0
    for kill in range(KILLS):
        point = POINTS[kill % len(POINTS)]
        assert run(killed, point, (kill + 1) / (KILLS + 2), ends) == -signal.SIGKILL
    assert run(killed, "committed", 2.0, ends) == 0

    seen, expected = commands(killed), commands(calm)
    assert len(expected) >= 6, "the planted harm must be found, or this test says nothing"
    assert sorted(seen, key=lambda c: c.command_id) == sorted(expected, key=lambda c: c.command_id)
    identities = [(command.command_id, command.attempt) for command in seen]
    assert len(set(identities)) == len(identities)
    assert tables(killed) == tables(calm)
    assert replay(killed) == 0  # log and journal give the same bytes, in spite of twenty deaths
