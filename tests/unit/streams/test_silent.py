"""Which subjects a worker shows as silent, by what is read of its inputs and not by its ticks
alone.
"""

from collections.abc import Iterator

import pytest

from schemas.catalog import METRICS, RESULTS
from state.partition.partition_state import PartitionState
from streams.engine.journal import Journal
from streams.engine.partition import Owned
from streams.engine.partition_metrics import forget, measure_silence
from streams.runtime.metrics import REGISTRY
from tests.support.builders import NOON, tables

MINUTE = 60_000
SILENT = 30 * MINUTE
HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    forget()
    yield
    forget()


def shown() -> float | None:
    return REGISTRY.get_sample_value("mendstream_silent_subjects", {"partition": "0"})


def owned() -> Owned[PartitionState]:
    """A partition after a restart: a subject was heard twenty minutes before, and an hour has gone
    by since.
    """
    one = Owned(tables(), Journal(0), ticked_at=NOON + HOUR)
    one.tables.now = NOON + HOUR
    one.tables.experiments.silence.restored({"bot": NOON - 20 * MINUTE}, NOON)
    return one


def test_a_subject_whose_records_may_wait_unread_is_not_shown_as_silent() -> None:
    one = owned()
    measure_silence({0: one}, SILENT)
    one.applied_until = {METRICS: NOON + HOUR}
    measure_silence({0: one}, SILENT)
    assert shown() is None, "nothing of the results is known yet"
    one.applied_until[RESULTS] = NOON
    measure_silence({0: one}, SILENT)
    assert shown() == 0.0


def test_it_is_shown_once_all_is_read_of_its_time() -> None:
    one = owned()
    one.applied_until = {METRICS: NOON + HOUR, RESULTS: NOON + 10 * MINUTE}
    measure_silence({0: one}, SILENT)
    assert shown() == 1.0
