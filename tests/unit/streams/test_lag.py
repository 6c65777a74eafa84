"""How far behind a worker says it is, from what librdkafka reports."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.catalog import METRICS, RESULTS, TICKS
from state.partition.partition_state import PartitionState
from streams.engine.journal import Journal
from streams.engine.partition import Owned
from streams.engine.partition_metrics import forget, measure_lag
from streams.runtime.metrics import REGISTRY
from tests.support.builders import NOON, tables

NOWHERE = -1_001  # librdkafka's, of a position that it does not have yet


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    forget()
    yield
    forget()


def owned(**applied_until: int) -> Owned[PartitionState]:
    """A partition that has applied ten records of each input."""
    one = Owned(tables(), Journal(0, next_offsets=dict.fromkeys((RESULTS, METRICS, TICKS), 10)))
    names = {"results": RESULTS, "metrics": METRICS, "ticks": TICKS}
    one.applied_until = {names[name]: at for name, at in applied_until.items()}
    one.tables.now = NOON
    return one


def said(*parts: tuple[str, int, int]) -> str:
    """Statistics of partition 0. parts: topic, where the log ends, where the reading stands."""
    figures: dict[str, Any] = {}
    for topic, end, position in parts:
        figures[topic] = {"partitions": {"0": {"ls_offset": end, "app_offset": position}, "-1": {}}}
    return json.dumps({"topics": figures})


def seconds() -> float | None:
    return REGISTRY.get_sample_value("mendstream_lag_seconds", {"partition": "0"})


def records(topic: str) -> float | None:
    return REGISTRY.get_sample_value("mendstream_lag_records", {"partition": "0", "topic": topic})


def test_an_input_that_waits_is_late_however_fresh_the_ticks_are() -> None:
    one = owned(results=NOON - 3_600_000, ticks=NOON)
    measure_lag(said((RESULTS, 5_000, 10), (TICKS, 11, 10)), {0: one}, NOON + 500)
    assert (records(RESULTS), records(TICKS)) == (4_990, 1)
    assert seconds() == 3_600.5


def test_the_markers_of_transactions_behind_the_last_record_are_no_lag() -> None:
    measure_lag(said((RESULTS, 12, 12)), {0: owned(results=NOON - 3_600_000)}, NOON)
    assert (records(RESULTS), seconds()) == (0, 0)


def test_a_record_after_a_long_silence_has_waited_since_all_was_applied() -> None:
    one = owned(results=NOON - 3_600_000)
    measure_lag(said((RESULTS, 10, 10)), {0: one}, NOON)
    measure_lag(said((RESULTS, 11, 10)), {0: one}, NOON + 1_000)
    assert (records(RESULTS), seconds()) == (1, 1)


def test_after_a_restart_the_clock_of_the_partition_says_since_when() -> None:
    one = owned()
    measure_lag(said((RESULTS, -1, NOWHERE)), {0: one}, NOON + 60_000)
    assert (records(RESULTS), seconds()) == (None, 0), "nothing is known before the first fetch"
    measure_lag(said((RESULTS, 20, NOWHERE)), {0: one}, NOON + 60_000)
    assert (records(RESULTS), seconds()) == (10, 60)


def held(stable: int, high: int) -> str:
    part = {"ls_offset": stable, "hi_offset": high, "app_offset": stable}
    return json.dumps({"topics": {RESULTS: {"partitions": {"0": part}}}})


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"mendstream_{name}", {"partition": "0", "topic": RESULTS})


def test_a_strangers_open_transaction_is_shown_and_told_of_once_with_its_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = owned(results=NOON)
    measure_lag(held(10, 10), {0: one}, NOON)
    assert (gauge("open_transaction_seconds"), gauge("held_records")) == (0, 0)
    for second in (0, 60, 91, 120):
        measure_lag(held(10, 60), {0: one}, NOON + second * 1_000)
        assert (gauge("open_transaction_seconds"), gauge("held_records")) == (second, 50)
        assert (records(RESULTS), seconds()) == (0, 0), "the lag cannot know what is behind it"
    (line,) = [each.getMessage() for each in caplog.records]
    assert f"open on {RESULTS}/0 at offset 10 for 91 s" in line
    assert f"abort --topic {RESULTS} --partition 0 --start-offset 10" in line
    measure_lag(held(60, 60), {0: one}, NOON + 121_000)
    assert (gauge("open_transaction_seconds"), gauge("held_records")) == (0, 0)


def test_transactions_that_follow_each_other_are_none_that_stays() -> None:
    one = owned(results=NOON)
    for second in range(0, 300, 10):
        measure_lag(held(10 + second, 60 + second), {0: one}, NOON + second * 1_000)
        assert gauge("open_transaction_seconds") == 0


def test_the_clock_of_a_partition_is_that_of_its_last_tick_however_fresh_the_results_are() -> None:
    one = owned(results=NOON + 60_000, ticks=NOON)
    measure_lag(said((TICKS, 10, 10)), {0: one}, NOON + 60_000)
    tick = REGISTRY.get_sample_value("mendstream_last_tick_timestamp_seconds", {"partition": "0"})
    assert tick == 0, "a partition that never ticked is no partition that nobody asks for"
    one.ticked_at = NOON
    measure_lag(said((TICKS, 10, 10)), {0: one}, NOON + 60_000)
    tick = REGISTRY.get_sample_value("mendstream_last_tick_timestamp_seconds", {"partition": "0"})
    assert tick == NOON / 1_000


def test_what_belongs_to_others_is_not_told_of() -> None:
    measure_lag(said((RESULTS, 5_000, 10)), {1: owned()}, NOON)
    assert records(RESULTS) is None
    measure_lag(said((RESULTS, 5_000, 10)), {0: owned()}, NOON)
    assert records(RESULTS) == 4_990
    forget()
    assert (records(RESULTS), seconds()) == (None, None)
