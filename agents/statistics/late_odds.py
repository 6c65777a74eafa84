"""Evidence of a fault that begins late: evidence against it from the time before need not be paid
back first.

If L_1, L_2, ... are the likelihood ratios of blocks against one alternative, the product of those
from the s-th on is an e-process for every s, and so is their mean over s with weights w_s that add
up to 1 at most,

    E_t = sum over s <= t of w_s L_s ... L_t,   which is (E_(t-1) + w_t) L_t,

the recursion of Shiryaev and Roberts with weights that sum (cf. Shin, Ramdas and Rinaldo,
"E-detectors", 2022, arXiv:2203.03532). The weights of the blocks from 2^k to 2^(k+1) - 1 are 1 /
((k + 1) (k + 2)) together, so that a fault at the s-th block costs the logarithm of some s
log2(s)^2, and no horizon need be known: after 100 000 units in blocks of eight of either arm some
14 nats, where the healthy time alone may have gathered hundreds against a fault from the start.
"""

from math import exp, floor, log, log2

import numpy as np
from numpy.typing import NDArray

from agents.statistics.odds_ratio import NO_EVIDENCE, SIDE
from agents.statistics.scalars import log_added
from schemas.compiled import compiled
from state.pairs.pair_blocks import LATE, LATE_ALTERNATIVES

Floats = NDArray[np.float64]

FIRST = 5  # of LOG_ODDS: odds 1.5, 2.2 and 5 times as high
PART = 0.2  # of the evidence; the rest is that of an effect from the start
_MOST = 1e290  # what is more is as good as that
_LOG_PART, _LOG_REST = log(PART / LATE_ALTERNATIVES), log(1.0 - PART)


@compiled
def weight(block: float) -> float:
    """Of a fault that begins with this block, from 1 on.

    >>> [round(weight(block), 4) for block in (1.0, 2.0, 3.0, 4.0)]
    [0.5, 0.0833, 0.0833, 0.0208]
    """
    k = floor(log2(block))
    return float(1.0 / ((k + 1.0) * (k + 2.0) * 2.0**k))


@compiled
def first_alternative(more: bool) -> int:
    """Of the columns of LOG_ODDS, of a fault that shows in more hits, or in fewer."""
    return FIRST if more else SIDE + FIRST


@compiled
def add_late(rows: Floats, row: int, at: int, block: float, log_ratio: float) -> None:
    """Takes in the log likelihood ratio of a block, from 1 on, against one of the alternatives."""
    grown = (rows[row, LATE + at] + weight(block)) * exp(min(log_ratio, 600.0))
    rows[row, LATE + at] = min(grown, _MOST)


@compiled
def with_late(rows: Floats, row: int, log_e: float) -> float:
    """log e of an effect from the start or a fault that began late, each by its part."""
    total = 0.0
    for at in range(LATE_ALTERNATIVES):
        total += rows[row, LATE + at]
    late = _LOG_PART + log(total) if total > 0.0 else NO_EVIDENCE
    return max(log_added(_LOG_REST + log_e, late), NO_EVIDENCE)
