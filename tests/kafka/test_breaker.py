"""A partition that holds nothing but garbage: paused while the others go on, again after each restart, until told to go on."""

import logging
from collections.abc import Iterator

import pytest

from schemas.catalog import RESULTS, TABLES_ARMS
from schemas.ids import event_uuid, partition_of
from schemas.records import ArmRow, ExperimentResult
from streams.config import Settings
from streams.replay import main as replay
from streams.telemetry import REGISTRY
from tests.builders import result
from tests.kafka.logs import ends_of, fates, send, table
from tests.kafka.running import Threaded, changed, own_kafka

pytestmark = pytest.mark.kafka
GARBAGE = 5_000
SLICE = 200
BEFORE_IT_OPENS = range(1_000, 1_000 + 2 * SLICE)  # records of the last 1 000 and a slice more


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with own_kafka(batch=SLICE) as (_, chosen):
        send(chosen, RESULTS, [b"garbage %d" % n for n in range(GARBAGE)], ["ill"] * GARBAGE)
        send(chosen, RESULTS, good("ill", 100))
        yield chosen


def good(subject: str, count: int, start: int = 0) -> list[ExperimentResult]:
    return [result(n, subject=subject, event_id=event_uuid(subject, n)) for n in range(start, start + count)]


def counted(settings: Settings, subject: str) -> int:
    rows = table(settings, TABLES_ARMS).values()
    return sum(row.count for row in rows if isinstance(row, ArmRow) and row.subject == subject)


def is_open(settings: Settings, subject: str) -> bool:
    labels = {"topic": RESULTS, "partition": str(partition_of(subject, settings.partitions))}
    return REGISTRY.get_sample_value("mendstream_breaker_open", labels) == 1.0


def lag(settings: Settings, subject: str) -> float:
    """Seconds, as the worker shows it."""
    labels = {"partition": str(partition_of(subject, settings.partitions))}
    return REGISTRY.get_sample_value("mendstream_lag_seconds", labels) or 0.0


def elsewhere(settings: Settings) -> list[str]:
    """A subject of each other partition."""
    ill = partition_of("ill", settings.partitions)
    by_partition = {partition_of(name, settings.partitions): name for name in map(str, range(99))}
    return [name for p, name in by_partition.items() if p != ill]


def test_the_others_go_on_and_a_restart_takes_in_a_thousand_more(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    others = elsewhere(settings)
    place = f"{RESULTS}/{partition_of('ill', settings.partitions)}: "
    refused = 0
    for run in range(2):
        caplog.clear()
        with Threaded(settings) as worker, caplog.at_level(logging.ERROR, "mendstream.breaker"):
            worker.until(lambda: is_open(settings, "ill"))
            for name in others:
                send(settings, RESULTS, good(name, 300, start=run * 300))
            worker.until(lambda run=run: [counted(settings, name) for name in others] == [300 * run + 300] * 3)  # type: ignore[misc]
            assert not any(is_open(settings, name) for name in others)
            worker.until(lambda: lag(settings, "ill") > 2.0)  # though ticks go on, and the clock with them
            assert max(lag(settings, name) for name in others) < 2.0
            (line,) = [record.getMessage() for record in caplog.records if record.name == "mendstream.breaker"]
        assert line.startswith(place)
        assert "records were invalid: paused. Mend the producer, then restart this worker." in line
        assert "restart it with MENDSTREAM_BREAKER=false until it has caught up" in line
        assert fates(settings).dead_letters - refused in BEFORE_IT_OPENS
        refused = fates(settings).dead_letters
    assert counted(settings, "ill") == 0


def test_told_to_go_on_it_reaches_what_waits_behind_the_garbage(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Threaded(changed(settings, breaker=False)) as worker,
        caplog.at_level(logging.ERROR, "mendstream.breaker"),
    ):
        worker.takes_in(ends_of(settings, RESULTS))
        (line,) = [record.getMessage() for record in caplog.records if record.name == "mendstream.breaker"]
        assert "records were invalid: it goes on, for MENDSTREAM_BREAKER is false." in line
        assert is_open(settings, "ill")
        send(settings, RESULTS, good("ill", 900, start=100))
        worker.until(lambda: not is_open(settings, "ill"))
        worker.takes_in(ends_of(settings, RESULTS))
    assert counted(settings, "ill") == 1_000
    assert fates(settings).dead_letters == GARBAGE
    with Threaded(settings) as worker:  # mended and with its breaker again, it goes on
        send(settings, RESULTS, good("ill", 50, start=1_000))
        worker.until(lambda: counted(settings, "ill") == 1_050)
        assert not is_open(settings, "ill")
    assert replay(settings) == 0
