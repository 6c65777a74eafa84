"""The sample sizes at which a running interval is cut: each sixteenth of a doubling."""

import numpy as np

from agents.core.batch import Ints

PER_DOUBLING = 16


def mark(n: Ints) -> Ints:
    """Which step of the scale each sample size stands on, shape (n,)."""
    return np.asarray(np.floor(np.log2(np.maximum(n, 1)) * PER_DOUBLING), np.int64)


def next_mark(n: Ints) -> Ints:
    """The sample size at which the step after that of each `n` begins, or one less, shape (n,)."""
    return np.asarray(np.where(n > 0, 2.0 ** ((mark(n) + 1.0) / PER_DOUBLING), 1.0), np.int64)
