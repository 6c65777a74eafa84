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

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Floats = NDArray[np.float64]

PART = 0.2  # of the level, beside the confidence sequence's; an outage proves itself at any level
_NONE, _ALL = (
    1e-300,
    1.0 - 2.0**-53,
)  # rates that stand for 0 and 1, so that no hits of a rate of 0 weigh nothing
PRIOR = 0.18  # both parameters of each arm's beta prior
LEAST, MOST = (
    1e-3,
    1e17,
)  # of a multiplier; evidence of one nat against counts below 10^12 has it in between
HALVINGS = 32  # of its logarithm: to eight digits


def log_e_above(x: Floats, n: Floats, y: Floats, m: Floats) -> Floats:
    """log e that x hits of n units come of a higher rate than y of m, all shape (n,); n and m above
    0.
    """
    return mixture(x, n, y, m) - _null(x, n, y, m)


def most_above(x: Floats, n: Floats, y: Floats, m: Floats) -> Floats:
    """An upper bound of `log_e_above` without a logarithm, shape (n,): Pearson's chi-squared, 0
    where x's rate is not higher.

    No mixture beats the best rates, and of these an arm's divergence from the pooled rate is at
    most its chi-squared.
    """
    pooled, above = (x + y) * (n + m - x - y), x * m - y * n
    return np.where(above > 0.0, above * above * (n + m) / (n * m * np.maximum(pooled, 1.0)), 0.0)


def mixture(x: Floats, n: Floats, y: Floats, m: Floats) -> Floats:
    """log of the likelihood of both arms, averaged over their priors."""
    both = betaln(x + PRIOR, n - x + PRIOR) + betaln(y + PRIOR, m - y + PRIOR)
    return np.asarray(both - 2.0 * betaln(PRIOR, PRIOR))


def least_difference(x: Floats, n: Floats, y: Floats, m: Floats, level: Floats) -> Floats:
    """The least difference of the rates, x's minus y's, that is not rejected as too small at
    evidence `level`, shape (n,).

    Of all rates with one difference the likeliest solve, for some multiplier k, x / p - (n - x) /
    (1 - p) = k and the same for the other arm with -k: two quadratic equations. Their likelihood
    and their difference fall as k grows, so k is halved in to where the evidence against them
    reaches the level.
    """
    wanted = mixture(x, n, y, m) - level
    low, high = np.full(len(x), LEAST), np.full(len(x), MOST)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        p, q = _restrained(x, n, middle), _restrained(y, m, -middle)
        likelier = _likelihood(x, n, p) + _likelihood(y, m, q) > wanted
        low, high = np.where(likelier, middle, low), np.where(likelier, high, middle)
    # The end from inside: where the evidence has reached the level at no difference, it lies beyond
    # 0.
    return _restrained(x, n, low) - _restrained(y, m, -low)


def _null(x: Floats, n: Floats, y: Floats, m: Floats) -> Floats:
    """log of the likelihood of the best rates where x's is not the higher one."""
    pooled, above = (x + y) / (n + m), x * m > y * n
    p, q = np.where(above, pooled, x / n), np.where(above, pooled, y / m)
    return _likelihood(x, n, p) + _likelihood(y, m, q)


def _likelihood(x: Floats, n: Floats, p: Floats) -> Floats:
    return x * np.log(np.maximum(p, _NONE)) + (n - x) * np.log1p(-np.minimum(p, _ALL))


def _restrained(x: Floats, n: Floats, k: Floats) -> Floats:
    """The p in [0, 1] with k p^2 - (k + n) p + x = 0, by the form of the root that cancels
    nothing.
    """
    sum_, root = k + n, np.sqrt(np.maximum((k + n) ** 2 - 4.0 * k * x, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(sum_ >= 0.0, 2.0 * x / (sum_ + root), (sum_ - root) / (2.0 * k))
    return np.asarray(np.clip(np.where(np.isnan(p), 0.0, p), 0.0, 1.0))
