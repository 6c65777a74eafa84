"""How far behind a worker says it is, from what librdkafka reports."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.catalog import METRICS, RESULTS, TICKS
from streams.journal import Journal
from streams.lag import forget, measure
from streams.owned import Owned
from streams.telemetry import REGISTRY
from tests.builders import NOON, tables

NOWHERE = -1_001  # librdkafka's, of a position that it does not have yet


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    forget()
    yield
    forget()


def owned(**applied_until: int) -> Owned:
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
    measure(said((RESULTS, 5_000, 10), (TICKS, 11, 10)), {0: one}, NOON + 500)
    assert (records(RESULTS), records(TICKS)) == (4_990, 1)
    assert seconds() == 3_600.5


def test_the_markers_of_transactions_behind_the_last_record_are_no_lag() -> None:
    measure(said((RESULTS, 12, 12)), {0: owned(results=NOON - 3_600_000)}, NOON)
    assert (records(RESULTS), seconds()) == (0, 0)


def test_a_record_after_a_long_silence_has_waited_since_all_was_applied() -> None:
    one = owned(results=NOON - 3_600_000)
    measure(said((RESULTS, 10, 10)), {0: one}, NOON)
    measure(said((RESULTS, 11, 10)), {0: one}, NOON + 1_000)
    assert (records(RESULTS), seconds()) == (1, 1)


def test_after_a_restart_the_clock_of_the_partition_says_since_when() -> None:
    one = owned()
    measure(said((RESULTS, -1, NOWHERE)), {0: one}, NOON + 60_000)
    assert (records(RESULTS), seconds()) == (None, 0), "nothing is known before the first fetch"
    measure(said((RESULTS, 20, NOWHERE)), {0: one}, NOON + 60_000)
    assert (records(RESULTS), seconds()) == (10, 60)


def test_what_belongs_to_others_is_not_told_of() -> None:
    measure(said((RESULTS, 5_000, 10)), {1: owned()}, NOON)
    assert records(RESULTS) is None
    measure(said((RESULTS, 5_000, 10)), {0: owned()}, NOON)
    assert records(RESULTS) == 4_990
    forget()
    assert (records(RESULTS), seconds()) == (None, None)
