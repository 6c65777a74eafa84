"""How large an effect looks, between which ends, and how much more would prove it, for whole arrays
of moments.
"""

from dataclasses import dataclass

import numpy as np

from agents.experiments.evidence import ramp, sample_size
from agents.experiments.evidence.assess import PairEvidence, enough, exact_sides, least_error
from agents.experiments.evidence.samples import (
    difference,
    fewest,
    judged,
    judged_control,
    needed,
    needed_of_mean,
    rounding,
    samples,
)
from agents.experiments.plan.terms import Method, Tally
from agents.experiments.totals.totals import Flags, Floats, Ints, Sides
from agents.statistics import confidence_sequence, multinomial, rate_comparison
from state.arms_table import ArmsTable

SETTLED_HITS = (
    30  # of a rate, and as many misses, in each arm: with fewer its interval is not to be relied on
)


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment minus control per unit, and its interval, shape (n,)."""

    effect: Floats
    low: Floats
    high: Floats

    def cut(self, low: Floats, high: Floats) -> "Effect":
        """The interval that people are shown: what the intervals so far, from low to high, leave of
        this one.

        Where they leave nothing, no single effect explains the data, and this one alone is shown.
        """
        ends = np.fmax(self.low, low), np.fmin(self.high, high)
        emptied = ends[0] > ends[1]
        return Effect(
            self.effect, np.where(emptied, self.low, ends[0]), np.where(emptied, self.high, ends[1])
        )


def effects(
    arms: ArmsTable,
    pairs: Ints,
    sides: Sides,
    tails: float = 1.0,
    known: PairEvidence | None = None,
) -> Effect:
    """Effects at n moments; NaN where an arm is empty, and no interval where a variance is missing.

    Each end of the interval is the test's own bound at level alpha * tails, so a verdict's interval
    leaves 0 out; with half tails it holds the truth at all moments with probability 1 - alpha.
    known: the exact evidence, where it is at hand.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, _, _ = difference(arms, pairs, sides)
    alpha, method = arms.alpha[pairs] * tails, arms.method[pairs]
    low, high = _mean_interval(arms, pairs, sides, alpha)
    a, b = samples(arms, pairs, sides)
    both, ramped = np.minimum(a.count, b.count) > 0, arms.ramped[pairs]
    for interval, wanted in (
        (_count_interval, (method == Method.COUNTS) & ~ramped),
        (_ramp_interval, (method == Method.COUNTS) & ramped),
        (_rate_interval, (method == Method.RATES) & ~ramped),
    ):
        at = np.flatnonzero(wanted & both)
        if len(at):
            evidence = (
                PairEvidence(known.harm[at], known.gain[at], known.enough[at])
                if known is not None
                else None
            )
            low[at], high[at] = interval(arms, pairs[at], sides.take(at), alpha[at], evidence)
    # A count test takes the planned share for the units' own, so what was observed may lie a little
    # outside what it leaves.
    counts_of = np.flatnonzero((method == Method.COUNTS) & ~np.isnan(low))
    low[counts_of] = np.fmin(low[counts_of], effect[counts_of])
    high[counts_of] = np.fmax(high[counts_of], effect[counts_of])
    return Effect(effect, low, high)


def settled(arms: ArmsTable, pairs: Ints, sides: Sides) -> Flags:
    """Where an interval may be relied on: enough and some spread for a mean, enough hits and misses
    for a rate.
    """
    counted, fine = (
        arms.tally[pairs] != Tally.MEAN,
        enough(arms, pairs, sides) & spread(arms, pairs, sides),
    )
    for totals in (sides.control, sides.treatment):
        misses = np.where(
            arms.tally[pairs] == Tally.COUNT, SETTLED_HITS, totals.count - totals.hits
        )
        many = (totals.count >= confidence_sequence.BURN_IN) & (
            np.minimum(totals.hits, misses) >= SETTLED_HITS
        )
        fine = fine & (~counted | many)
    return np.asarray(fine & (arms.method[pairs] != Method.SPLIT))


def spread(arms: ArmsTable, pairs: Ints, sides: Sides) -> Flags:
    """Where values that are compared by their means differ among themselves, and everywhere else,
    shape (n,).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        _, se, _ = difference(arms, pairs, sides)
    return np.asarray((se > 0.0) | (arms.method[pairs] != Method.MEANS))


def exact_interval(
    arms: ArmsTable, pairs: Ints, sides: Sides, level: Floats
) -> tuple[Floats, Floats]:
    """The difference of two rates that the exact test leaves at this evidence, shape (n,); both
    arms have units.

    Of counts of several a unit the units with any are what is bounded.
    """
    a, b = samples(arms, pairs, sides)
    x, y = np.minimum(sides.treatment.hits, b.count), np.minimum(sides.control.hits, a.count)
    low = rate_comparison.least_difference(x, b.count, y, a.count, level)
    return low, -rate_comparison.least_difference(y, a.count, x, b.count, level)


def expected_more(arms: ArmsTable, pairs: Ints, sides: Sides, evidence: PairEvidence) -> Floats:
    """Units of both arms still needed: for the least count, or at the present effect for a verdict;
    NaN if neither.
    """
    least = needed(arms, pairs)
    control, treatment = (
        judged_control(arms, pairs, sides.control),
        judged(arms, pairs, sides.treatment),
    )
    missing = sample_size.missing_units(control, treatment, least, evidence.enough)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = difference(arms, pairs, sides)
        se = np.maximum(se, least_error(arms, pairs, sides, effect))
    better = np.where(arms.sign[pairs] > 0, effect, -effect) > 0.0
    level = np.where(better, arms.gain_level[pairs], arms.harm_level[pairs])
    log_e = np.where(better, evidence.gain, evidence.harm)
    growth, tuned = sample_size.growth_of_mean(effect, se, n)
    x, y = sides.treatment.hits, sides.control.hits
    flipped = arms.flipped[arms.aggregate_row[pairs]]
    x, y = (
        np.where(flipped, sides.treatment.count - x, x),
        np.where(flipped, sides.control.count - y, y),
    )
    fixed = (arms.method[pairs] == Method.COUNTS) & ~arms.ramped[pairs]
    rho = np.where(fixed, arms.share[pairs], 0.5)
    by_count = sample_size.growth_of_counts(
        x.astype(float), y.astype(float), rho, multinomial.CONCENTRATIONS[-1]
    )
    growth, tuned = np.where(fixed, by_count[0], growth), np.where(fixed, by_count[1], tuned)
    more = sample_size.more_units((control + treatment), log_e, growth, tuned, level)
    more = np.where(arms.method[pairs] == Method.SPLIT, np.nan, more)
    return np.where(missing > 0.0, missing, more)


def _mean_interval(
    arms: ArmsTable, pairs: Ints, sides: Sides, alpha: Floats
) -> tuple[Floats, Floats]:
    """The confidence sequence of the difference; a point where all values of both arms are equal,
    on enough of them.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = difference(arms, pairs, sides)
        wide = confidence_sequence.radius(np.fmax(se, rounding(arms, pairs, sides)), n, alpha)
    a, b = samples(arms, pairs, sides)
    constant = (se == 0.0) & (arms.method[pairs] == Method.MEANS) & enough(arms, pairs, sides)
    usable = ((se > 0.0) | constant) & (a.count > 0) & (b.count > 0)
    usable &= ~(sides.control.missing | sides.treatment.missing)
    return np.where(usable, effect - wide, np.nan), np.where(usable, effect + wide, np.nan)


def _rate_interval(
    arms: ArmsTable, pairs: Ints, sides: Sides, alpha: Floats, evidence: PairEvidence | None
) -> tuple[Floats, Floats]:
    """The confidence sequence's interval and the exact test's, each at its part of the level, cut
    with each other.

    The exact one is the wider and takes long to find, so it is asked for where there is no other
    yet, and of an end at which the exact test rejects 0 already.
    """
    level = -np.log(alpha * rate_comparison.PART)
    low, high = _mean_interval(arms, pairs, sides, alpha * (1.0 - rate_comparison.PART))
    early = (fewest(arms, pairs, sides) < needed_of_mean(arms, pairs)) | np.isnan(low)
    low, high = np.where(early, -np.inf, low), np.where(early, np.inf, high)
    more, fewer = exact_sides(arms, pairs, sides, level)
    at = np.flatnonzero(early | (np.maximum(more, fewer) >= level))
    if len(at):
        ends = exact_interval(arms, pairs[at], sides.take(at), level[at])
        low[at], high[at] = np.maximum(low[at], ends[0]), np.minimum(high[at], ends[1])
    return low, high


def _ramp_interval(
    arms: ArmsTable, pairs: Ints, sides: Sides, alpha: Floats, evidence: PairEvidence | None
) -> tuple[Floats, Floats]:
    """The effect between the log ratios of the rates that the ramp's test leaves."""
    strata = sides.strata
    if strata is None:
        return np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    low, high = ramp.ends(strata, -np.log(alpha))
    flipped, known = arms.flipped[arms.aggregate_row[pairs]], strata.counted.sum(axis=1) > 0.0
    low, high = np.where(flipped, -high, low), np.where(flipped, -low, high)
    none = np.flatnonzero(~known)
    low[none], high[none] = exact_interval(
        arms, pairs[none], sides.take(none), -np.log(alpha[none])
    )
    return low, high


def _count_interval(
    arms: ArmsTable, pairs: Ints, sides: Sides, alpha: Floats, evidence: PairEvidence | None
) -> tuple[Floats, Floats]:
    """The effect between the shares of the counted outcome that the test leaves, at the observed
    rate of both arms.

    With rate p of both arms and the treatment's planned share r of their units, a share t of the
    counted outcome is an effect of p (t / r - (1 - t) / (1 - r)). NaN where nothing was counted
    yet.
    """
    flipped = arms.flipped[arms.aggregate_row[pairs]]
    n_t, n_c = judged(arms, pairs, sides.treatment), judged_control(arms, pairs, sides.control)
    x, y = sides.treatment.hits.astype(float), sides.control.hits.astype(float)
    x, y = np.where(flipped, n_t - x, x), np.where(flipped, n_c - y, y)
    share, rate = arms.share[pairs], (x + y) / (n_t + n_c)
    if evidence is None:
        never = np.full(len(x), -np.inf)
        up, down = (
            multinomial.log_e_one_sided(x, y, share, never),
            multinomial.log_e_one_sided(y, x, 1.0 - share, never),
        )
    else:
        more_is_harm = (arms.sign[pairs] < 0) != flipped
        up = np.where(more_is_harm, evidence.harm, evidence.gain)
        down = np.where(more_is_harm, evidence.gain, evidence.harm)
    ends = [
        rate * (t / share - (1.0 - t) / (1.0 - share))
        for t in multinomial.edges(x, y, share, alpha, up, down)
    ]
    low, high = np.where(flipped, -ends[1], ends[0]), np.where(flipped, -ends[0], ends[1])
    # Where nothing was counted yet nothing is proved, and the units themselves bound the
    # difference.
    none = np.flatnonzero(x + y == 0.0)
    low[none], high[none] = exact_interval(
        arms, pairs[none], sides.take(none), -np.log(alpha[none])
    )
    return low, high
