"""How many units a test needs that is looked at once, at its end: what every other size is told
against.
"""

from math import inf, sqrt

from scipy.special import ndtri

POWER = 0.8  # four true effects in five are found


def fixed_size(
    variances: tuple[float, float], difference: float, share: float, alpha: float
) -> float:
    """Units of both arms of a one-sided z test that finds a difference of means with `POWER`.

    variances: of one unit, of control and of the treatment; share: of the treatment, of all units.
    inf where there is no difference. (Lachin, "Introduction to sample size determination and power
    analysis for clinical trials", Controlled Clinical Trials 1981.)

    A worked example: rates of 10 % and 11 %, variances 0.09 and 0.0979, half of the units in
    either arm and alpha = 0.05: ((1.645 + 0.842) / 0.01)^2 (0.09 / 0.5 + 0.0979 / 0.5) = 23 235.
    """
    if difference == 0.0:
        return inf
    of_one = variances[0] / (1.0 - share) + variances[1] / share
    quantiles = -float(ndtri(alpha)) + float(ndtri(POWER))
    return of_one * (quantiles / difference) ** 2


def smallest_difference(
    variances: tuple[float, float], units: float, share: float, alpha: float
) -> float:
    """The difference that such a test finds with so many units of both arms."""
    of_one = variances[0] / (1.0 - share) + variances[1] / share
    return (-float(ndtri(alpha)) + float(ndtri(POWER))) * sqrt(of_one / units)
