"""Finds the rows of the arms table that a record in hand adds to."""

import numpy as np
from numpy.typing import NDArray

from agents.core.entrance import SUBJECT, hash_of
from agents.experiments.pass_memory import (
    ARM,
    NO_ROW,
    PART,
    STEP,
    UNIT,
    UNIT_OF_METRIC,
    WHOLE,
    Memory,
    RecordInHand,
)
from agents.experiments.result_batch import (
    ASSIGNED_AT,
    EXPERIMENT_ID,
    METRIC,
    OCCURRED_AT,
    SEGMENT,
    UNIT_ID,
    VARIANT,
)
from schemas.codec.record_scan import Fields
from schemas.compiled import inlined
from schemas.text_hash import ABSENT_HASH, mix, sealed
from schemas.words import Bytes
from state.pairs.ramp_table import step_at
from state.storage.hash_map import find

Slots = NDArray[np.uint64]


@inlined
def hash_names(data: Bytes, fields: Fields, hashes: Slots) -> None:
    """Hashes the names of the arm and of the unit, as their tables know them."""
    experiment = mix(hash_of(data, fields, SUBJECT), hash_of(data, fields, EXPERIMENT_ID))
    metric = mix(experiment, hash_of(data, fields, METRIC))
    arm = mix(metric, hash_of(data, fields, VARIANT))
    hashes[ARM] = arm
    hashes[WHOLE] = sealed(mix(mix(arm, ABSENT_HASH), ABSENT_HASH))
    if fields[UNIT_ID].length >= 0:
        unit = hash_of(data, fields, UNIT_ID)
        hashes[UNIT] = sealed(mix(hashes[WHOLE], unit))
        hashes[UNIT_OF_METRIC] = sealed(mix(metric, unit))


@inlined
def find_parts(data: Bytes, memory: Memory, found: RecordInHand) -> bool:
    """Finds the rows of the record's segment and ramp step; whether all that it has are open."""
    fields, rows = found.scanned.fields, found.rows
    rows[PART] = NO_ROW
    rows[STEP] = NO_ROW
    arm = found.hashes[ARM]
    if fields[SEGMENT].length >= 0:
        segment = hash_of(data, fields, SEGMENT)
        rows[PART] = find(memory.arms, sealed(mix(mix(arm, segment), ABSENT_HASH)))
        if rows[PART] < 0:
            return False
    whole = memory.rows[rows[WHOLE]]
    if whole.stepped:
        step = step_at(memory.step_times, whole.step_times, assigned_at(fields))
        hashed = sealed(mix(mix(arm, ABSENT_HASH), found.step_hashes[step]))
        rows[STEP] = find(memory.arms, hashed)
        if rows[STEP] < 0:
            return False
    return True


@inlined
def assigned_at(fields: Fields) -> int:
    """When the record's unit was assigned, ms: by `assigned_at`, or `occurred_at` where absent."""
    assigned = fields[ASSIGNED_AT].present
    return int(fields[ASSIGNED_AT if assigned else OCCURRED_AT].number)
