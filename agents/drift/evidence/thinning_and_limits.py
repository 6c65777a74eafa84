"""The limit beyond which a record of a MEAN is bad, and how far apart records must be to tell each
for itself.
"""

from math import ceil, isfinite, log, sqrt

import numpy as np

from agents.core.batch import Floats
from agents.statistics.autocorrelation import lag_1

LEARNED = (
    1_000  # values that freeze a limit: the 95th percentile is then within 0.7 points of its place
)
# of the learned values are beyond their limit: enough to learn a rate from, few enough to rise
_BAD = 0.05
_LEFT = 0.05  # of the correlation, at most, between records that are both judged
_TIED = 0.9  # of the learned values, at most, may be beyond their limit: a rate above hardly rises
_LAGGED = 0.1  # a smaller lag-1 correlation hardly moves the false alarms
_SIGMAS = 3.0
THIN_MAX = 200  # of a value a minute that leaves seven a day; fewer would tell nothing in time
_LARGEST = float(np.finfo(np.float64).max)
NOT_TO_BE_THINNED = 0  # values follow each other further than THIN_MAX records: no record is judged


def limit_of(values: Floats, upper: bool, margin: float) -> float:
    """The 95th percentile where more is worse, the 5th otherwise, one of the values.

    Where more than one in twenty share the worst value, none would be beyond it however many came
    to share it: then the limit is the next better one. Where nearly all share it, the limit lies
    beyond it by the relative margin of "no harm": a gauge that was constant is watched for leaving
    what it was.
    """
    ordered = np.sort(values if upper else -values)  # the worst last
    limit = float(ordered[ceil((1.0 - _BAD) * len(values)) - 1])
    if limit == ordered[-1]:
        better = ordered[ordered < limit]
        tied = len(ordered) - len(better)
        limit = float(better[-1]) if tied <= _TIED * len(ordered) else limit + margin * abs(limit)
    return min(limit, _LARGEST) if upper else -min(limit, _LARGEST)


def stated(limit: float | None) -> float | None:
    """A limit that was stated, if it can be compared with."""
    return limit if limit is not None and isfinite(limit) else None


def thinning(values: Floats) -> int:
    """Each how many-th record can be judged for itself: 1, or the least k with upper^k <= 0.05.

    `upper` is an upper bound of the lag-1 correlation: two standard errors and the small-sample
    bias above it.
    """
    n = len(values)
    phi = lag_1(values)
    if phi <= _LAGGED or phi * sqrt(n) <= _SIGMAS:
        return 1
    upper = phi + 2.0 * sqrt(max(0.0, 1.0 - phi * phi) / n) + (1.0 + 3.0 * phi) / n
    if upper >= 1.0:
        return NOT_TO_BE_THINNED
    return min(THIN_MAX, ceil(log(_LEFT) / log(upper)))
