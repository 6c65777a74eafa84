"""Law: what is worked out of the rows as records come, row by row, is what a restart works out of
all rows at once.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from agents.flow.pipeline import fold, rebuild
from schemas.catalog import RESULTS
from state.pairs.pair_blocks import NO_BESIDE, NO_BLOCKS
from state.pairs.ramp_table import NO_SLOT
from state.pairs.unit_buckets import NO_BUCKETS
from state.partition.experiment_tables import ExperimentTables
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, piece
from tests.support.histories.chapters import Chapter
from tests.support.histories.folding import fresh_tables
from tests.support.histories.history import History
from tests.support.histories.strategies import experiment_histories
from tests.support.histories.telling import TELLING
from tests.unit.agents.test_rollout_shares import BAKE, SHARES, results, tell, trial

# Numbers of rows, of experiments and of places in other tables: told by what is there.
ROWS = ("control", "treatment", "next_sibling", "aggregate_row")
PLACES = (
    "experiment_no",
    "next_in_experiment",
    "ramp_slot",
    "block_slot",
    "bucket_slot",
    "beside_slot",
    "step_times",
)
# Since when an arm is silent begins anew, nothing waits to be written, the next mark of the running
# interval is a bound that only looks move, no later than the mark in either, and whether a pair
# supports a deployment is asked again at the next look.
ANEW = ("heard", "silent", "changed_since_commit", "next_mark", "supported")


def steps_of(experiments: ExperimentTables, row: int) -> list[tuple[Any, ...]] | None:
    """The share steps of a row's pair: share, both rows, and the log terms."""
    slot = int(experiments.arms.ramp_slot[row])
    if slot == NO_SLOT:
        return None
    slots, steps, log_terms = (np.asarray(one) for one in experiments.ramps.arrays[:3])
    first, count = slots[slot].tolist()
    told = []
    for share, treatment, control, terms in steps[first : first + count].tolist():
        rows = [experiments.arms.keys[one] if one >= 0 else None for one in (treatment, control)]
        told.append((share, *rows, log_terms[terms].tobytes()))
    return told


def moments_of(experiments: ExperimentTables, row: int) -> list[int] | None:
    """When the steps of a row's experiment begin, ms; None where it has none."""
    if not experiments.arms.stepped[row]:
        return None
    slot = int(experiments.arms.step_times[row])
    moments = experiments.step_times.moments[slot]
    return list(moments[moments < np.iinfo(np.int64).max].tolist())


def blocks_of(experiments: ExperimentTables, row: int) -> bytes | None:
    """The numbers of a pair that is judged in blocks; None of other rows."""
    slot = int(experiments.arms.block_slot[row])
    return experiments.arms.blocks.values[slot].tobytes() if slot != NO_BLOCKS else None


def buckets_of(experiments: ExperimentTables, row: int) -> bytes | None:
    """The numbers of an arm whose units came again; None of other rows."""
    slot = int(experiments.arms.bucket_slot[row])
    return experiments.arms.buckets.values[slot].tobytes() if slot != NO_BUCKETS else None


def beside_of(experiments: ExperimentTables, row: int) -> bytes | None:
    """The blocks of a pair whose units another experiment has too; None of other rows."""
    slot = int(experiments.arms.beside_slot[row])
    return experiments.arms.beside.values[slot].tobytes() if slot != NO_BESIDE else None


def derived(state: PartitionState) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Every column of every row of arms, by its key."""
    experiments = state.experiments
    arms, found = experiments.arms, {}
    names = [one for one in arms.records.dtype.names or () if one not in (*ROWS, *PLACES, *ANEW)]
    for row in range(len(arms)):
        values: dict[str, Any] = {name: arms[name][row].tobytes() for name in names}
        for name in ROWS:
            other = int(arms[name][row])
            values[name] = arms.keys[other] if other >= 0 else other
        if not arms.in_burn_in[row]:
            del values["learned_units"]  # nothing more is learnt
        if arms.keys[row][4:] != (None, None):
            del values["waits"]  # parts are not looked at
        values["experiment"] = experiments.index.key(int(arms.experiment_no[row]))
        values["steps"] = steps_of(experiments, row)
        values["moments"] = moments_of(experiments, row)
        values["blocks"] = blocks_of(experiments, row)
        values["buckets"] = buckets_of(experiments, row)
        values["beside"] = beside_of(experiments, row)
        found[arms.keys[row]] = values
    return found


def restarted(state: PartitionState, fresh: PartitionState) -> PartitionState:
    fresh.now = state.now
    for topic, table in state.all().items():
        fresh.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
    rebuild(fresh)
    return fresh


@settings(max_examples=25)
@given(experiment_histories())
def test_links_of_any_history_are_those_of_a_restart(chapters: list[Chapter]) -> None:
    state = History.of(chapters).tables
    assert derived(state) == derived(restarted(state, fresh_tables()))


@pytest.mark.parametrize("name", sorted(TELLING))
def test_links_of_a_telling_history_are_those_of_a_restart(name: str) -> None:
    state = History.of(TELLING[name]).tables
    assert derived(state) == derived(restarted(state, fresh_tables()))


def test_shares_that_are_reported_between_results_are_those_of_a_restart() -> None:
    life, command = trial()
    records = results(1.0, 1, n=2_000)
    for n, share in enumerate(SHARES):
        tell(life, command, share, n * BAKE + BAKE // 5, (n + 1) * BAKE)
        assert derived(life.tables) == derived(restarted(life.tables, PartitionState(0, 1)))
        part = records[n * 400 : (n + 1) * 400]
        fold(piece(RESULTS, part), life.tables, CODEC)
        assert derived(life.tables) == derived(restarted(life.tables, PartitionState(0, 1)))
    told = [
        steps_of(life.tables.experiments, row) for row in range(len(life.tables.experiments.arms))
    ]
    assert max(len(steps or ()) for steps in told) > len(SHARES)
