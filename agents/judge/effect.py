"""How large an effect looks, between which ends, and how much more would prove it, for whole arrays of moments."""

from dataclasses import dataclass

import numpy as np

from agents.judge import counts, means, needs
from agents.judge.assess import Evidence, enough
from agents.judge.samples import difference, judged, judged_control, needed, samples
from agents.judge.sides import Flags, Floats, Ints, Sides
from agents.judge.terms import Method, Tally
from state.columnar import Columnar

SETTLED_HITS = 30  # of a rate, and as many misses, in each arm: with fewer its interval is not to be relied on


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment minus control per unit, its interval, and the interval's bad end relative to control; (n,)."""

    effect: Floats
    low: Floats
    high: Floats
    worst: Floats


def effects(arms: Columnar, pairs: Ints, sides: Sides, tails: float = 1.0, known: Evidence | None = None) -> Effect:
    """Effects at n moments; NaN where an arm is empty, and no interval where a variance is missing.

    Each end of the interval is the test's own bound at level alpha * tails, so a verdict's interval leaves 0 out; with
    half tails it holds the truth at all moments with probability 1 - alpha. known: the exact evidence, where it is at hand.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = difference(arms, pairs, sides)
        a, b = samples(arms, pairs, sides)
        alpha = arms["alpha"][pairs] * tails
        wide = means.radius(se, n, alpha)
        usable = (se > 0.0) & (a.count > 0) & (b.count > 0) & ~(sides.control.missing | sides.treatment.missing)
        low, high = np.where(usable, effect - wide, np.nan), np.where(usable, effect + wide, np.nan)
        fixed = (arms["method"][pairs] == Method.COUNTS) & ~arms["ramped"][pairs]
        at = np.flatnonzero(fixed & (np.minimum(a.count, b.count) > 0))
        if len(at):
            evidence = (known.harm[at], known.gain[at]) if known is not None else None
            low[at], high[at] = _count_interval(arms, pairs[at], sides.take(at), alpha[at], evidence)
        bad_end = np.where(arms["sign"][pairs] > 0, low, -high)
        worst = bad_end / np.abs(a.mean())
    # A baseline of zero has no relative effect, so nothing relative can be shown of it.
    return Effect(effect, low, high, np.where(np.isfinite(worst), worst, -np.inf))


def settled(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where an interval may be relied on: enough for a mean, and of a rate enough hits and misses in each arm."""
    counted, fine = arms["tally"][pairs] != Tally.MEAN, enough(arms, pairs, sides)
    for totals in (sides.control, sides.treatment):
        misses = np.where(arms["tally"][pairs] == Tally.COUNT, SETTLED_HITS, totals.count - totals.hits)
        many = (totals.count >= means.BURN_IN) & (np.minimum(totals.hits, misses) >= SETTLED_HITS)
        fine = fine & (~counted | many)
    return np.asarray(fine & (arms["method"][pairs] != Method.SPLIT))


def spread_known(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where a mean has a variance to judge by, shape (n,): not where all values are equal or squares are missing."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        _, se, _ = difference(arms, pairs, sides)
    return np.asarray((se > 0.0) & np.isfinite(se) & ~(sides.control.missing | sides.treatment.missing))


def expected_more(arms: Columnar, pairs: Ints, sides: Sides, evidence: Evidence) -> Floats:
    """Units of both arms still needed: for the least count, or at the present effect for a verdict; NaN if neither."""
    least = needed(arms, pairs)
    control, treatment = judged_control(arms, pairs, sides.control), judged(arms, pairs, sides.treatment)
    missing = needs.missing_units(control, treatment, least, evidence.enough)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = difference(arms, pairs, sides)
    better = np.where(arms["sign"][pairs] > 0, effect, -effect) > 0.0
    level = np.where(better, arms["gain_level"][pairs], arms["harm_level"][pairs])
    log_e = np.where(better, evidence.gain, evidence.harm)
    growth, tuned = needs.growth_of_mean(effect, se, n)
    x, y = sides.treatment.hits, sides.control.hits
    flipped = arms["flipped"][arms["whole"][pairs]]
    x, y = np.where(flipped, sides.treatment.count - x, x), np.where(flipped, sides.control.count - y, y)
    fixed = (arms["method"][pairs] == Method.COUNTS) & ~arms["ramped"][pairs]
    rho = np.where(fixed, arms["share"][pairs], 0.5)
    by_count = needs.growth_of_counts(x.astype(float), y.astype(float), rho, counts.CONCENTRATIONS[-1])
    growth, tuned = np.where(fixed, by_count[0], growth), np.where(fixed, by_count[1], tuned)
    more = needs.more_units((control + treatment), log_e, growth, tuned, level)
    more = np.where(arms["method"][pairs] == Method.SPLIT, np.nan, more)
    return np.where(missing > 0.0, missing, more)


def _count_interval(
    arms: Columnar, pairs: Ints, sides: Sides, alpha: Floats, evidence: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """The effect between the shares of the counted outcome that the test leaves, at the observed rate of both arms.

    With rate p of both arms and the treatment's planned share r of their units, a share t of the counted outcome is an
    effect of p (t / r - (1 - t) / (1 - r)). NaN where nothing was counted yet.
    """
    flipped = arms["flipped"][arms["whole"][pairs]]
    n_t, n_c = judged(arms, pairs, sides.treatment), judged_control(arms, pairs, sides.control)
    x, y = sides.treatment.hits.astype(float), sides.control.hits.astype(float)
    x, y = np.where(flipped, n_t - x, x), np.where(flipped, n_c - y, y)
    share, rate = arms["share"][pairs], (x + y) / (n_t + n_c)
    if evidence is None:
        never = np.full(len(x), -np.inf)
        up, down = counts.log_e_one_sided(x, y, share, never), counts.log_e_one_sided(y, x, 1.0 - share, never)
    else:
        more_is_harm = (arms["sign"][pairs] < 0) != flipped
        up, down = np.where(more_is_harm, *evidence), np.where(more_is_harm, *reversed(evidence))
    ends = [rate * (t / share - (1.0 - t) / (1.0 - share)) for t in counts.edges(x, y, share, alpha, up, down)]
    low, high = np.where(flipped, -ends[1], ends[0]), np.where(flipped, -ends[0], ends[1])
    return np.where(x + y > 0.0, low, np.nan), np.where(x + y > 0.0, high, np.nan)
