"""What a restore is measured with is what this release writes."""

import numpy as np

from bench.lived import ROWS_EACH, _rows
from schemas.catalog import TABLES_ARMS, TABLES_EXPERIMENTS, TABLES_SUBJECTS
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC


def test_the_rows_are_those_of_the_tables_that_restore_them() -> None:
    state = PartitionState(0, 1)
    written = dict(_rows(["bot-1"], CODEC))
    assert written.keys() == {TABLES_SUBJECTS, TABLES_EXPERIMENTS, TABLES_ARMS}
    for topic, rows in written.items():
        state.all()[topic].restore(rows, CODEC)
        assert len(state.all()[topic]) == len(rows)
    assert len(written[TABLES_ARMS]) == len(written[TABLES_EXPERIMENTS]) * ROWS_EACH
    assert state.experiments.arms.keys.names(0, np.zeros(1, np.int64)) == ["bot-1"]
