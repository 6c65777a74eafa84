"""Evidence that an effect is not the same in two groups of units: exact, at every look.

Within each group the blocks of `agents.statistics.odds_ratio` tell how likely any odds ratio is,
whatever the base rates are and however they move. If the odds ratio is the same in both, d, the
likelihood of what was seen is L1(d) L2(d); any fixed mixture of odds ratios that differ has a mean
of 1 over it, and dividing by the best common one instead of the true one only makes it smaller:
universal inference (Wasserman, Ramdas, Balakrishnan, "Universal inference", PNAS 2020). So

    E = mean over a of L1(a) * mean over b of L2(b) / max over d of L1(d) L2(d)

passes 1 / alpha with a chance of at most alpha, ever.
"""

from math import exp, inf, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.statistics.odds_ratio import FURTHEST, LOG_ODDS, SIDE, end_of, log_ratio_at
from schemas.compiled import compiled

Floats = NDArray[np.float64]

_NODES = 2 * SIDE + 1  # no effect is an alternative, too: one of both groups may have none
_LOG_NODES = log(_NODES)
_THIRDS = 60  # by which the likeliest common odds ratio is closed in


class Interaction(NamedTuple):
    """log_e: that the odds ratios differ; first, second: the likeliest log odds ratio of either
    group.
    """

    log_e: float
    first: float
    second: float


@compiled
def interaction_of(rows: Floats, first: int, second: int) -> Interaction:
    """What the blocks of two groups, each a row, say of the difference of their effects."""
    apart = _log_mean(rows, first) + _log_mean(rows, second)
    return Interaction(
        apart - _highest_common(rows, first, second),
        _likeliest(rows, first),
        _likeliest(rows, second),
    )


@compiled
def _log_mean(rows: Floats, row: int) -> float:
    """log of the mean likelihood ratio over no effect and the alternatives of both sides."""
    most = 0.0
    for at in range(_NODES - 1):
        most = max(most, rows[row, at])
    total = exp(-most)
    for at in range(_NODES - 1):
        total += exp(rows[row, at] - most)
    return most + log(total) - _LOG_NODES


@compiled
def _highest_common(rows: Floats, first: int, second: int) -> float:
    """The highest log likelihood ratio of one odds ratio in both; it is concave."""
    low, high = -FURTHEST, FURTHEST
    for _ in range(_THIRDS):
        a, b = low + (high - low) / 3.0, high - (high - low) / 3.0
        if _of_both(rows, first, second, a) < _of_both(rows, first, second, b):
            low = a
        else:
            high = b
    highest = max(0.0, _of_both(rows, first, second, 0.5 * (low + high)))
    for at in range(_NODES - 1):
        highest = max(highest, rows[first, at] + rows[second, at])
    return highest


@compiled
def _of_both(rows: Floats, first: int, second: int, d: float) -> float:
    return log_ratio_at(rows, first, d) + log_ratio_at(rows, second, d)


@compiled
def _likeliest(rows: Floats, row: int) -> float:
    """Between the ends at which the likelihood has fallen by a little."""
    highest = 0.0
    for at in range(len(LOG_ODDS)):
        highest = max(highest, rows[row, at])
    if highest == -inf:
        return 0.0
    wanted = highest - 0.1
    return 0.5 * (end_of(rows, row, wanted, False) + end_of(rows, row, wanted, True))
