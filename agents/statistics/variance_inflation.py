"""How many records weigh as much as one independent one, where each value follows the one
before.
"""

import numpy as np

from agents.core.batch import Floats
from agents.statistics.autocorrelation import lag_1

NOTICED = (
    3.0  # standard errors of the lag-1 correlation; independent values pass it once in 700 metrics
)
BOUND = 1.645
MOST = 200.0


def inflation_of(values: Floats) -> float:
    """The variance of the mean of a first-order autoregression over that of independent values: (1
    + phi) / (1 - phi).

    phi is the lag-1 correlation of values in the order of the log, shape (n,), put up by its bias
    (Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 1954) and then to its
    one-sided 95 % bound, for it is only estimated. 1 where no correlation is noticed; MOST at most.
    """
    n = len(values)
    if n < 3 or np.ptp(values) == 0.0:
        return 1.0
    phi = lag_1(values)
    if not phi * np.sqrt(n) > NOTICED:
        return 1.0
    phi += (1.0 + 3.0 * phi) / n
    upper = phi + BOUND * np.sqrt(max(1.0 - phi * phi, 0.0) / n + 1.0 / n**2)
    return float(min(MOST, (1.0 + upper) / (1.0 - upper))) if upper < 1.0 else MOST
