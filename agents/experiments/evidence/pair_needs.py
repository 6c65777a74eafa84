"""What a pair still needs: a guardrail to be sound, a verdict to be proved.

A guardrail is sound where its interval's bad end lies within what is allowed, on enough units. What
is allowed is the margin times control's value, or the absolute margin where that is more. A base of
0 has nothing to be relative to: of counted events the margin is then one in a hundred units unless
another is stated, which both arms without an event show with some 1 300 units each. Of other values
nobody knows what is much, so theirs must be stated.
"""

from math import inf, isnan, log, nan, sqrt

import numpy as np

from agents.experiments.evidence.blocks import (
    difference_in_blocks,
    evidence_within,
    has_mixed_blocks,
    margin_of,
    weighs_in_blocks,
    worst_in_blocks,
)
from agents.experiments.evidence.count_margin import (
    PART_OF_BASE,
    counted_events,
    has_counted,
    times_at_most,
    worst_of_counts,
)
from agents.experiments.evidence.covariate_balance import has_alike_covariates
from agents.experiments.evidence.pair_evidence import counted
from agents.experiments.evidence.pair_interval import exact_interval, interval_of
from agents.experiments.evidence.pair_samples import (
    difference,
    has_enough,
    has_units,
    least_error,
    needed,
    sample_of,
    sent_sample,
    units_of,
)
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import RHO2_ONE_SIDED, mean
from agents.statistics.multinomial import CONCENTRATIONS, highest_log_ratio
from agents.statistics.odds_ratio import log_mean
from agents.statistics.scalars import greater, greater_known
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs

# Of the units: what is allowed of counted events where control has none and no absolute margin is
# stated.
AT_ZERO = 0.01
# Of the fixed point; each shortens the error by the share of the logarithm in the evidence.
ROUNDS = 12
HALVINGS = 12  # of a factor of 2 at most; nobody reads more digits
# Of the units with which the evidence reaches its level if it grows as it did: the time at which a
# random walk with a drift passes a line is skewed (inverse Gaussian), and half of the walks are
# there by this part of the mean. It lies between 0.7 and 0.9 where a verdict is 2 to 5 nats away.
TYPICAL = 0.8
MOST = 1e12  # units; what would need more is not said


@compiled
def guardrail_bound(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, float]:
    """How much worse a guardrail may be, how much worse it looks, and what is allowed, in the
    metric's own unit, positive where the treatment is worse; the first NaN where there is no bound.

    Of counted events that control has none of, it may be what the units themselves leave.
    """
    none = rows[rows[pair].control].hits == 0
    if rows[pair].method == Method.RATES_IN_BLOCKS:
        mixed = has_mixed_blocks(rows, pairs.blocks, pair)
        if margin_of(rows, pair).absolute > 0.0 and has_units(rows, pair):
            return _bound_by_margin(rows, pairs, pair)
        if mixed and not none:
            return _bound_in_blocks(rows, pairs, pair)
    if rows[pair].method == Method.COUNTS and not none and has_counted(rows, pairs, pair):
        return _bound_of_counts(rows, pairs, pair)
    effect, low, high = interval_of(rows, pairs, pair, 1.0)
    up, is_counted = rows[pair].sign > 0, rows[pair].tally != Tally.MEAN
    if has_units(rows, pair) and is_counted and none:
        low, high = exact_interval(rows, pair, -log(rows[pair].alpha))
    base = abs(mean(sent_sample(rows, rows[pair].control)))
    absolute = rows[pair].absolute_margin
    if isnan(absolute):
        absolute = AT_ZERO if base == 0.0 and is_counted else 0.0
    allowed = greater_known(rows[pair].margin * base, absolute)
    return (-low, -effect, allowed) if up else (high, effect, allowed)


@compiled
def _bound_in_blocks(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, float]:
    """The margin is one of the ratio of the rates: both are taken at the same odds ratio, and told
    as if control's were the one that was observed.
    """
    effect, _ = difference_in_blocks(rows, pairs.blocks, pair)
    treatment, control = worst_in_blocks(rows, pairs.blocks, pair, -log(rows[pair].alpha))
    looks, worst = effect, treatment - control
    if rows[pair].sign > 0:
        looks, worst = -effect, control - treatment
    observed = mean(sample_of(rows, rows[pair].control))
    return worst * observed / control, looks, rows[pair].margin * observed


@compiled
def _bound_by_margin(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, float]:
    """Of a rate with an absolute margin, which is tested as it stands: the evidence that it is kept
    grows with the square of the distance from what it looks like, so at the bound it is as much as
    is needed. Where there is none, the treatment's own rate bounds it.
    """
    effect, _ = difference_in_blocks(rows, pairs.blocks, pair)
    looks = greater_known(-effect if rows[pair].sign > 0 else effect, -1.0)
    observed = mean(sample_of(rows, rows[pair].control))
    allowed = max(rows[pair].margin * observed, rows[pair].absolute_margin)
    log_e, level = evidence_within(rows, pairs.blocks, pair), -log(rows[pair].alpha)
    if log_e > 0.0 and allowed > looks:
        return looks + (allowed - looks) * sqrt(level / log_e), looks, allowed
    low, high = exact_interval(rows, pair, level)
    return max(-low if rows[pair].sign > 0 else high, looks, allowed), looks, allowed


@compiled
def _bound_of_counts(rows: ArmRows, pairs: Pairs, pair: int) -> tuple[float, float, float]:
    """Of a count test, in a ramp or not: as in blocks both rates are those of one hypothesis. An
    absolute margin needs a bound of the base as well, which takes a part of alpha.
    """
    absolute, level = rows[pair].absolute_margin, -log(rows[pair].alpha)
    is_stated = absolute > 0.0
    if is_stated:
        level -= log(1.0 - PART_OF_BASE)
    treatment, control = worst_of_counts(rows, pairs, pair, level)
    effect, _, _ = difference(rows, pairs, pair)
    up = rows[pair].sign > 0
    looks, worst = (-effect, control - treatment) if up else (effect, treatment - control)
    observed = abs(mean(sample_of(rows, rows[pair].control)))
    told, allowed = worst * observed / control, rows[pair].margin * observed
    if is_stated:
        at_most = worst * times_at_most(counted_events(rows, pairs, pair), rows[pair].alpha)
        if told >= allowed and at_most - absolute < told - allowed:
            return at_most, looks, absolute
    return told, looks, allowed


@compiled
def is_within(worst: float, allowed: float) -> bool:
    """Whether a guardrail that may be worse by `worst` is within what is allowed."""
    return worst < allowed or worst <= 0.0


@compiled
def is_sound(rows: ArmRows, pairs: Pairs, pair: int) -> bool:
    """Whether a guardrail is sound."""
    if not has_enough(rows, pair) or not has_alike_covariates(rows, pairs, pair):
        return False
    worst, _, allowed = guardrail_bound(rows, pairs, pair)
    return is_within(worst, allowed)


@compiled
def units_to_be_sound(worst: float, looks: float, allowed: float, units: float) -> float:
    """Units of both arms still needed if the effect is what it looks like; NaN where none would do.

    The width of an interval falls with the square root of the sample at least.
    """
    ratio = (worst - looks) / (allowed - looks)
    times = ratio * ratio
    return float(np.ceil((times - 1.0) * units)) if allowed > looks and times >= 1.0 else nan


@compiled
def units_needed(rows: ArmRows, pairs: Pairs, pair: int, harm: float, gain: float) -> float:
    """Units of both arms still needed, given the exact evidence: for the least count, or at the
    present effect for a verdict, with which half of such tests have theirs; NaN if neither.
    """
    missing = _missing_units(rows, pair)
    if missing > 0.0:
        return missing
    if rows[pair].method == Method.SPLIT:
        return nan
    effect, se, n = difference(rows, pairs, pair)
    better = (effect if rows[pair].sign > 0 else -effect) > 0.0
    level = rows[pair].gain_level if better else rows[pair].harm_level
    if rows[pair].method == Method.COUNTS and not rows[pair].ramped:
        growth, tuned = _growth_of_counts(rows, pair)
    else:
        se = greater(se, least_error(rows, pair, effect))
        z = effect / se if se > 0.0 else 0.0
        growth, tuned = z * z / 2.0, n * RHO2_ONE_SIDED
    units = units_of(rows, rows[pair].control) + units_of(rows, pair)
    if rows[pair].method == Method.RATES_IN_BLOCKS:
        more = more_units_in_blocks(rows, pairs, pair, effect > 0.0, level)
    else:
        more = more_units(units, gain if better else harm, growth, tuned, level)
    return float(np.ceil(TYPICAL * more))


@compiled
def _missing_units(rows: ArmRows, pair: int) -> float:
    """Units that both arms lack together until there is enough; 0 where there is."""
    if has_enough(rows, pair):
        return 0.0
    least = needed(rows, pair)
    control, treatment = units_of(rows, rows[pair].control), units_of(rows, pair)
    return max(least - control, 0.0) + max(least - treatment, 0.0)


@compiled
def _growth_of_counts(rows: ArmRows, pair: int) -> tuple[float, float]:
    """Growth and tuning of a count test's evidence: events times the divergence of their split from
    the planned one.
    """
    x, y = counted(rows, pair)
    return highest_log_ratio(x, y, rows[pair].share, -inf), (x + y) / CONCENTRATIONS[-1]


@compiled
def more_units_in_blocks(rows: ArmRows, pairs: Pairs, pair: int, more: bool, level: float) -> float:
    """The same for a pair in blocks, which knows how its evidence grows: every log likelihood ratio
    in proportion to the blocks, if those to come are like those so far. more: whether the treatment
    has more hits.
    """
    if level == inf:
        return nan
    slot, weighs = rows[pair].block_slot, weighs_in_blocks(rows, pairs.blocks, pair)
    units = units_of(rows, rows[pair].control) + units_of(rows, pair)
    most = 2.0
    while log_mean(pairs.blocks, slot, more, weighs / most) < level:
        most *= 2.0
        if (most - 1.0) * units > MOST:
            return nan
    least = 0.5 * most
    for _ in range(HALVINGS):
        middle = 0.5 * (least + most)
        if log_mean(pairs.blocks, slot, more, weighs / middle) < level:
            least = middle
        else:
            most = middle
    return float(np.ceil((most - 1.0) * units))


@compiled
def more_units(n: float, evidence: float, growth: float, tuned: float, level: float) -> float:
    """Units still needed; NaN where the effect points nowhere or more than MOST would be needed.

    Evidence grows in proportion to the sample and loses half the logarithm of it: with r times the
    sample, E(r) = E(1) + (r - 1) growth - ln((r tuned + 1) / (tuned + 1)) / 2, which is solved for
    E(r) = level.
    """
    if not growth > 0.0 or level == inf:
        return nan
    r = 1.0
    for _ in range(ROUNDS):
        loss = 0.5 * log((r * tuned + 1.0) / (tuned + 1.0))
        r = greater(1.0, 1.0 + (level - evidence + loss) / growth)
    more = float(np.ceil((r - 1.0) * n))
    return more if more <= MOST else nan
