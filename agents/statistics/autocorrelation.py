"""How strongly each value follows the one before it."""

from math import fsum

import numpy as np

from agents.core.batch import Floats


def lag_1(values: Floats) -> float:
    """The lag-1 correlation of values in the order of the log, shape (n,), or of their ranks,
    whichever is larger.

    A few large values hide how the others follow each other, and ranks show it. 0 where all values
    are equal.
    """
    return max(_lag_1(values), _lag_1(ranks(values)))


def ranks(values: Floats) -> Floats:
    """The rank of each value from 1 on, equal ones sharing the mean of theirs:
    scipy.stats.rankdata.

    Not scipy's own, because importing scipy.stats takes longer than all else that a processor
    imports.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[at])


def lag_in_turn(values: Floats, senders: int) -> float:
    """How strongly each value follows the one before it of the same sender, where so many take
    turns; values in the order of the log, shape (n,). What senders differ by for good is left out:
    each is taken around its own mean. 0 where nothing is left.
    """
    apart = np.array(values, np.float64)
    for sender in range(senders):
        own = apart[sender::senders]
        own -= fsum(own) / len(own)
    squares = fsum(apart * apart)
    return fsum(apart[senders:] * apart[:-senders]) / squares if squares > 0.0 else 0.0


def _lag_1(values: Floats) -> float:
    """Scaled first, so that no square overflows; summed exactly, in whatever order."""
    largest = np.abs(values).max()
    if largest == 0.0:
        return 0.0
    scaled = values / largest
    apart = scaled - fsum(scaled) / len(scaled)
    squares = fsum(apart * apart)
    return fsum(apart[1:] * apart[:-1]) / squares if squares > 0.0 else 0.0
