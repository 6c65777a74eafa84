"""The batch law: however a log is cut into slices, outputs and rows are the same bytes."""

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.laws.histories import (
    Chapter,
    History,
    cut_anywhere,
    experiment_histories,
    fresh_tables,
    metric_histories,
    snapshot,
    take_all,
    telling_offsets,
)


def assert_cuts_change_nothing(chapters: list[Chapter], seed: int, times: int) -> None:
    history = History.of(chapters)
    telling = telling_offsets(history.tables)
    expected = snapshot(history.tables)
    for verdict in set(history.folded.verdicts):
        event(verdict)
    rng = np.random.default_rng(seed)
    for _ in range(times):
        tables = fresh_tables()
        folded = take_all(cut_anywhere(history.steps, telling, rng), tables)
        assert folded == history.folded
        assert snapshot(tables) == expected


@settings(max_examples=60)
@given(experiment_histories(), st.integers(0, 2**32 - 1))
def test_results_fold_to_the_same_bytes_wherever_their_slices_are_cut(chapters: list[Chapter], seed: int) -> None:
    assert_cuts_change_nothing(chapters, seed, 2)


@settings(max_examples=60)
@given(metric_histories(), st.integers(0, 2**32 - 1))
def test_metrics_fold_to_the_same_bytes_wherever_their_slices_are_cut(chapters: list[Chapter], seed: int) -> None:
    assert_cuts_change_nothing(chapters, seed, 2)
