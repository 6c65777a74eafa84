"""Evidence that two rates differ whose shares of the traffic nobody stated: exact, from the first
unit, at every look.

Under rates p of the treatment and q of control, each arm's beta-binomial mixture over its
likelihood is a martingale that starts at 1, whichever arm the next unit falls to, and so is their
product. Dividing by the likelihood of the best p and q of the null instead of the true ones only
makes it smaller, so it passes 1/a with a chance of at most a, however often it is looked at:
universal inference (Wasserman, Ramdas, Balakrishnan, PNAS 2020), here of two streams of units with
the prior of Turner, Ly and Gruenwald ("Generic E-variables for exact sequential k-sample tests",
JSPI 2024, arXiv:2106.02693). It needs no variance and no burn-in, so it finds a total outage at
once; ordinary effects a confidence sequence finds sooner.
"""

from math import isnan, log, log1p, sqrt

from agents.statistics.special import betaln
from schemas.compiled import compiled

PART = 0.2  # of the level, beside the confidence sequence's; an outage proves itself at any level
# Rates that stand for 0 and 1, so that no hits of a rate of 0 weigh nothing.
_NONE, _ALL = 1e-300, 1.0 - 2.0**-53
PRIOR = 0.18  # both parameters of each arm's beta prior
# Of a multiplier; evidence of one nat against counts below 10^12 has it in between.
LEAST, MOST = 1e-3, 1e17
HALVINGS = 32  # of its logarithm: to eight digits


@compiled
def log_e_above(x: float, n: float, y: float, m: float, least: float) -> float:
    """log e that x hits of n units come of a higher rate than y of m; n and m above 0.

    Where it cannot reach `least` an upper bound that stays below it: no mixture beats the best
    rates, and of these an arm's divergence from the pooled rate is at most its chi-squared.
    """
    bound = _chi_squared(x, n, y, m)
    if bound < least:
        return bound
    return mixture(x, n, y, m) - _null(x, n, y, m)


@compiled
def _chi_squared(x: float, n: float, y: float, m: float) -> float:
    """Pearson's chi-squared, 0 where x's rate is not higher."""
    pooled, above = (x + y) * (n + m - x - y), x * m - y * n
    return above * above * (n + m) / (n * m * max(pooled, 1.0)) if above > 0.0 else 0.0


@compiled
def mixture(x: float, n: float, y: float, m: float) -> float:
    """log of the likelihood of both arms, averaged over their priors."""
    both = betaln(x + PRIOR, n - x + PRIOR) + betaln(y + PRIOR, m - y + PRIOR)
    return both - 2.0 * betaln(PRIOR, PRIOR)


@compiled
def least_difference(x: float, n: float, y: float, m: float, level: float) -> float:
    """The least difference of the rates, x's minus y's, that is not rejected as too small at
    evidence `level`.

    Of all rates with one difference the likeliest solve, for some multiplier k, x / p - (n - x) /
    (1 - p) = k and the same for the other arm with -k: two quadratic equations. Their likelihood
    and their difference fall as k grows, so k is halved in to where the evidence against them
    reaches the level.
    """
    wanted = mixture(x, n, y, m) - level
    low, high = LEAST, MOST
    for _ in range(HALVINGS):
        middle = sqrt(low * high)
        p, q = _restrained(x, n, middle), _restrained(y, m, -middle)
        if _likelihood(x, n, p) + _likelihood(y, m, q) > wanted:
            low = middle
        else:
            high = middle
    # The end from inside: where the evidence has reached the level at no difference, it lies beyond
    # 0.
    return _restrained(x, n, low) - _restrained(y, m, -low)


@compiled
def _null(x: float, n: float, y: float, m: float) -> float:
    """log of the likelihood of the best rates where x's is not the higher one."""
    if x * m > y * n:
        pooled = (x + y) / (n + m)
        return _likelihood(x, n, pooled) + _likelihood(y, m, pooled)
    return _likelihood(x, n, x / n) + _likelihood(y, m, y / m)


@compiled
def _likelihood(x: float, n: float, p: float) -> float:
    return x * log(max(p, _NONE)) + (n - x) * log1p(-min(p, _ALL))


@compiled
def _restrained(x: float, n: float, k: float) -> float:
    """The p in [0, 1] with k p^2 - (k + n) p + x = 0, by the form of the root that cancels
    nothing.
    """
    both = k + n
    root = sqrt(max(both * both - 4.0 * k * x, 0.0))
    p = 2.0 * x / (both + root) if both >= 0.0 else (both - root) / (2.0 * k)
    return 0.0 if isnan(p) else min(max(p, 0.0), 1.0)
