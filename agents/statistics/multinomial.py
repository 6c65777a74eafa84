"""Evidence from counted events: the multinomial test, valid at every look.

Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022,
arXiv:2011.03567: under the null an event falls to an arm with that arm's share of the traffic,
whatever the base rate does. The one-sided form cuts the prior to the harmful side, so that a gain
never adds up to a proof of harm.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaln

Floats = NDArray[np.float64]

CONCENTRATIONS = (
    10.0,
    100.0,
)  # priors suited to a doubling and to a fifth; the mean of e-values is an e-value
WEIGHTS = (0.8, 0.2)  # of the two: the larger a harm, the sooner it must be found
NEWTONS = 10  # steps to an edge; each doubles the digits that are right
NO_EVIDENCE = (
    -700.0
)  # log e where the mass on the harmful side underflows: e = 0 for every purpose, and finite
SPLIT_CONCENTRATION = (
    200.0  # suited to five points off an even split; 1 000 finds them a third later
)


def log_e_one_sided(x: Floats, y: Floats, rho: Floats, least: Floats) -> Floats:
    """log e that the share of `x` is above `rho`; x of the suspected arm, y of the other, all shape
    (n,).

    Exact where it may reach `least`; elsewhere an upper bound that stays below it, because the mass
    of a Beta costs ten times all the rest and most moments prove nothing.
    """
    each = [_one_sided_parts(x, y, rho, k) for k in CONCENTRATIONS]
    bound = _mixed([two_sided - prior for two_sided, prior in each])
    exact = np.flatnonzero(bound >= least)
    if len(exact):
        x, y, rho = x[exact], y[exact], rho[exact]
        cut = [
            _with_mass(
                two_sided[exact] - prior[exact], betaincc(k * rho + x, k * (1.0 - rho) + y, rho)
            )
            for k, (two_sided, prior) in zip(CONCENTRATIONS, each, strict=True)
        ]
        bound[exact] = _mixed(cut)
    return bound


def edges(
    x: Floats, y: Floats, rho: Floats, alpha: Floats, up: Floats, down: Floats
) -> tuple[Floats, Floats]:
    """The shares of `x` between which neither one-sided test rejects at its level alpha, shape
    (n,).

    up, down: log e that the share is above and below rho. Their priors are fixed, so the same
    evidence tests every share t: log e(t) = log e(rho) + x ln(rho / t) + y ln((1 - rho) / (1 - t)).
    An edge reaches rho when the test at rho reaches 1/alpha, so verdict and interval agree.
    """
    level = -np.log(alpha) + _surprise(x, y, rho)
    return _edge(x, y, level - up), 1.0 - _edge(y, x, level - down)


def _edge(x: Floats, y: Floats, reached: Floats) -> Floats:
    """Where below x / (x + y) the surprise falls to `reached`, shape (n,); x / (x + y) where it
    never does.

    Newton's steps on the logarithm of the share, along which the surprise is convex: from outside
    they never overshoot.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        middle = np.log(x / (x + y))
        at = np.minimum(-reached / x, middle)
        for _ in range(NEWTONS):
            share = np.exp(at)
            left = -x * at - np.where(y > 0.0, y * np.log1p(-share), 0.0) - reached
            at = np.minimum(
                at
                + np.maximum(left, 0.0) / (x - np.where(y > 0.0, y * share / (1.0 - share), 0.0)),
                middle,
            )
            at = np.where(np.isnan(at), middle, at)
    return np.where(x > 0.0, np.exp(at), 0.0)


def _surprise(x: Floats, y: Floats, share: Floats) -> Floats:
    return np.asarray(-x * np.log(share) - y * np.log1p(-share))


def log_e_split(x: Floats, y: Floats, rho: Floats) -> Floats:
    """log e that the share of `x` is not `rho`, either way, shape (n,)."""
    return _log_e(x, y, rho, SPLIT_CONCENTRATION)


def _log_e(x: Floats, y: Floats, rho: Floats, k: float) -> Floats:
    a, b = k * rho, k * (1.0 - rho)
    return np.asarray(betaln(a + x, b + y) - betaln(a, b) - x * np.log(rho) - y * np.log1p(-rho))


def _one_sided_parts(x: Floats, y: Floats, rho: Floats, k: float) -> tuple[Floats, Floats]:
    """The two-sided log e, and the log of the prior's mass above rho."""
    shares, at = np.unique(rho, return_inverse=True)
    prior = np.log(betaincc(k * shares, k * (1.0 - shares), shares))
    return _log_e(x, y, rho, k), prior[at]


def _with_mass(log_e: Floats, mass: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.where(mass > 0.0, np.maximum(log_e + np.log(mass), NO_EVIDENCE), NO_EVIDENCE)


def _mixed(each: list[Floats]) -> Floats:
    return np.asarray(np.logaddexp(each[0] + np.log(WEIGHTS[0]), each[1] + np.log(WEIGHTS[1])))


def pooled_z(
    hits: Floats, count: Floats, other_hits: Floats, other_count: Floats, several: NDArray[np.bool_]
) -> Floats:
    """The pooled z of two rates, positive where the first is higher; 0 where there is no variance,
    shape (n,).

    A unit has one hit at most, or `several`: then the variance is a Poisson count's.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (hits + other_hits) / (count + other_count)
        variance = np.where(several, pooled, pooled * np.maximum(1.0 - pooled, 0.0))
        se = np.sqrt(variance * (1.0 / count + 1.0 / other_count))
        z = (hits / count - other_hits / other_count) / se
    return np.where(np.isfinite(z), z, 0.0)
