"""A source whose records are mostly invalid is told of; a partition stops only where all are bad
and stopping was asked for.
"""

import logging
from collections.abc import Iterable

import pytest

from streams.engine.circuit_breaker import (
    FORGOTTEN,
    LOOKED_AT,
    NO_KEY,
    QUIET_MS,
    SOURCES_MAX,
    Breaker,
)
from streams.runtime.metrics import REGISTRY
from tests.support.builders import NOON, Sent

TOPIC = "experiments.results.v1"
SLICE = 100


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterable[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.ERROR, "mendstream.breaker"):
        yield caplog


def keys(name: bytes | None, count: int) -> list[Sent]:
    return [Sent(b"", at, keyed=name) for at in range(count)]


def feed(
    breaker: Breaker,
    good: bytes | None,
    bad: bytes | None,
    rounds: int = 30,
    each: int = SLICE // 2,
) -> bool:
    """Slices of which one half is valid, of `good`, and one invalid, of `bad`; whether any paused
    the partition.
    """
    records = keys(good, each) + keys(bad, each)
    tripped = [breaker.trips(TOPIC, 0, records, [bad] * each, NOON) for _ in range(rounds)]
    return any(tripped)


def sources() -> float | None:
    return REGISTRY.get_sample_value(
        "mendstream_garbage_sources", {"topic": TOPIC, "partition": "0"}
    )


@pytest.mark.parametrize("pauses", [False, True])
def test_one_tenants_garbage_stops_nobody_and_is_told_once(
    told: pytest.LogCaptureFixture, pauses: bool
) -> None:
    breaker = Breaker(pauses)
    assert not feed(breaker, b"good/bot", b"evil/bot", rounds=100)
    assert not breaker.opened(TOPIC, 0)
    (line,) = [record.getMessage() for record in told.records]
    assert line.startswith(
        f"{TOPIC}/0: 1000 of the last 1000 records of 'evil' were invalid. The others go on."
    )
    assert sources() == 1.0


@pytest.mark.parametrize("key", [None, b"\xff\xfe", b"lone"])
def test_a_source_without_a_tenant_is_known_by_its_key(
    told: pytest.LogCaptureFixture, key: bytes | None
) -> None:
    feed(Breaker(), b"good/bot", key)
    assert [
        ("lone" if key == b"lone" else NO_KEY) in record.getMessage() for record in told.records
    ] == [True]


def test_even_a_flood_of_many_tenants_garbage_stops_nobody_who_sends_what_is_valid(
    told: pytest.LogCaptureFixture,
) -> None:
    breaker = Breaker(pauses=True)
    bad = [b"evil%d/bot" % n for n in range(5)]
    for _ in range(100):
        records = [record for name in bad for record in keys(name, 180)] + keys(b"good/bot", 1)
        assert not breaker.trips(
            TOPIC, 0, records, [name for name in bad for _ in range(180)], NOON
        )
    assert len(told.records) == len(bad)


def test_where_all_are_bad_it_pauses_only_if_it_is_told_to(told: pytest.LogCaptureFixture) -> None:
    for pauses in (False, True):
        breaker = Breaker(pauses)
        records = [record for n in range(3) for record in keys(b"tenant%d/bot" % n, SLICE)]
        tripped = [
            breaker.trips(TOPIC, 0, records, [record.key() for record in records], NOON)
            for _ in range(20)
        ]
        assert (any(tripped), breaker.opened(TOPIC, 0)) == (pauses, pauses)
        assert tripped.count(True) == pauses
    assert "paused, for all of its 3 sources" in told.records[-1].getMessage()
    breaker.reset()
    assert sources() == 0.0
    assert not breaker.opened(TOPIC, 0)


def test_a_source_that_is_mended_is_not_counted_any_more() -> None:
    breaker = Breaker()
    feed(breaker, b"good/bot", b"ill/bot")
    assert sources() == 1.0
    for _ in range(2 * LOOKED_AT // SLICE):
        breaker.trips(TOPIC, 0, keys(b"ill/bot", SLICE), [], NOON)
    assert sources() == 0.0


def test_a_source_that_went_away_is_forgotten() -> None:
    breaker = Breaker()
    feed(breaker, b"good/bot", b"ill/bot")
    for _ in range(2 * FORGOTTEN // 1_000):
        breaker.trips(TOPIC, 0, keys(b"good/bot", 1_000), [], NOON)
    assert sources() == 0.0


def test_a_source_that_went_quiet_with_its_partition_is_counted_no_more_once_its_time_is_over() -> (
    None
):
    breaker = Breaker()
    feed(breaker, b"good/bot", b"ill/bot")
    breaker.passed([TOPIC], 1, NOON + QUIET_MS)  # the clock of another partition
    breaker.passed([TOPIC], 0, NOON + QUIET_MS - 1)
    assert sources() == 1.0
    breaker.passed(["models.metrics.v1", TOPIC], 0, NOON + QUIET_MS)
    assert sources() == 0.0
    breaker.trips(TOPIC, 0, keys(b"ill/bot", 1), [b"ill/bot"], NOON + 2 * QUIET_MS)
    assert sources() == 1.0, "it is back, and as bad as it was"


def test_one_that_goes_on_and_the_sources_of_a_paused_partition_are_counted_whatever_the_time() -> (
    None
):
    breaker = Breaker()
    feed(breaker, b"good/bot", b"ill/bot")
    breaker.trips(TOPIC, 0, keys(b"ill/bot", 1), [b"ill/bot"], NOON + QUIET_MS - 1)
    breaker.trips(TOPIC, 0, keys(b"good/bot", 1), [], NOON + QUIET_MS)
    breaker.passed([TOPIC], 0, NOON + QUIET_MS)
    assert sources() == 1.0
    breaker = Breaker(pauses=True)
    records = [record for n in range(3) for record in keys(b"tenant%d/bot" % n, SLICE)]
    for _ in range(20):
        breaker.trips(TOPIC, 0, records, [record.key() for record in records], NOON)
    breaker.passed([TOPIC], 0, NOON + 2 * QUIET_MS)
    assert (breaker.opened(TOPIC, 0), sources()) == (True, 3.0)


def test_made_up_names_take_up_no_more_than_their_place(told: pytest.LogCaptureFixture) -> None:
    breaker = Breaker()
    for start in range(0, 5 * SOURCES_MAX, SLICE):
        names = [b"made-up-%d" % n for n in range(start, start + SLICE)]
        records = [record for name in names for record in keys(name, 1)]
        assert not breaker.trips(TOPIC, 0, records, names, NOON)
    assert len(breaker._partitions[TOPIC, 0].sources) == SOURCES_MAX + 1
    (line,) = [record.getMessage() for record in told.records]
    assert "'all others'" in line
