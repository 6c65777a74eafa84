"""How much of a value a number tells that was known of its unit before: a straight line.

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by
utilizing pre-experiment data", WSDM 2013 (CUPED). A value less coefficient * (covariate - mean) has
the same difference between arms, for chance alone decides which arm a unit falls to, and the part 1
- rho^2 of the variance, where rho is the correlation of both.
"""

from math import fsum, isfinite
from typing import NamedTuple

import numpy as np

from agents.core.batch import Floats

KNOWN_LEAST = 30  # values with a covariate, from which a line is drawn
# Of rho^2 times the values: of a covariate that tells nothing it is more once in 20 times, and then
# the line costs a hundredth of the sample at most.
NOTICED = 4.0
TAIL = 0.01  # of the covariates on either side, beyond which they are cut: few and far out


class Line(NamedTuple):
    """least, most: between which a covariate is taken."""

    coefficient: float
    mean: float
    least: float
    most: float


def line_of(values: Floats, covariates: Floats) -> Line | None:
    """The line of least squares through values and covariates, NaN where one is not known, each of
    shape (n,); None where too few are known or they tell nothing of the values.

    Summed exactly, in whatever order, and scaled, so that no square overflows.
    """
    known = np.isfinite(covariates)
    covariates, values = covariates[known], values[known]
    if len(values) < KNOWN_LEAST:
        return None
    least = float(np.quantile(covariates, TAIL, method="lower"))
    most = float(np.quantile(covariates, 1.0 - TAIL, method="higher"))
    covariates = np.clip(covariates, least, most)
    x, of_x, size_x = _apart(covariates)
    y, _, size_y = _apart(values)
    xx, xy, yy = fsum(x * x), fsum(x * y), fsum(y * y)
    if not (xx > 0.0 and yy > 0.0 and xy * xy * len(x) >= NOTICED * xx * yy):
        return None
    line = Line(xy / xx * size_y / size_x, of_x * size_x, least, most)
    return line if all(map(isfinite, line)) else None


def taken_off(line: Line, covariates: Floats) -> Floats:
    """What a line takes off each value, shape (n,); 0 where no covariate is known."""
    apart = np.clip(covariates, line.least, line.most) - line.mean
    return np.where(np.isfinite(covariates), line.coefficient * apart, 0.0)


def _apart(values: Floats) -> tuple[Floats, float, float]:
    """(how far values are from their mean, the mean), both over (the largest size)."""
    size = float(np.abs(values).max()) or 1.0
    scaled = values / size
    mean = fsum(scaled) / len(scaled)
    return scaled - mean, mean, size
