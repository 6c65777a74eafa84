"""The batch law: however a log is cut into slices, outputs and rows are the same bytes."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.core.batch import Slice
from agents.flow.pipeline import refresh
from state.partition.partition_state import PartitionState
from tests.simulation.seeds import inputs_of
from tests.simulation.world import PARTITIONS as SIMULATED_PARTITIONS
from tests.support.builders import CODEC, Sent
from tests.support.histories.chapters import Chapter
from tests.support.histories.cuts import cut_anywhere, pieces, telling_offsets
from tests.support.histories.folding import Folded, Told, fresh_tables, snapshot, take, take_all
from tests.support.histories.history import History
from tests.support.histories.strategies import (
    experiment_histories,
    lesson_histories,
    metric_histories,
)
from tests.support.histories.telling import TELLING, results

WANTED = (
    "HARM ROLLBACK ISSUED",
    "GAIN DEPLOY ISSUED",
    "GAIN NONE HELD",
    "UNSTABLE NONE HELD",
    "SPLIT NONE HELD",
    "DRIFT RETRAIN ISSUED",
    "DRIFT ROLLBACK ISSUED",
    "MIX_SHIFT IMPROVE ISSUED",
)


def assert_cuts_change_nothing(chapters: list[Chapter], seed: int) -> None:
    history = History.of(chapters)
    telling = telling_offsets(history.tables)
    expected = snapshot(history.tables)
    for verdict in set(history.folded.verdicts):
        event(verdict)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        tables = fresh_tables()
        folded = take_all(cut_anywhere(history.steps, telling, rng), tables)
        assert folded == history.folded
        assert snapshot(tables) == expected


@settings(max_examples=40)
@given(experiment_histories(), st.integers(0, 2**32 - 1))
def test_results_fold_to_the_same_bytes_wherever_their_slices_are_cut(
    chapters: list[Chapter], seed: int
) -> None:
    assert_cuts_change_nothing(chapters, seed)


@settings(max_examples=40)
@given(metric_histories(), st.integers(0, 2**32 - 1))
def test_metrics_fold_to_the_same_bytes_wherever_their_slices_are_cut(
    chapters: list[Chapter], seed: int
) -> None:
    assert_cuts_change_nothing(chapters, seed)


@settings(max_examples=40)
@given(lesson_histories(), st.integers(0, 2**32 - 1))
def test_lessons_fold_to_the_same_bytes_wherever_their_slices_are_cut(
    chapters: list[Chapter], seed: int
) -> None:
    assert_cuts_change_nothing(chapters, seed)


@pytest.mark.parametrize(
    "name", ["two treatments", "means", "no spec", "a mix shift", "many versions", "a slow model"]
)
def test_folding_one_record_at_a_time_gives_the_same_bytes(name: str) -> None:
    history = History.of(TELLING[name])
    singly = [
        one
        for step in history.steps
        for one in ([step] if isinstance(step, Told) else pieces(step, range(len(step.records))))
    ]
    tables = fresh_tables()
    assert take_all(singly, tables) == history.folded
    assert snapshot(tables) == snapshot(history.tables)


@pytest.mark.parametrize("seed", [3, 171])
def test_what_the_simulation_is_sent_folds_singly_to_the_same_bytes(seed: int) -> None:
    """In 171 an order is denied in the middle of a slice: only the units up to its own record are
    the verdict's.
    """
    for partition in range(SIMULATED_PARTITIONS):
        whole = [
            Slice.of(topic, partition, [Sent(value, at) for at, value in enumerate(values)])
            for topic, values in inputs_of(seed, partition).items()
            if values
        ]
        singly = [one for step in whole for one in pieces(step, range(len(step.records)))]
        tables = [PartitionState(partition, SIMULATED_PARTITIONS) for _ in range(2)]
        assert take_all(singly, tables[0]) == take_all(whole, tables[1])
        assert snapshot(tables[0]) == snapshot(tables[1])


def test_the_histories_reach_every_verdict() -> None:
    reached = Counter(
        verdict for chapters in TELLING.values() for verdict in History.of(chapters).folded.verdicts
    )
    assert {verdict for verdict in WANTED if not reached[verdict]} == set()


def test_a_long_run_of_one_key_folds_as_its_pieces() -> None:
    history = History.of([results(9, 3, 900, 1, coarse=True)])
    tables = fresh_tables()
    folded = Folded()
    for step in history.steps:
        for one in [step] if isinstance(step, Told) else pieces(step, (47, 48, 49, 97, 400)):
            take(one, tables, folded)
    assert (folded, snapshot(tables)) == (history.folded, snapshot(history.tables))


def commit(tables: PartitionState, written: dict[str, dict[str, bytes | None]]) -> None:
    refresh(tables)
    for topic, table in tables.all().items():
        written.setdefault(topic, {}).update(table.changed(CODEC))


@pytest.mark.parametrize("name", TELLING)
def test_what_commits_wrote_last_is_what_stands_in_the_end(name: str) -> None:
    history = History.of(TELLING[name])
    rng = np.random.default_rng(0)
    tables, written, folded = fresh_tables(), dict[str, dict[str, bytes | None]](), Folded()
    for step in cut_anywhere(history.steps, telling_offsets(history.tables), rng):
        take(step, tables, folded)
        if rng.random() < 0.3:
            commit(tables, written)
    commit(tables, written)
    assert folded == history.folded
    standing = {
        topic: {key: value for key, value in rows.items() if value is not None}
        for topic, rows in written.items()
    }
    assert standing == snapshot(tables) == snapshot(history.tables)
