"""The part of the pass over results that takes units apart by the arm that they are in of another
experiment, which runs at the same time.
"""

import numpy as np

from agents.core.entrance import hash_of
from agents.experiments.evidence.blocks import NO_MARGIN, BlockTerms, harm_of, take_units
from agents.experiments.pass_memory import UNITS, WHOLE, Memory, RecordInHand
from agents.experiments.result_batch import UNIT_ID
from schemas.compiled import compiled, inlined
from schemas.text_hash import mix, sealed
from schemas.words import Bytes
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs
from state.pairs.pair_blocks import NO_BESIDE
from state.storage.hash_map import find

NOWHERE = -1  # of `arm_beside`


@inlined
def arm_beside(data: Bytes, memory: Memory, found: RecordInHand, offset: int) -> int:
    """In which arm of the other experiment, that its own is tied to, the unit of a record is: 0 of
    control, 1 of the treatment; NOWHERE where that is not known, or it is in both.
    """
    arm = memory.rows[found.rows[WHOLE]]
    if arm.beside_control == 0 or not found.tested[UNITS] > 0.0:
        return NOWHERE
    if found.scanned.fields[UNIT_ID].length < 0:
        return NOWHERE
    unit = hash_of(data, found.scanned.fields, UNIT_ID)
    # What came before the other began is of one that left the tables, under the same id.
    since = max(0, arm.beside_since, offset - memory.entrance.window)
    control = find(memory.units, sealed(mix(np.uint64(arm.beside_control), unit))) >= since
    treatment = find(memory.units, sealed(mix(np.uint64(arm.beside_treatment), unit))) >= since
    if control == treatment:
        return NOWHERE
    return 0 if control else 1


@compiled
def take_beside(
    rows: ArmRows,
    pairs: Pairs,
    pair: int,
    beside: int,
    of_treatment: bool,
    brought: tuple[float, float],
    clock: tuple[float, float],
) -> None:
    """Takes in what a record brought to an arm of a pair, where the arm of its unit in the other
    experiment is known; brought, clock: as in `take_units`.
    """
    if beside == NOWHERE or rows[pair].beside_slot == NO_BESIDE:
        return
    at = 2 * rows[pair].beside_slot + beside
    terms = BlockTerms(harm_of(rows, pair), 1.0, NO_MARGIN)
    take_units(pairs.beside, at, of_treatment, brought, clock, terms, (0.0, 0.0, 0.0))
