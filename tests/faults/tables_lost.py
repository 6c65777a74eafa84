"""Fault 19: a table topic is deleted. A worker refuses to start, also on an empty one, until its
rows are back.
"""

import signal
from pathlib import Path

from schemas.catalog import (
    COMMANDS,
    DEAD_LETTERS,
    DECISIONS,
    JOURNAL,
    RESULTS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_SUBJECTS,
)
from streams.kafka.admin.topics import create
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.load import Recovery, announce, ended_well, results
from tests.support.kafka.logs import standing
from tests.support.kafka.running import SECONDS, STEADY, Child, Feeder, own_kafka

WITHIN = 5.0


def deleted(setting: Setting) -> Outcome:
    tables = (
        (TABLES_ARMS, TABLES_EXPERIMENTS, TABLES_COMMANDS, TABLES_SUBJECTS)
        if setting.full
        else (TABLES_ARMS,)
    )
    with own_kafka(STEADY, commit_ms=20, dedupe_window=200_000) as (_, settings):
        announce(settings, 100)
        load = Feeder(settings, RESULTS, results(), each=50)
        seconds = [_lost_and_found(settings, load, table, setting.directory) for table in tables]
        return Outcome(len(tables), ended_well(settings, load, setting.directory), max(seconds))


def _lost_and_found(settings: Settings, load: Feeder, table: str, directory: Path) -> float:
    """The seconds from the start of the worker that finds the rows in place again to its first
    commit.
    """
    with Child(settings, directory / f"{table}.log") as child, Recovery(settings) as recovery:
        begun = load.sent
        load.until(lambda: recovery.seen() and load.sent > begun + 3_000)
        # The first commit may hold specs alone, and a table without rows is missed by nobody.
        load.until(lambda: bool(standing(settings, table)))
        child.send(signal.SIGKILL)
        child.wait()
    load.feed(1_000)
    rows, before = standing(settings, table), _written(settings)
    client = admin(settings)
    client.delete_topics([table])[table].result()
    assert wait_until(lambda: table not in client.list_topics(timeout=10.0).topics, SECONDS)
    _refused(settings, directory / f"{table}-deleted.log", f"error: Topics are missing: {table}.")
    create(client, settings)
    _refused(settings, directory / f"{table}-empty.log", " rows, the table topics hold {")
    assert _written(settings) == before, "a worker that refused to start wrote something"
    producer = backend_of(settings).producer(settings.client())
    for partition, key, value in rows:
        producer.produce(table, value, key, partition)
    assert producer.flush(SECONDS) == 0
    with Recovery(settings) as recovery, Child(settings, directory / f"{table}-back.log") as child:
        recovery.ended()
        load.until(recovery.seen)
        child.send(signal.SIGTERM)
        assert child.wait() == 0
        return recovery.seconds or 0.0


def _refused(settings: Settings, log: Path, said: str) -> None:
    with Child(settings, log) as child:
        assert child.wait() == 1
    assert said in log.read_text(), log.read_text()
    assert "Traceback" not in log.read_text()


def _written(settings: Settings) -> list[list[tuple[int, str, bytes]]]:
    return [
        standing(settings, topic)
        for topic in (JOURNAL, DECISIONS, DEAD_LETTERS, *COMMANDS.values())
    ]


CASES = (Case("a table topic is deleted", deleted, WITHIN, quick=False),)
