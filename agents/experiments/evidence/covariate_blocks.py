"""What the covariates of units tell of the blocks of a mean: how far the arms differ in them, and
what was taken off the values because of them.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled
from state.pairs.pair_blocks import (
    ADJUSTED,
    CONTROL_ADJUSTED,
    CONTROL_COVARIATE,
    CONTROL_KNOWN,
    CONTROL_UNITS,
    COVARIATE_DIFFERENCE,
    COVARIATE_SQUARES,
    TREATMENT_ADJUSTED,
    TREATMENT_COVARIATE,
    TREATMENT_KNOWN,
    TREATMENT_UNITS,
)

Floats = NDArray[np.float64]
# What is taken off a value, units whose covariate it tells, and the covariate less its mean.
Taken = tuple[float, float, float]


@compiled
def take_covariate(blocks: Floats, slot: int, of_treatment: bool, taken: Taken) -> None:
    """Takes in what the covariate of a record's unit told."""
    off, known, apart = taken
    if of_treatment:
        blocks[slot, TREATMENT_ADJUSTED] += off
        blocks[slot, TREATMENT_KNOWN] += known
        blocks[slot, TREATMENT_COVARIATE] += apart
    else:
        blocks[slot, CONTROL_ADJUSTED] += off
        blocks[slot, CONTROL_KNOWN] += known
        blocks[slot, CONTROL_COVARIATE] += apart


@compiled
def close_covariates(blocks: Floats, slot: int) -> None:
    """Adds what the covariates of a block tell that is being closed, and begins the next one."""
    n, m = blocks[slot, TREATMENT_UNITS], blocks[slot, CONTROL_UNITS]
    of_treatment, of_control = blocks[slot, TREATMENT_ADJUSTED], blocks[slot, CONTROL_ADJUSTED]
    blocks[slot, ADJUSTED] += n * m / (n + m) * (of_treatment / n - of_control / m)
    n, m = blocks[slot, TREATMENT_KNOWN], blocks[slot, CONTROL_KNOWN]
    if n > 0.0 and m > 0.0:
        apart = blocks[slot, TREATMENT_COVARIATE] / n - blocks[slot, CONTROL_COVARIATE] / m
        apart *= n * m / (n + m)
        blocks[slot, COVARIATE_DIFFERENCE] += apart
        blocks[slot, COVARIATE_SQUARES] += apart * apart
    blocks[slot, TREATMENT_ADJUSTED], blocks[slot, CONTROL_ADJUSTED] = 0.0, 0.0
    blocks[slot, TREATMENT_KNOWN], blocks[slot, CONTROL_KNOWN] = 0.0, 0.0
    blocks[slot, TREATMENT_COVARIATE], blocks[slot, CONTROL_COVARIATE] = 0.0, 0.0
