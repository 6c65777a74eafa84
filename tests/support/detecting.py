"""Runs the e-detector over many records of one stream."""

import numpy as np
from numpy.typing import NDArray

from agents.statistics.e_detector import ODDS, SUSPICION, advance, alternatives_to

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def detected(rate: float, bad: Ints, count: Ints, dispersion: float = 1.0) -> tuple[Floats, Floats]:
    """(log R, log likelihood ratio by which a change is dated) after each record, from running
    totals of bad units and of units, each of shape (n,), against a reference's rate.
    """
    against, carry, ratios = likelihoods(rate), np.full(len(ODDS), -np.inf), np.zeros(len(ODDS))
    log_r, suspicion = np.empty(len(bad)), np.empty(len(bad))
    bad_of_each, count_of_each = np.diff(bad, prepend=0), np.diff(count, prepend=0)
    for at, (wrong, units) in enumerate(zip(bad_of_each, count_of_each, strict=True)):
        log_r[at] = advance(against, carry, ratios, wrong, units - wrong, 1.0 / dispersion)
        suspicion[at] = ratios[SUSPICION]
    return log_r, suspicion


def likelihoods(rate: float) -> Floats:
    """The log likelihood ratios of a bad and of a good unit to a rate, shape (2, j)."""
    alternatives = np.zeros((2, len(ODDS)))
    alternatives_to(rate, alternatives)
    return alternatives
