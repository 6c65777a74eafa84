"""How large a pair's effect looks as its rows stand, and between which ends."""

from math import floor, inf, isnan, log, log2, nan

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.blocks import (
    ends_in_blocks,
    has_mixed_blocks,
    is_of_means,
)
from agents.experiments.evidence.pair_evidence import (
    counted,
    more_and_fewer,
    more_is_harm,
    rates_apart,
)
from agents.experiments.evidence.pair_ramp import dispersion, ends_of_ramp, has_events
from agents.experiments.evidence.pair_samples import (
    difference,
    fewest,
    has_enough,
    has_units,
    independent_units,
    misses_squares,
    needed_of_mean,
    rounding,
    units_of,
)
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import BURN_IN, radius
from agents.statistics.multinomial import edges
from agents.statistics.rate_comparison import PART, least_difference
from agents.statistics.scalars import greater_known, less_known
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs
from state.pairs.ramp_table import NO_SLOT

Ints = NDArray[np.int64]

# Of a rate, and as many misses, in each arm: with fewer its interval is not to be relied on.
SETTLED_HITS = 30
POINT_UNITS = 256  # of both arms, in which a chart has one point at most
PER_DOUBLING = 16  # a running interval is cut at each sixteenth of a doubling of the sample


@compiled
def interval_of(rows: ArmRows, pairs: Pairs, pair: int, tails: float) -> tuple[float, float, float]:
    """The effect, treatment minus control per unit, and the ends of its interval; NaN where an arm
    is empty, and no interval where a variance is missing.

    Each end is the test's own bound at level alpha * tails, so a verdict's interval leaves 0 out;
    with half tails it holds the truth at all moments with probability 1 - alpha.
    """
    return interval_given(rows, pairs, pair, tails, nan, nan)


@compiled
def interval_given(
    rows: ArmRows, pairs: Pairs, pair: int, tails: float, harm: float, gain: float
) -> tuple[float, float, float]:
    """The same where the exact evidence is at hand; NaN where it is not."""
    effect, _, _ = difference(rows, pairs, pair)
    alpha, by_counts = rows[pair].alpha * tails, rows[pair].method == Method.COUNTS
    if not has_units(rows, pair):
        low, high = _interval_of_mean(rows, pairs, pair, alpha)
    elif by_counts and rows[pair].ramped:
        low, high = _interval_of_ramp(rows, pairs, pair, alpha)
    elif by_counts:
        low, high = _interval_of_counts(rows, pairs, pair, alpha, harm, gain)
    elif rows[pair].method == Method.RATES_IN_BLOCKS:
        low, high = _interval_in_blocks(rows, pairs, pair, alpha)
    elif rows[pair].method == Method.RATES and not rows[pair].ramped:
        low, high = _interval_of_rates(rows, pairs, pair, alpha)
    else:
        low, high = _interval_of_mean(rows, pairs, pair, alpha)
    if (by_counts or rows[pair].method == Method.RATES_IN_BLOCKS) and not isnan(low):
        # A count test takes the planned share for the units' own, and odds ratios are turned into
        # differences at one rate, so what was observed may lie a little outside what is left.
        low, high = less_known(low, effect), greater_known(high, effect)
    return effect, low, high


@compiled
def is_settled(rows: ArmRows, pairs: Pairs, pair: int) -> bool:
    """Whether an interval may be relied on: enough and some spread for a mean, enough hits and
    misses for a rate.
    """
    if rows[pair].method == Method.SPLIT or not has_enough(rows, pair):
        return False
    if is_of_means(rows, pair) and not difference(rows, pairs, pair)[1] > 0.0:
        return False
    return _has_many(rows, pair, pair) and _has_many(rows, pair, rows[pair].control)


@compiled
def _has_many(rows: ArmRows, pair: int, row: int) -> bool:
    arm, tally = rows[row], rows[pair].tally
    if tally == Tally.MEAN:
        return True
    misses = SETTLED_HITS if tally == Tally.COUNT else arm.count - arm.hits
    return arm.count >= BURN_IN and min(arm.hits, misses) >= SETTLED_HITS


@compiled
def exact_interval(rows: ArmRows, pair: int, level: float) -> tuple[float, float]:
    """The difference of two rates that the exact test leaves at this evidence; both arms have
    units.

    Of counts of several a unit the units with any are what is bounded.
    """
    (y, m), (x, n) = independent_units(rows, pair)
    y, x = min(y, m), min(x, n)
    low = least_difference(x, n, y, m, level)
    return low, -least_difference(y, m, x, n, level)


@compiled
def _interval_of_mean(rows: ArmRows, pairs: Pairs, pair: int, alpha: float) -> tuple[float, float]:
    """The confidence sequence of the difference; a point where all values of both arms are equal,
    on enough of them.
    """
    effect, se, n = difference(rows, pairs, pair)
    constant = se == 0.0 and is_of_means(rows, pair) and has_enough(rows, pair)
    if not (se > 0.0 or constant) or not has_units(rows, pair) or misses_squares(rows, pair):
        return nan, nan
    wide = radius(greater_known(se, rounding(rows, pair)), n, alpha)
    return effect - wide, effect + wide


@compiled
def _interval_of_rates(rows: ArmRows, pairs: Pairs, pair: int, alpha: float) -> tuple[float, float]:
    """The confidence sequence's interval and the exact test's, each at its part of the level, cut
    with each other.

    The exact one is the wider and takes long to find, so it is asked for where there is no other
    yet, and of an end at which the exact test rejects 0 already.
    """
    level = -log(alpha * PART)
    low, high = _interval_of_mean(rows, pairs, pair, alpha * (1.0 - PART))
    early = fewest(rows, pair) < needed_of_mean(rows, pair) or isnan(low)
    if early:
        low, high = -inf, inf
    more, fewer = rates_apart(rows, pair, level, level)
    if early or max(more, fewer) >= level:
        least, most = exact_interval(rows, pair, level)
        low, high = max(low, least), min(high, most)
    return low, high


@compiled
def _interval_in_blocks(
    rows: ArmRows, pairs: Pairs, pair: int, alpha: float
) -> tuple[float, float]:
    """The effect between the odds ratios that the blocks leave; what the units themselves leave
    before one tells anything.
    """
    level = -log(alpha)
    if not has_mixed_blocks(rows, pairs.blocks, pair):
        return exact_interval(rows, pair, level)
    return ends_in_blocks(rows, pairs.blocks, pair, level)


@compiled
def _interval_of_ramp(rows: ArmRows, pairs: Pairs, pair: int, alpha: float) -> tuple[float, float]:
    """The effect between the log ratios of the rates that the ramp's test leaves."""
    level = -log(alpha)
    if rows[pair].ramp_slot == NO_SLOT or not has_events(rows, pairs.ramps, pair):
        return exact_interval(rows, pair, level)
    low, high = ends_of_ramp(rows, pairs.ramps, pair, level)
    return (-high, -low) if rows[rows[pair].aggregate_row].flipped else (low, high)


@compiled
def _interval_of_counts(
    rows: ArmRows, pairs: Pairs, pair: int, alpha: float, harm: float, gain: float
) -> tuple[float, float]:
    """The effect between the shares of the counted outcome that the test leaves, at the observed
    rate of both arms.

    With rate p of both arms and the treatment's planned share r of their units, a share t of the
    counted outcome is an effect of p (t / r - (1 - t) / (1 - r)). Where nothing was counted yet
    nothing is proved, and the units themselves bound the difference.
    """
    n, m = units_of(rows, pair), units_of(rows, rows[pair].control)
    x, y = counted(rows, pair)
    flipped = rows[rows[pair].aggregate_row].flipped
    if x + y == 0.0:
        return exact_interval(rows, pair, -log(alpha))
    if isnan(harm):
        more, fewer = more_and_fewer(rows, pairs, pair, -inf, -inf)
    else:
        more, fewer = (harm, gain) if more_is_harm(rows, pair) else (gain, harm)
    share, rate = rows[pair].share, (x + y) * dispersion(rows, pair) / (n + m)
    least, most = edges(x, y, share, alpha, more, fewer)
    low, high = _effect_at(least, share, rate), _effect_at(most, share, rate)
    return (-high, -low) if flipped else (low, high)


@compiled
def _effect_at(part: float, share: float, rate: float) -> float:
    return rate * (part / share - (1.0 - part) / (1.0 - share))


@compiled
def mark(units: int) -> int:
    """Which step of the scale of sample sizes a sample stands on."""
    return floor(log2(max(units, 1)) * PER_DOUBLING)


@compiled
def next_mark(units: int) -> int:
    """The sample size at which the step after that of `units` begins, or one less."""
    return int(2.0 ** ((mark(units) + 1.0) / PER_DOUBLING)) if units > 0 else 1


@compiled
def is_told(step: int, before: int) -> bool:
    """Whether people are told of a cut at this step of the scale after one before it: once in
    POINT_UNITS units of both arms at most, so that what is written of points stays few beside the
    records that they come of. From some 6 000 units on a step is longer than that.
    """
    return _begins(step) // POINT_UNITS != _begins(before) // POINT_UNITS


@compiled
def _begins(step: int) -> int:
    """The sample size at which a step of the scale begins."""
    return int(2.0 ** (step / PER_DOUBLING))


def next_marks(units: Ints) -> Ints:
    """`next_mark` of each sample, shape (n,)."""
    marks = np.empty(len(units), np.int64)
    _fill_marks(np.ascontiguousarray(units), marks)
    return marks


@compiled
def _fill_marks(units: Ints, marks: Ints) -> None:
    for at in range(len(units)):
        marks[at] = next_mark(units[at])


@compiled
def shown_interval(rows: ArmRows, pair: int, low: float, high: float) -> tuple[float, float]:
    """The interval that people are shown: what the running one leaves of the present one.

    Where they leave nothing, no single effect explains the data, and the present one is shown.
    """
    shown_low = greater_known(low, rows[pair].running_low)
    shown_high = less_known(high, rows[pair].running_high)
    return (low, high) if shown_low > shown_high else (shown_low, shown_high)
