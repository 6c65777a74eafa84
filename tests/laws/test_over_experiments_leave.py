"""Experiments that are over leave the tables with their arms: wherever the log is cut and the
partition restarted, alike.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Status
from state.row_expiry import DAY_MS, EXPERIMENT_MS
from tests.laws.test_a_restart_changes_nothing import assert_restarts_change_nothing
from tests.laws.test_any_cut_gives_the_same_bytes import assert_cuts_change_nothing
from tests.support.histories.chapters import Answers, Chapter, Feedback, Results, Specs
from tests.support.histories.cuts import cut_anywhere, telling_offsets
from tests.support.histories.folding import fresh_tables, snapshot, take_all
from tests.support.histories.history import History
from tests.support.histories.specs import SPECIFIED
from tests.support.histories.strategies import experiment_histories
from tests.support.histories.telling import EVERYTHING, results

MONTH = (EXPERIMENT_MS + DAY_MS) // 1_000  # seconds
ALL = tuple(range(len(SPECIFIED)))


def over(which: tuple[int, ...]) -> list[Chapter]:
    """These are stopped, their commands are refused, and a month goes by."""
    return [Specs(which, 1), Feedback(), 60, Answers(Status.REFUSED, 1), MONTH, MONTH, MONTH, MONTH]


LIVES: list[Chapter] = [
    EVERYTHING,
    *(results(30 + n, n, 40, n % 3, units=True, dirty=True) for n in range(10)),
    *over((0, 2, 3, 5, 6)),
    *(results(50 + n, n, 40, (n + 1) % 3, units=True, dirty=True) for n in range(10)),
    *over((1, 4, 7)),
    *(results(70 + n, n, 40, 1, units=True) for n in range(10)),
]


def test_lives_after_lives_are_the_same_bytes_wherever_they_are_cut() -> None:
    history = History.of(LIVES)
    ordinals = {
        row.experiment_id: row.ordinal
        for row in history.tables.experiments.experiments.rows()
        if row.started_offset >= 0
    }
    assert max(ordinals.values()) > 6  # some had a second life
    rng, tables = np.random.default_rng(1), fresh_tables()
    assert (
        take_all(cut_anywhere(history.steps, telling_offsets(history.tables), rng), tables)
        == history.folded
    )
    assert snapshot(tables) == snapshot(history.tables)


def test_a_restart_between_or_within_lives_changes_nothing() -> None:
    history = History.of(LIVES)
    assert_restarts_change_nothing(history, 1, 0.06)


@settings(max_examples=3)
@given(
    experiment_histories(),
    st.lists(st.sampled_from(ALL), min_size=1, max_size=8, unique=True).map(tuple),
    st.lists(
        st.builds(
            results, st.integers(0, 99), st.integers(0, 9), st.integers(1, 300), st.integers(0, 2)
        ),
        max_size=5,
    ),
    st.integers(0, 2**32 - 1),
)
def test_any_histories_with_a_month_between_them_fold_alike(
    before: list[Chapter], which: tuple[int, ...], after: list[Results], seed: int
) -> None:
    chapters = [*before, *over(which), *after]
    assert_cuts_change_nothing(chapters, seed)
    assert_restarts_change_nothing(
        History.of(chapters), seed, float(np.random.default_rng(seed).random()) / 4
    )
