"""What totals of two arms say: evidence of harm and of gain, effect and interval, for whole arrays of moments at once.

One function serves the looks after each event, the decision and the row that people read, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.judge import counts, means
from agents.judge.arms import Method, Tally
from state.columnar import Columnar

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Z_HARM = 3.0  # a count test takes a split that is off its plan for an effect; the observed exposures must agree


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of one arm at n moments, each shape (n,)."""

    count: Ints
    hits: Ints
    total: Floats
    squares: Floats


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of treatment against control at n moments, each shape (n,).

    harm, gain: nats; log e of the count test, or minus the log of the anytime p-value of the mean test.
    enough: both arms have the records that a decision needs. agrees: the observed exposures do not contradict harm.
    """

    harm: Floats
    gain: Floats
    enough: Flags
    agrees: Flags


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment minus control per unit, its running interval, and the interval's bad end relative to control; (n,)."""

    effect: Floats
    low: Floats
    high: Floats
    worst: Floats


def assess(
    arms: Columnar, pairs: Ints, offsets: Ints, control: Totals, treatment: Totals, exact: bool = True
) -> Evidence:
    """Evidence at n moments; pairs: (n,) the treatment's row of each.

    Not exact: count evidence that stays below its row's level is an upper bound, enough to see that nothing is proved.
    """
    n = len(pairs)
    harm, gain = np.full(n, counts.NO_EVIDENCE), np.full(n, counts.NO_EVIDENCE)
    method = arms["method"][pairs]
    agrees = np.ones(n, np.bool_)
    by_count = np.flatnonzero((method == Method.COUNTS) & _past_burn_in(arms, pairs, offsets))
    if len(by_count):
        sides = _count_sides(arms, pairs[by_count], _take(control, by_count), _take(treatment, by_count), exact)
        harm[by_count], gain[by_count], agrees[by_count] = sides
    by_mean = np.flatnonzero(method == Method.MEANS)
    if len(by_mean):
        at = pairs[by_mean]
        samples = _samples(arms, at, _take(control, by_mean), _take(treatment, by_mean))
        harm[by_mean], gain[by_mean] = _mean_sides(arms, at, *samples)
    split = np.flatnonzero(method == Method.SPLIT)
    if len(split):
        shares = arms["share"][pairs[split]]
        harm[split] = counts.log_e_split(
            treatment.count[split].astype(float), control.count[split].astype(float), shares
        )
    needed = np.where(
        method == Method.MEANS, np.maximum(arms["min_count"][pairs], means.BURN_IN), arms["min_count"][pairs]
    )
    needed = np.where(method == Method.SPLIT, 0, needed)
    missing = arms["missing_squares"][pairs] | arms["missing_squares"][np.maximum(arms["control"][pairs], 0)]
    enough = (control.count >= needed) & (treatment.count >= needed) & ~(missing & (method == Method.MEANS))
    return Evidence(harm, gain, enough, agrees)


def effects(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals) -> Effect:
    """Effects at n moments; NaN where an arm is empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = _samples(arms, pairs, control, treatment)
        effect = b.mean() - a.mean()
        se = means.standard_error(a, b)
        wide = means.radius(se, a.count + b.count, arms["alpha"][pairs])
        usable = (se > 0.0) & (a.count > 0) & (b.count > 0)
        low, high = np.where(usable, effect - wide, np.nan), np.where(usable, effect + wide, np.nan)
        bad_end = np.where(arms["sign"][pairs] > 0, low, -high)
        worst = bad_end / np.abs(a.mean())
    # A baseline of zero has no relative effect, so nothing relative can be shown of it.
    return Effect(effect, low, high, np.where(np.isfinite(worst), worst, -np.inf))


def _past_burn_in(arms: Columnar, pairs: Ints, offsets: Ints) -> Flags:
    base = arms["base_offset"][pairs]
    return np.asarray((base >= 0) & (offsets > base))


def _take(totals: Totals, at: Ints) -> Totals:
    return Totals(totals.count[at], totals.hits[at], totals.total[at], totals.squares[at])


def _count_sides(
    arms: Columnar, pairs: Ints, control: Totals, treatment: Totals, exact: bool
) -> tuple[Floats, Floats, Flags]:
    above = arms["control"][pairs]
    x_t = treatment.hits - arms["base_hits"][pairs]
    x_c = control.hits - arms["base_hits"][above]
    n_t = treatment.count - arms["base_count"][pairs]
    n_c = control.count - arms["base_count"][above]
    # A rate near 1 is counted by its rarer outcome, chosen in the burn-in of control.
    flipped = (arms["tally"][pairs] != Tally.COUNT) & (2 * arms["base_hits"][above] > arms["base_count"][above])
    x_t, x_c = np.where(flipped, n_t - x_t, x_t), np.where(flipped, n_c - x_c, x_c)
    more_is_harm = (arms["sign"][pairs] < 0) != flipped
    share = arms["share"][pairs]
    harm_level, gain_level = arms["harm_level"][pairs], arms["gain_level"][pairs]
    never = np.full(len(pairs), -np.inf)
    least_up = never if exact else np.where(more_is_harm, harm_level, gain_level)
    least_down = never if exact else np.where(more_is_harm, gain_level, harm_level)
    up = counts.log_e_one_sided(x_t.astype(float), x_c.astype(float), share, least_up)
    down = counts.log_e_one_sided(x_c.astype(float), x_t.astype(float), 1.0 - share, least_down)
    z = counts.pooled_z(
        treatment.hits.astype(float),
        treatment.count.astype(float),
        control.hits.astype(float),
        control.count.astype(float),
    )
    towards_harm = np.where(arms["sign"][pairs] < 0, z, -z)
    return np.where(more_is_harm, up, down), np.where(more_is_harm, down, up), towards_harm >= Z_HARM


def _mean_sides(arms: Columnar, pairs: Ints, a: means.Sample, b: means.Sample) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(arms["sign"][pairs] > 0, b.mean() - a.mean(), a.mean() - b.mean())
        se = means.standard_error(a, b)
    n = a.count + b.count
    return means.log_evidence(-effect, se, n), means.log_evidence(effect, se, n)


def _samples(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals) -> tuple[means.Sample, means.Sample]:
    # A rate's units are 0 or 1, so its sum and its squares are its hits.
    counted = np.isin(arms["tally"][pairs], (Tally.RATE, Tally.LATENCY))
    return _sample(counted, control), _sample(counted, treatment)


def _sample(counted: Flags, totals: Totals) -> means.Sample:
    total = np.where(counted, totals.hits, totals.total)
    return means.Sample(totals.count.astype(float), total, np.where(counted, totals.hits, totals.squares))
