"""Closes blocks whose last record nothing follows: of a file that is sorted by arm, of an arm that
fell silent. What their units tell would wait for a record of the other arm for ever.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agents.core.batch import Finding
from agents.core.provenance import Provenance
from agents.experiments.evidence.blocks import (
    BLOCKS_A_UNIT,
    LEAST,
    MOST,
    RUN_MS,
    close_block,
    terms_of,
)
from agents.experiments.evidence.look import look
from agents.experiments.verdicts.decide import decide
from schemas.catalog import RESULTS
from state.pairs.pair_blocks import CLOSED, CONTROL_UNITS, RUN_SINCE, TREATMENT_UNITS
from state.partition.experiment_tables import ExperimentTables

CLOSED_MAX = 1_000  # at one tick; the others at the next


def close_waiting(place: Provenance, tables: ExperimentTables) -> Iterator[tuple[Finding, int]]:
    """Each finding of the pairs whose blocks are closed now, and when the last record of its pair
    was appended, ms.

    A block is closed a minute after the arm that sent last began to, with as many units of each
    arm as a block needs.
    """
    arms = tables.arms
    values = arms.blocks.values[: len(arms.blocks) + 1]
    fewest = np.minimum(values[:, TREATMENT_UNITS], values[:, CONTROL_UNITS])
    least = np.minimum(MOST, LEAST + values[:, CLOSED] // BLOCKS_A_UNIT)
    waiting = np.flatnonzero((fewest >= least) & (values[:, RUN_SINCE] <= place.now - RUN_MS))
    if not len(waiting):
        return
    slots = arms.block_slot[: len(arms)]
    for pair in np.flatnonzero(np.isin(slots, waiting))[:CLOSED_MAX].tolist():
        close_block(arms.blocks.values, int(slots[pair]), terms_of(arms.records, pair))
        arms.touch(np.array([pair]))
        last = Provenance(RESULTS, tables.partition, _last_offset(tables, pair), place.now)
        if look(arms.records, tables.pairs, pair, 0, last.offset, np.empty(3)):
            number = int(arms.experiment_no[pair])
            appended = int(max(arms.last_at[pair], arms.last_at[arms.control[pair]]))
            for one in decide(last, tables, number, [pair]):
                yield replace(one, ordinal=f"{one.ordinal}|closed"), appended


def _last_offset(tables: ExperimentTables, pair: int) -> int:
    arms = tables.arms
    return int(max(arms.applied_offset[pair], arms.applied_offset[arms.control[pair]]))
