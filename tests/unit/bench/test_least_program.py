"""The least job of the bench does the job: statistics as numpy has them, however its input is cut,
and after a restart.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.peers.least_program import CHANGELOG, ROWS, Memory, fold
from schemas.catalog import RESULTS
from state.storage.table import Table
from streams.bench.workload import METRICS, VARIANTS, Workload
from streams.runtime.settings import Settings
from tests.support.builders import CODEC, piece, sent

WORKLOAD = Workload(experiments=4)
RECORDS = 3_000
ROW = np.dtype([("count", ">i8"), ("mean", ">f8"), ("squares", ">f8")])


def keys() -> NDArray[np.int64]:
    return np.random.default_rng(2).integers(WORKLOAD.keys, size=RECORDS)


def take_in(memory: Memory, start: int, end: int, cut: int) -> None:
    ((_, pairs),) = WORKLOAD.results(CODEC, 1, 0, keys(), np.random.default_rng(3))
    for first in range(start, end, cut):
        values = [value for _, value in pairs[first : min(first + cut, end)]]
        assert fold(piece(RESULTS, sent(values, first)), memory, CODEC).applied == len(values)


def expected() -> dict[str, tuple[int, float, float]]:
    """The statistics by numpy, of the values that the workload draws."""
    rng, metric = np.random.default_rng(3), keys() // 2 % 3
    values = np.where(metric == 2, rng.exponential(10.0, RECORDS), rng.random(RECORDS) < 0.1)
    found = {}
    for key in range(WORKLOAD.keys):
        own = values[keys() == key]
        name = f"exp-{key // 6}|{VARIANTS[key % 2]}|{METRICS[key // 2 % 3].name}"
        found[name] = (len(own), float(own.mean()), float(((own - own.mean()) ** 2).sum()))
    return found


def rows_of(table: Table) -> dict[str, tuple[int, float, float]]:
    return {key: np.frombuffer(value or b"", ROW)[0].item() for key, value in table.changed(CODEC)}


@pytest.mark.parametrize("cut", [1, 7, RECORDS])
def test_the_statistics_are_those_of_the_records(cut: int) -> None:
    memory = Memory(0, Settings())
    take_in(memory, 0, RECORDS, cut)
    found = rows_of(memory.all()[CHANGELOG])
    assert found.keys() == expected().keys()
    for name, row in expected().items():
        assert found[name] == pytest.approx(row)


def test_what_changed_is_put_out_once() -> None:
    memory = Memory(0, Settings())
    take_in(memory, 0, RECORDS, RECORDS)
    changed, put_out = rows_of(memory.all()[CHANGELOG]), rows_of(memory.all()[ROWS])
    assert put_out == changed
    assert len(put_out) == WORKLOAD.keys
    assert rows_of(memory.all()[ROWS]) == {}


def test_restored_rows_go_on_as_if_nothing_had_been() -> None:
    before, after = Memory(0, Settings()), Memory(0, Settings())
    take_in(before, 0, RECORDS // 2, 100)
    after.all()[CHANGELOG].restore(before.all()[CHANGELOG].changed(CODEC), CODEC)
    take_in(after, RECORDS // 2, RECORDS, 100)
    found = rows_of(after.all()[CHANGELOG])
    for name, row in expected().items():
        assert found[name] == pytest.approx(row)
