"""Garbage on a partition that several tenants share: it stops nobody, unless all are bad and
stopping was asked for.
"""

from collections.abc import Iterator

import pytest

from schemas.catalog import RESULTS, TABLES_ARMS
from schemas.ids import event_uuid, partition_of
from schemas.records import ArmRow, ExperimentResult
from streams.history.replay import main as replay
from streams.runtime.metrics import REGISTRY
from streams.runtime.settings import Settings
from tests.support.builders import result
from tests.support.kafka.logs import ends_of, fates, send, table
from tests.support.kafka.running import Threaded, changed, own_topics

pytestmark = pytest.mark.kafka
SLICE = 200
GARBAGE = 1_200  # of each of three tenants
PARTITIONS = 4
PLACE = partition_of("ill", PARTITIONS)
ILL = [
    name for name in (f"ill{n}/bot" for n in range(99)) if partition_of(name, PARTITIONS) == PLACE
][:3]
WELL = next(
    name for name in (f"well{n}/bot" for n in range(99)) if partition_of(name, PARTITIONS) == PLACE
)


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka, batch=SLICE) as chosen:
        keys = [name for _ in range(GARBAGE) for name in ILL]
        send(chosen, RESULTS, [b"garbage %d" % n for n in range(len(keys))], keys)
        send(chosen, RESULTS, good(100))
        yield chosen


def good(count: int, start: int = 0) -> list[ExperimentResult]:
    return [
        result(n, subject=WELL, event_id=event_uuid(WELL, n)) for n in range(start, start + count)
    ]


def counted(settings: Settings) -> int:
    rows = table(settings, TABLES_ARMS).values()
    return sum(row.count for row in rows if isinstance(row, ArmRow) and row.subject == WELL)


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(
        f"mendstream_{name}", {"topic": RESULTS, "partition": str(PLACE)}
    )


def test_asked_to_it_stops_where_all_are_bad_and_not_asked_to_it_reaches_what_waits_behind(
    settings: Settings,
) -> None:
    stopping = changed(settings, breaker=True)
    with Threaded(stopping) as worker:
        worker.until(lambda: gauge("breaker_open") == 1.0)
        worker.until(lambda: (gauge("lag_records") or 0) > 100)
    assert counted(settings) == 0
    assert fates(settings).dead_letters < 3 * GARBAGE
    with Threaded(settings) as worker:
        worker.takes_in(ends_of(settings, RESULTS))
        assert gauge("breaker_open") == 0.0
        send(settings, RESULTS, good(900, start=100))
        worker.until(lambda: counted(settings) == 1_000)
    assert fates(settings).dead_letters == 3 * GARBAGE
    assert replay(settings) == 0
