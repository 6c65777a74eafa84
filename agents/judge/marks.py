"""The sample sizes at which a running interval is cut: each sixteenth of a doubling."""

import numpy as np

from agents.slice import Ints

PER_DOUBLING = 16


def mark(n: Ints) -> Ints:
    """Which step of the scale each sample size stands on, shape (n,)."""
    return np.asarray(np.floor(np.log2(np.maximum(n, 1)) * PER_DOUBLING), np.int64)


def next_mark(n: int) -> int:
    """The sample size at which the step after that of `n` begins, or one less."""
    return int(2.0 ** ((int(mark(np.array([n]))[0]) + 1.0) / PER_DOUBLING)) if n > 0 else 1
