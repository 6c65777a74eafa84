"""Evidence that two rates differ, from blocks of units: exact at every look, whatever part of the
traffic either arm has, and however the base rate moves from block to block.

A block is a stretch of the log with units of both arms: n of the treatment, of which x hit, m of
control, of which y hit. Given x + y, and if the odds of both arms have the ratio e^d, x has
Fisher's noncentral hypergeometric distribution (Fisher, "The logic of inductive inference", JRSS
1935), in which neither the base rate nor the arms' shares are left:

    P_d(x) = w(x) e^(d x) / sum_k w(k) e^(d k),  w(k) = C(n, k) C(m, x + y - k).

The likelihood ratio P_d(x) / P_0(x) of a block has the mean 1 if d is 0, and at most 1 if the odds
ratio lies on the other side of 0 (log sum_k w(k) e^(dk) is convex in d), so the product over blocks
is an e-process of each d, and so is its mean over several d (cf. Turner, Ly and Gruenwald, "Generic
E-variables for exact sequential k-sample tests that allow for optional stopping", JSPI 2024,
arXiv:2106.02693, and Cochran, Mantel and Haenszel's test of strata, whose weights it has close to
0). Whoever closes blocks must not look at the hits.

A worked example: one unit of the treatment hits, four of control do not. With d = log 2, w = (4, 1)
for x = 0 and 1, so the ratio is 2 * 5 / (4 + 2) = 1.67.
"""

from math import exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled, read_only
from state.pairs.pair_blocks import ALTERNATIVES

Floats = NDArray[np.float64]

# Log odds ratios on either side of 0, from 1.25 % to six hundredfold, and what each weighs in the
# mean: a harm of twice or four times must be found soon, an effect of a few per cent at all. One of
# less than half the smallest is never proved.
SIDE = ALTERNATIVES // 2
_STEPS = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
_PARTS = (0.2, 0.4, 0.9, 0.9, 0.9, 0.9, 1.0, 0.8, 0.2, 0.2)
LOG_ODDS = read_only(np.array([*_STEPS, *(-step for step in _STEPS)]))
_RATIOS = read_only(np.array([exp(step) for step in (*_STEPS, *(-step for step in _STEPS))]))
_LOG_WEIGHTS = read_only(np.array([log(part / sum(_PARTS)) for part in _PARTS]))
NO_EVIDENCE = -700.0
FURTHEST = 14.0  # a log odds ratio that is taken for any larger one
MOST_TERMS = 4_000  # of a block's sum; a block with more is bounded instead
HALVINGS = 40
_SCALE = 1e200  # terms are scaled down beyond, so that none overflows
_LOG_SCALE = log(_SCALE)


@compiled
def add_block(rows: Floats, row: int, n: float, x: float, m: float, y: float) -> None:
    """Adds the log likelihood ratios of a block to the first columns of a row, one for each of
    LOG_ODDS; n, x: units and hits of the treatment; m, y: of control.

    Of a block with very many hits and misses the hits of the treatment are taken for binomial:
    their moments are larger than the hypergeometric's (Hoeffding, JASA 1963, theorem 4), so the
    ratio is smaller.
    """
    hits, units = x + y, n + m
    if hits == 0.0 or hits == units:
        return
    lowest, highest = max(0.0, hits - m), min(hits, n)
    if highest - lowest > MOST_TERMS:
        _add_bounded(rows, row, n, x, units, hits)
        return
    log_all = _log_mass(n, hits, m, lowest, highest, 1.0)
    for at in range(ALTERNATIVES):
        log_mass = _log_mass(n, hits, m, lowest, highest, _RATIOS[at])
        rows[row, at] += LOG_ODDS[at] * (x - lowest) - (log_mass - log_all)


@compiled
def _log_mass(
    n: float, hits: float, m: float, lowest: float, highest: float, ratio: float
) -> float:
    """log of the sum over k of w(k) / w(lowest) * ratio^(k - lowest)."""
    term, total, scaled = 1.0, 1.0, 0.0
    k = lowest
    while k < highest:
        term *= (n - k) * (hits - k) / ((k + 1.0) * (m - hits + k + 1.0)) * ratio
        total += term
        if total > _SCALE:
            term /= _SCALE
            total /= _SCALE
            scaled += _LOG_SCALE
        k += 1.0
    return log(total) + scaled


@compiled
def _add_bounded(rows: Floats, row: int, n: float, x: float, units: float, hits: float) -> None:
    """Counts the rarer of hits and misses."""
    misses = 2.0 * hits > units
    own, both, part = (n - x, units - hits, n / units) if misses else (x, hits, n / units)
    for at in range(ALTERNATIVES):
        ratio = 1.0 / _RATIOS[at] if misses else _RATIOS[at]
        rows[row, at] += own * log(ratio) - both * log(1.0 + part * (ratio - 1.0))


@compiled
def log_mean(rows: Floats, row: int, more: bool) -> float:
    """log e that the treatment has more hits, or fewer: the mean over the alternatives of a
    side.
    """
    first, most = 0 if more else SIDE, -inf
    for at in range(SIDE):
        most = max(most, rows[row, first + at] + _LOG_WEIGHTS[at])
    total = 0.0
    for at in range(SIDE):
        total += exp(rows[row, first + at] + _LOG_WEIGHTS[at] - most)
    return max(most + log(total), NO_EVIDENCE)


@compiled
def log_mean_grown(rows: Floats, row: int, more: bool, times: float) -> float:
    """The same if so many times as many blocks told what those so far do."""
    first, most = 0 if more else SIDE, -inf
    for at in range(SIDE):
        most = max(most, times * rows[row, first + at] + _LOG_WEIGHTS[at])
    total = 0.0
    for at in range(SIDE):
        total += exp(times * rows[row, first + at] + _LOG_WEIGHTS[at] - most)
    return max(most + log(total), NO_EVIDENCE)


@compiled
def end_of(rows: Floats, row: int, wanted: float, upper: bool) -> float:
    """The log odds ratio above, or below, the likeliest one at which the log likelihood ratio has
    fallen to `wanted`; beyond FURTHEST it is not looked for.
    """
    likeliest = 0
    for node in range(-SIDE, SIDE + 1):
        if _at_node(rows, row, node) > _at_node(rows, row, likeliest):
            likeliest = node
    inside, outside = _node(likeliest), FURTHEST if upper else -FURTHEST
    if log_ratio_at(rows, row, outside) >= wanted:
        return outside
    for _ in range(HALVINGS):
        middle = 0.5 * (inside + outside)
        if log_ratio_at(rows, row, middle) < wanted:
            outside = middle
        else:
            inside = middle
    return inside


@compiled
def log_ratio_at(rows: Floats, row: int, d: float) -> float:
    """The log likelihood ratio of any log odds ratio: a cubic through the four nearest
    alternatives, a straight line beyond the last.
    """
    last = LOG_ODDS[SIDE - 1]
    if abs(d) >= last:
        end = SIDE if d > 0.0 else -SIDE
        inner = end - 1 if d > 0.0 else end + 1
        slope = (_at_node(rows, row, end) - _at_node(rows, row, inner)) / (
            _node(end) - _node(inner)
        )
        return _at_node(rows, row, end) + slope * (d - _node(end))
    above = -SIDE
    while _node(above) <= d:
        above += 1
    first = min(max(above - 2, -SIDE), SIDE - 3)
    value = 0.0
    for i in range(first, first + 4):
        part = _at_node(rows, row, i)
        for j in range(first, first + 4):
            if j != i:
                part *= (d - _node(j)) / (_node(i) - _node(j))
        value += part
    return value


@compiled
def _node(number: int) -> float:
    """The log odds ratios from the lowest, -SIDE, over 0 to the highest, SIDE."""
    if number == 0:
        return 0.0
    return float(LOG_ODDS[number - 1] if number > 0 else LOG_ODDS[SIDE - number - 1])


@compiled
def _at_node(rows: Floats, row: int, number: int) -> float:
    if number == 0:
        return 0.0
    return float(rows[row, number - 1] if number > 0 else rows[row, SIDE - number - 1])


@compiled
def rates_at(d: float, rate: float, share: float) -> tuple[float, float]:
    """The rates of treatment and control whose log odds ratio is d, if `rate` is that of both
    together and the treatment has this share of the units.

    >>> [round(one, 4) for one in rates_at(log(2.0), 0.1, 0.5)]
    [0.1303, 0.0697]
    """
    odds = exp(d)
    a = (1.0 - share) * (odds - 1.0)
    b = share * odds + 1.0 - share - rate * (odds - 1.0)
    control = 2.0 * rate / (b + sqrt(max(b * b + 4.0 * a * rate, 0.0)))
    control = min(max(control, 0.0), 1.0)
    return odds * control / (1.0 + (odds - 1.0) * control), control
