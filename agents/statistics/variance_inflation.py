"""How many records weigh as much as one independent one, where each value follows the one
before.
"""

import numpy as np

from agents.core.batch import Floats
from agents.statistics.autocorrelation import lag_1, lag_in_turn, ranks

NOTICED = (
    3.0  # standard errors of the lag-1 correlation; independent values pass it once in 700 metrics
)
NOTICED_IN_TURN = 4.0  # as many, of each number of senders that is tried
IN_TURN_MOST = 64  # senders
ROUNDS_LEAST = 8  # of them, from which they tell
BOUND = 1.645
MOST = 200.0


def inflation_of(values: Floats) -> float:
    """The variance of the mean of a first-order autoregression over that of independent values, (1
    + phi) / (1 - phi), of one sender or of several that take turns, whichever is most.

    phi is the lag-1 correlation of values in the order of the log, shape (n,), or that of each
    sender's own, put up by its bias (Kendall, "Note on bias in the estimation of autocorrelation",
    Biometrika 1954) and then to its one-sided 95 % bound, for it is only estimated. 1 where no
    correlation is noticed; MOST at most.

    A worked example: ten hosts send a gauge in turn, and each value of a host has a correlation of
    0.9 with its one before. Neighbours in the log have none, values ten apart have 0.9, and the
    mean has some 19 times the variance of independent values.
    """
    n = len(values)
    if n < 3 or np.ptp(values) == 0.0:
        return 1.0
    most, ranked = _inflation(lag_1(values), n, 1, NOTICED), ranks(values)
    for senders in range(2, min(IN_TURN_MOST, n // ROUNDS_LEAST) + 1):
        phi = lag_in_turn(ranked, senders)
        most = max(most, _inflation(phi, n, senders, NOTICED_IN_TURN))
    return most


def _inflation(phi: float, n: int, senders: int, noticed: float) -> float:
    """That of a correlation of n values of so many senders; 1 where it is not noticed."""
    if not phi * np.sqrt(n) > noticed:
        return 1.0
    phi += (1.0 + 3.0 * phi) * senders / n
    upper = phi + BOUND * np.sqrt(max(1.0 - phi * phi, 0.0) / n + 1.0 / n**2)
    return float(min(MOST, (1.0 + upper) / (1.0 - upper))) if upper < 1.0 else MOST
