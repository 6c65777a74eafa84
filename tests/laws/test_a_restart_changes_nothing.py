"""Restore: tables rebuilt from what commits wrote, and from the input for the ids, go on to the
same bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.flow.pipeline import rebuild, refresh, remember
from schemas.catalog import RESULTS, SPECS
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, piece, result, sent
from tests.support.histories.advice import HOME
from tests.support.histories.chapters import Chapter
from tests.support.histories.cuts import cut_anywhere, telling_offsets
from tests.support.histories.folding import Folded, Step, Told, fresh_tables, snapshot, take
from tests.support.histories.history import History
from tests.support.histories.specs import SPECIFIED
from tests.support.histories.strategies import all_histories
from tests.support.histories.telling import TELLING

Rows = list[tuple[str, bytes | None]]


@dataclass
class Changelog:
    """The rows that commits wrote, by topic."""

    rows: dict[str, Rows] = field(default_factory=dict)

    def commit(self, tables: PartitionState) -> None:
        refresh(tables)
        for topic, table in tables.all().items():
            self.rows.setdefault(topic, []).extend(table.changed(CODEC))

    def compacted(self) -> dict[str, Rows]:
        """The last row of each key, in the order of the log, as Kafka keeps it."""
        kept: dict[str, Rows] = {}
        for topic, rows in self.rows.items():
            last: dict[str, bytes | None] = {}
            for key, value in rows:
                last.pop(key, None)
                last[key] = value
            kept[topic] = list(last.items())
        return kept


def restored(
    rows: dict[str, Rows], before: PartitionState, steps: Iterable[Step]
) -> PartitionState:
    tables = fresh_tables()
    for topic, table in tables.all().items():
        table.restore(rows.get(topic, []), CODEC)
    rebuild(tables)
    for step in steps:
        if not isinstance(step, Told):
            remember(step, tables, CODEC)
    tables.now = before.now
    return tables


def assert_restarts_change_nothing(history: History, seed: int, restarts: float) -> None:
    rng = np.random.default_rng(seed)
    tables, changelog, folded, done = fresh_tables(), Changelog(), Folded(), list[Step]()
    for step in cut_anywhere(history.steps, telling_offsets(history.tables), rng):
        take(step, tables, folded)
        done.append(step)
        if rng.random() < restarts:
            changelog.commit(tables)
            rows = changelog.compacted() if rng.random() < 0.5 else changelog.rows
            restarted = restored(rows, tables, done)
            assert snapshot(restarted) == snapshot(tables)
            assert not any(table.changed(CODEC) for table in restarted.all().values())
            tables = restarted
    assert folded == history.folded
    assert snapshot(tables) == snapshot(history.tables)


@settings(max_examples=40)
@given(all_histories(), st.integers(0, 2**32 - 1))
def test_tables_restored_from_their_changelog_go_on_as_if_never_restarted(
    chapters: list[Chapter], seed: int
) -> None:
    assert_restarts_change_nothing(History.of(chapters), seed, 0.1)


@pytest.mark.parametrize("name", TELLING)
def test_a_restart_near_any_telling_record_changes_nothing(name: str) -> None:
    history = History.of(TELLING[name])
    for seed in range(2):
        assert_restarts_change_nothing(history, seed, 0.5)


def test_two_treatments_that_one_record_decides_are_decided_in_the_same_order_after_a_restart() -> (
    None
):
    """Compaction keeps rows in the order of their last change, which is not the order in which arms
    came.
    """
    before, after, records = fresh_tables(), list[PartitionState](), []
    terms = replace(SPECIFIED[2], metrics=SPECIFIED[2].metrics[:1], min_count=500)
    for at, (variant, count, total) in enumerate(
        [("c", 600, 300.0), ("b", 600, 300.0), ("control", 900, 860.0)]
    ):
        records.append(
            result(
                at,
                subject=HOME[0],
                experiment_id="three",
                metric="accuracy",
                variant=variant,
                count=count,
                sum=total,
            )
        )
    take(piece(SPECS, sent([terms])), before, Folded())
    take(piece(RESULTS, sent(records[:2])), before, Folded())
    rows = snapshot(before)
    for order in (1, -1):
        written: dict[str, Rows] = {
            topic: [(k, v) for k, v in [*rows[topic].items()][::order]] for topic in rows
        }
        after.append(restored(written, before, []))
    decided = [Folded() for _ in after]
    for tables, folded in zip(after, decided, strict=True):
        take(piece(RESULTS, sent(records[2:], start=2)), tables, folded)
    assert decided[0].verdicts == ["HARM ROLLBACK ISSUED"] * 2
    assert decided[0] == decided[1]
