"""Workers come, go, freeze and die under load, and so does the broker: the commands are those of a
calm run, each record had one fate, and the replay gives the same bytes.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import RESULTS, SPECS, TABLES_ARMS
from schemas.records import ArmRow
from streams.history.replay import main as replay
from streams.kafka.backend import backend_of
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.kafka.logs import (
    by_id,
    calm,
    commands,
    delivered,
    ends_of,
    fates,
    journal,
    last,
    planted,
    send,
    specs,
    table,
)
from tests.support.kafka.running import (
    EAGER,
    SECONDS,
    Child,
    Feeder,
    changed,
    own_kafka,
    own_topics,
)

pytestmark = pytest.mark.kafka
EXPERIMENTS = 12  # four of them with planted harm
HARMED = 0.05  # the conversion of their treatments
ENOUGH = 10_000  # results, after which at least three are rolled back
FAST: dict[str, Any] = {
    "session_timeout_ms": 1_500,
    "transaction_timeout_ms": 5_000,
    "commit_ms": 20,
    "dedupe_window": 1_000_000,
}


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka, **FAST) as chosen:
        yield chosen


@pytest.fixture
def load(settings: Settings) -> Feeder:
    return fed(settings)


def fed(settings: Settings) -> Feeder:
    """A stream of results, in which harm is found after some thousands."""
    send(settings, SPECS, specs(EXPERIMENTS))
    results = planted(1_000_000, experiments=EXPERIMENTS, harmed=HARMED)
    return Feeder(settings, RESULTS, iter(results), each=40)


def worker(settings: Settings, slot: str, folder: Path) -> Child:
    return Child(changed(settings, slot=slot), folder / f"{slot}.log")


def taken_in(settings: Settings) -> bool:
    """Whether all results are committed."""
    found = {p: entry.next_offsets for p, entry in last(settings).items()}
    return all(
        found.get(p, {}).get(topic, 0) >= end
        for (topic, p), end in ends_of(settings, RESULTS).items()
    )


def settled(settings: Settings, load: Feeder) -> None:
    """All that was sent is applied once, and nothing tells that anything happened meanwhile."""
    load.feed(max(0, ENOUGH - load.sent))
    assert wait_until(lambda: taken_in(settings), SECONDS)
    rows = [
        row
        for row in table(settings, TABLES_ARMS).values()
        if isinstance(row, ArmRow) and row.segment is None
    ]
    assert sum(row.count for row in rows) == load.sent
    found = commands(settings)
    assert by_id(found) == by_id(calm(settings))
    assert len({(each.command_id, each.attempt) for each in found}) == len(found)
    for entries in journal(settings).values():
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert len(found) >= 3, "the planted harm must be found, or this says nothing"


def assert_sound(settings: Settings) -> None:
    """Each record had one fate, and the replay gives the same bytes; for when nobody works."""
    assert fates(settings).all() == delivered(settings)
    assert replay(settings) == 0


def test_a_worker_that_joins_takes_half_and_gives_it_back_as_it_leaves(
    settings: Settings, load: Feeder, tmp_path: Path
) -> None:
    with worker(settings, "a", tmp_path) as a, worker(settings, "b", tmp_path) as b:
        a.awaits("restored")
        load.until(lambda: b.says("restored"))
        load.until(lambda: a.restored[-1] + b.restored[-1] in ("[0, 1][2, 3]", "[2, 3][0, 1]"))
        shared = load.sent
        load.until(lambda: load.sent > shared + 2_000)
        b.send(signal.SIGTERM)
        assert b.wait(5.0) == 0
        load.until(lambda: a.restored[-1] == "[0, 1, 2, 3]")
        with worker(settings, "c", tmp_path) as c:
            load.until(lambda: c.says("restored") and a.restored[-1] != "[0, 1, 2, 3]")
            c.send(signal.SIGKILL)
            load.until(lambda: a.restored[-1] == "[0, 1, 2, 3]")
        settled(settings, load)
        a.send(signal.SIGTERM)
        assert a.wait(5.0) == 0
    assert_sound(settings)


def test_the_older_of_two_workers_with_one_slot_ends(
    settings: Settings, load: Feeder, tmp_path: Path
) -> None:
    with worker(settings, "a", tmp_path) as older:
        older.awaits("restored")
        (tmp_path / "newer").mkdir()
        with worker(settings, "a", tmp_path / "newer") as newer:
            load.until(lambda: newer.says("restored") and older.ended)
            assert older.wait() == 1
            assert "Traceback" not in older.log.read_text()
            settled(settings, load)
    assert_sound(settings)


def test_a_worker_that_froze_past_its_session_finds_itself_replaced(
    settings: Settings, load: Feeder, tmp_path: Path
) -> None:
    with worker(settings, "a", tmp_path) as frozen:
        frozen.awaits("restored")
        begun = load.sent
        load.until(lambda: load.sent > begun + 1_000)
        frozen.send(signal.SIGSTOP)
        with worker(settings, "b", tmp_path) as other:
            load.until(lambda: other.says("restored") and other.restored[-1] == "[0, 1, 2, 3]")
            frozen.send(signal.SIGCONT)
            load.until(lambda: frozen.ended)
            assert frozen.wait() == 1
            assert "Traceback" not in frozen.log.read_text()
            settled(settings, load)
    assert_sound(settings)


def test_a_group_shared_with_a_stranger_is_refused(settings: Settings, tmp_path: Path) -> None:
    stranger = backend_of(settings).consumer(
        settings.client(
            **{
                "group.id": settings.group,
                "session.timeout.ms": 6_000,
                "partition.assignment.strategy": "range",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
            }
        )
    )
    stranger.subscribe([RESULTS], *[lambda _consumer, _parts: None] * 3)
    with worker(settings, "a", tmp_path) as refusing:
        assert wait_until(lambda: stranger.poll(0.05) is None and refusing.ended, SECONDS)
        assert refusing.wait() == 1
        said = [line for line in refusing.log.read_text().splitlines() if not line.startswith("{")]
    stranger.close()
    assert len(said) == 1
    assert said[0].startswith(
        "error: The group gave this worker different partitions of the inputs: "
    )


def test_a_broker_that_dies_in_the_middle_costs_no_record(tmp_path: Path) -> None:
    """A worker may ride it out or crash; one that waited for ever for the end of its commit did
    neither.
    """
    with ExitStack() as ends:
        embedded, settings = ends.enter_context(own_kafka(EAGER, **FAST))
        load = fed(settings)
        workers = [ends.enter_context(worker(settings, "a", tmp_path))]
        workers[0].awaits("restored")
        begun = load.sent
        load.until(lambda: load.sent > begun + 1_000)
        embedded.kill()
        load.until(lambda: load.sent > begun + 2_000)
        embedded.restart()

        def running() -> bool:
            if workers[-1].ended:
                assert workers[-1].wait() == 1
                workers.append(ends.enter_context(worker(settings, "a", tmp_path)))
            return taken_in(settings)

        load.feed(1_000)
        assert wait_until(running, SECONDS)
        settled(settings, load)
        workers[-1].send(signal.SIGTERM)
        assert workers[-1].wait(5.0) == 0
        assert "Traceback" not in workers[-1].log.read_text()
        assert_sound(settings)
