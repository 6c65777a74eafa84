"""Evidence that a rate is worse by less than its margin, from blocks of units: exact at every look,
however the base rate and the arms' shares move from block to block.

A block has n units of the treatment, of which x are bad, and m of control, of which y are. The null
is that the treatment's rate p of bad units is worse than control's u by the margin or more,

    p >= b(u),  b(u) = max(u + a, c + k u),

with the absolute margin a, and with c + k u, which is (1 + margin) u where bad units are hits. b is
convex, so the null is a convex set of pairs of rates, and if p0, u0 are those of the null nearest
to an alternative q, v, by n KL(q, p) + m KL(v, u), the likelihood ratio of the block,

    (q / p0)^x ((1 - q) / (1 - p0))^(n - x) (v / u0)^y ((1 - v) / (1 - u0))^(m - y),

has a mean of at most 1 everywhere in the null (Turner and Gruenwald, "Exact anytime-valid
confidence intervals for contingency tables and beyond", Statistics and Probability Letters 2023,
arXiv:2203.09785, theorem 1: its logarithm's mean is concave in the rates, and p0, u0 is where it is
highest). So the product over blocks is an e-process, also where q and v are what the blocks before
look like, and so is the mean of several. One of two alternatives has both arms alike, which most
treatments are; the other has each arm as it was, without which one that is a little worse would
never be found within its margin.

A worked example: a = 0.1, ten units of either arm, alternatives of 0.1 in both. The nearest rates
are 0.169 and 0.069, and without a bad unit the log ratio is 10 log(0.9 / 0.831) + 10 log(0.9 /
0.931) = 0.46.
"""

from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.statistics.scalars import log_added
from schemas.compiled import compiled
from state.pairs.pair_blocks import DIFFERENCE, RATE, WEIGHT, WITHIN

Floats = NDArray[np.float64]

HALVINGS = 45  # of the rates in which the nearest one of the null lies, down to rounding
# Weighs as much as a unit of each arm nearly, as in agents.statistics.rate_comparison.
_PRIOR = 0.18
_LEAST = 1e-9  # of a rate that an alternative has, and of its distance from 1
_LOG_2 = log(2.0)


class Margin(NamedTuple):
    """How much worse is allowed: absolute, above 0, and relative, in the unit of a rate. fewer:
    whether fewer hits are worse.
    """

    relative: float
    absolute: float
    fewer: bool


@compiled
def add_within(
    blocks: Floats, slot: int, units: tuple[float, float, float, float], margin: Margin
) -> None:
    """Adds the log likelihood ratios of a block to a row, before the block is added to its other
    sums; units: of the treatment, of which hit, of control, of which hit.
    """
    n, x, m, y = units
    weight = blocks[slot, WEIGHT]
    rate = (blocks[slot, RATE] + _PRIOR) / (weight + 2.0 * _PRIOR)
    apart = blocks[slot, DIFFERENCE] / (weight + 2.0 * _PRIOR)
    if margin.fewer:
        x, y, rate, apart = n - x, m - y, 1.0 - rate, -apart
    own = n / (n + m)
    _add(blocks, slot, WITHIN, (n, x, m, y), (_rate(rate), _rate(rate)), margin)
    alone = _rate(rate + (1.0 - own) * apart), _rate(rate - own * apart)
    _add(blocks, slot, WITHIN + 1, (n, x, m, y), alone, margin)


@compiled
def log_e_within(blocks: Floats, slot: int, design_effect: float) -> float:
    """log e that the treatment is worse by less than its margin; design_effect: records that weigh
    as one.
    """
    alike, apart = blocks[slot, WITHIN] / design_effect, blocks[slot, WITHIN + 1] / design_effect
    return log_added(alike, apart) - _LOG_2


@compiled
def worst_allowed(control: float, margin: Margin) -> float:
    """The treatment's rate of bad units that is no longer allowed, of control's."""
    of_ratio = (1.0 + margin.relative) * control
    if margin.fewer:
        # What is lost of the good ones, all of them at most.
        lost = min(margin.relative, 1.0 - _LEAST)
        of_ratio = lost + (1.0 - lost) * control
    return max(control + margin.absolute, of_ratio)


@compiled
def nearest(
    units: tuple[float, float], alternative: tuple[float, float], margin: Margin
) -> tuple[float, float]:
    """The rates of the null nearest to an alternative of treatment and control; the alternative
    itself where it is of the null. units: of treatment and control.

    Between the rate of control whose limit is the treatment's and control's own both divergences
    are convex, one rising and one falling, so the derivative is halved in.
    """
    n, m = units
    q, v = alternative
    if worst_allowed(v, margin) <= q:
        return q, v
    low, high = 0.0, v
    for _ in range(HALVINGS):
        u = 0.5 * (low + high)
        p = worst_allowed(u, margin)
        if p < 1.0 and (p <= q or _slope(n, q, p) * _steepness(u, margin) < -_slope(m, v, u)):
            low = u
        else:
            high = u
    return min(worst_allowed(low, margin), 1.0 - _LEAST * _LEAST), low


@compiled
def _slope(units: float, rate: float, at: float) -> float:
    """Of units * KL(rate, at), by `at`."""
    return units * (at - rate) / (at * (1.0 - at))


@compiled
def _steepness(control: float, margin: Margin) -> float:
    """Of `worst_allowed`, by control's rate."""
    allowed = worst_allowed(control, margin)
    if allowed <= control + margin.absolute:
        return 1.0
    return 1.0 - min(margin.relative, 1.0 - _LEAST) if margin.fewer else 1.0 + margin.relative


@compiled
def _add(
    blocks: Floats,
    slot: int,
    column: int,
    units: tuple[float, float, float, float],
    alternative: tuple[float, float],
    margin: Margin,
) -> None:
    n, x, m, y = units
    q, v = alternative
    p, u = nearest((n, m), alternative, margin)
    if p == q and u == v:
        return
    u = max(u, _LEAST * _LEAST)
    blocks[slot, column] += (
        x * log(q / p)
        + (n - x) * log((1.0 - q) / (1.0 - p))
        + y * log(v / u)
        + (m - y) * log((1.0 - v) / (1.0 - u))
    )


@compiled
def _rate(value: float) -> float:
    return min(max(value, _LEAST), 1.0 - _LEAST)
