"""Evidence from counted events: the multinomial test, valid at every look.

Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022,
arXiv:2011.03567: under the null an event falls to an arm with that arm's share of the traffic,
whatever the base rate does. The one-sided form cuts the prior to the harmful side, so that a gain
never adds up to a proof of harm.
"""

from math import exp, inf, isfinite, isnan, log, log1p, sqrt

from agents.statistics.scalars import log_added
from agents.statistics.special import betaincc, betaln
from schemas.compiled import compiled

Priors = tuple[float, float]  # the mass above a share of each of the two

# Priors suited to a doubling and to a fifth; the mean of e-values is an e-value.
CONCENTRATIONS = (10.0, 100.0)
WEIGHTS = (0.8, 0.2)  # of the two: the larger a harm, the sooner it must be found
NEWTONS = 10  # steps to an edge; each doubles the digits that are right
# log e where the mass on the harmful side underflows: e = 0 for every purpose, and finite.
NO_EVIDENCE = -700.0
SPLIT_CONCENTRATION = (
    200.0  # suited to five points off an even split; 1 000 finds them a third later
)


@compiled
def log_e_one_sided(
    x: float, y: float, rho: float, priors: Priors, least_above: float, least_below: float
) -> tuple[float, float]:
    """log e that the share of `x` among x + y counted events is above `rho`, and that it is below;
    priors: `prior_masses` of rho, which take as long to find as all the rest.

    Both are exact where one may reach its least; elsewhere each is an upper bound that stays below
    it, because the mass of a Beta costs a hundred times all the rest and most moments prove
    nothing: no mixture of alternatives on one side beats the best of them.
    """
    above = x * (1.0 - rho) > y * rho
    best = highest_log_ratio(x, y, rho, least_above if above else least_below)
    bound_above, bound_below = (best, 0.0) if above else (0.0, best)
    if bound_above < least_above and bound_below < least_below:
        return bound_above, bound_below
    return _log_e_one_sided(x, y, rho, priors)


@compiled
def highest_log_ratio(x: float, y: float, rho: float, least: float) -> float:
    """log of the likelihood of the observed share over that of `rho`; below `least` an upper bound
    of it, Pearson's chi-squared, which takes no logarithm.
    """
    events = x + y
    if events == 0.0:
        return 0.0
    excess = x - events * rho
    chi_squared = excess * excess / (events * rho * (1.0 - rho))
    if chi_squared < least:
        return chi_squared
    log_ratio = 0.0
    if x > 0.0:
        log_ratio += x * log(x / (events * rho))
    if y > 0.0:
        log_ratio += y * log(y / (events * (1.0 - rho)))
    return log_ratio


@compiled
def _log_e_one_sided(x: float, y: float, rho: float, priors: Priors) -> tuple[float, float]:
    log_above, log_below = -inf, -inf
    for prior in range(len(CONCENTRATIONS)):
        k, log_weight = CONCENTRATIONS[prior], log(WEIGHTS[prior])
        log_e = _log_e(x, y, rho, k)
        above, below = _masses(k * rho + x, k * (1.0 - rho) + y, rho)
        log_above = log_added(log_above, _cut(log_e, priors[prior], above) + log_weight)
        log_below = log_added(log_below, _cut(log_e, 1.0 - priors[prior], below) + log_weight)
    return log_above, log_below


@compiled
def prior_masses(rho: float) -> tuple[float, float]:
    """The mass that each prior has above `rho`; a half where no share is stated."""
    if not 0.0 < rho < 1.0:
        return 0.5, 0.5
    wide, narrow = CONCENTRATIONS
    return (
        _masses(wide * rho, wide * (1.0 - rho), rho)[0],
        _masses(narrow * rho, narrow * (1.0 - rho), rho)[0],
    )


@compiled
def _masses(a: float, b: float, rho: float) -> tuple[float, float]:
    """The mass of Beta(a, b) above `rho` and below it, the smaller one to all of its digits."""
    if a * (1.0 - rho) > b * rho or (a * (1.0 - rho) == b * rho and rho > 0.5):
        below = betaincc(b, a, 1.0 - rho)
        return 1.0 - below, below
    above = betaincc(a, b, rho)
    return above, 1.0 - above


@compiled
def _cut(log_e: float, before: float, mass: float) -> float:
    """log e under a prior that is cut to one side, where it had the mass `before`."""
    if not mass > 0.0:
        return NO_EVIDENCE
    cut = log_e - log(before) + log(mass)
    return NO_EVIDENCE if cut < NO_EVIDENCE else cut


@compiled
def _log_e(x: float, y: float, rho: float, k: float) -> float:
    a, b = k * rho, k * (1.0 - rho)
    return betaln(a + x, b + y) - betaln(a, b) - x * log(rho) - y * log1p(-rho)


@compiled
def log_e_split(x: float, y: float, rho: float) -> float:
    """log e that the share of `x` is not `rho`, either way."""
    return _log_e(x, y, rho, SPLIT_CONCENTRATION)


@compiled
def edges(
    x: float, y: float, rho: float, alpha: float, above: float, below: float
) -> tuple[float, float]:
    """The shares of `x` between which neither one-sided test rejects at its level alpha.

    above, below: log e that the share is above and below rho. Their priors are fixed, so the same
    evidence tests every share t: log e(t) = log e(rho) + x ln(rho / t) + y ln((1 - rho) / (1 - t)).
    An edge reaches rho when the test at rho reaches 1/alpha, so verdict and interval agree.
    """
    level = -log(alpha) + (-x * log(rho) - y * log1p(-rho))
    return _edge(x, y, level - above), 1.0 - _edge(y, x, level - below)


@compiled
def _edge(x: float, y: float, reached: float) -> float:
    """Where below x / (x + y) the surprise falls to `reached`; x / (x + y) where it never does.

    Newton's steps on the logarithm of the share, along which the surprise is convex: from outside
    they never overshoot.
    """
    if not x > 0.0:
        return 0.0
    middle = log(x / (x + y))
    at = min(-reached / x, middle)
    for _ in range(NEWTONS):
        share = exp(at)
        surprise, slope = -x * at, x
        if y > 0.0:
            surprise -= y * log1p(-share)
            slope -= y * share / (1.0 - share)
        following = at + max(surprise - reached, 0.0) / slope
        if isnan(following) or following > middle:
            following = middle
        if following == at:
            break
        at = following
    return exp(at)


@compiled
def pooled_z(
    hits: float, count: float, other_hits: float, other_count: float, several: bool
) -> float:
    """The pooled z of two rates, positive where the first is higher; 0 where there is no variance.

    A unit has one hit at most, or `several`: then the variance is a Poisson count's.
    """
    pooled = (hits + other_hits) / (count + other_count)
    variance = pooled if several else pooled * max(1.0 - pooled, 0.0)
    z = (hits / count - other_hits / other_count) / sqrt(
        variance * (1.0 / count + 1.0 / other_count)
    )
    return z if isfinite(z) else 0.0
