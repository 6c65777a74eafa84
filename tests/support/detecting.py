"""Runs the e-detector over many records of one stream."""

import numpy as np
from numpy.typing import NDArray

from agents.statistics.e_detector import SUSPICION, advance, alternatives_to, empty_carry, log_ratio

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def detected(rate: float, bad: Ints, count: Ints) -> tuple[Floats, Floats]:
    """(log R, log likelihood ratio by which a change is dated) after each record, from running
    totals of bad units and of units, each of shape (n,), against a reference's rate.
    """
    against, carry, before = alternatives_to(rate), empty_carry(), (0, 0)
    log_r, suspicion = np.empty(len(bad)), np.empty(len(bad))
    for at, (wrong, units) in enumerate(zip(bad.tolist(), count.tolist(), strict=True)):
        now = wrong, units - wrong
        log_r[at] = advance(against, carry, *now, *before)
        suspicion[at] = log_ratio(against, SUSPICION, *now)
        before = now
    return log_r, suspicion
