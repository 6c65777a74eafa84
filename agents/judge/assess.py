"""What totals of two arms say: evidence of harm and of gain, effect and interval, for whole arrays of moments at once.

One function serves the looks after each event, the decision and the row that people read, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.judge import counts, means
from agents.judge.arms import Method, Tally
from schemas.records import Verdict
from state.columnar import Columnar

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Z_AGREES = 3.0  # a count test takes a split that is off its plan for an effect; the observed exposures must agree


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of one arm at n moments, each shape (n,)."""

    count: Ints
    hits: Ints
    total: Floats
    squares: Floats
    missing: Flags  # of the squares: there is no variance to judge by

    def take(self, at: Ints) -> "Totals":
        return Totals(self.count[at], self.hits[at], self.total[at], self.squares[at], self.missing[at])

    def then(self, later: "Totals") -> "Totals":
        return Totals(
            np.append(self.count, later.count),
            np.append(self.hits, later.hits),
            np.append(self.total, later.total),
            np.append(self.squares, later.squares),
            np.append(self.missing, later.missing),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of treatment against control at n moments, each shape (n,).

    harm, gain: nats; log e of the count test, or minus the log of the anytime p-value of the mean test.
    enough: both arms have the records that a decision needs.
    """

    harm: Floats
    gain: Floats
    enough: Flags


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
    """Evidence at n moments; pairs: (n,) the treatment's row of each, equal ones together and in the order of the log.

    Not exact: where there is not enough, or count evidence stays below its row's level, an upper bound or nothing is
    given: enough to see that nothing is proved.
    """
    n = len(pairs)
    harm, gain = np.full(n, counts.NO_EVIDENCE), np.full(n, counts.NO_EVIDENCE)
    method = arms["method"][pairs]
    sufficient = enough(arms, pairs, control, treatment)
    wanted = np.ones(n, np.bool_) if exact else sufficient
    by_count = np.flatnonzero((method == Method.COUNTS) & wanted & _past_burn_in(arms, pairs, offsets))
    if len(by_count):
        harm[by_count], gain[by_count] = _count_sides(
            arms, pairs[by_count], control.take(by_count), treatment.take(by_count), exact
        )
    by_mean = np.flatnonzero((method == Method.MEANS) & wanted)
    if len(by_mean):
        at = pairs[by_mean]
        samples = _samples(arms, at, control.take(by_mean), treatment.take(by_mean))
        harm[by_mean], gain[by_mean] = _mean_sides(arms, at, *samples)
    split = np.flatnonzero(method == Method.SPLIT)
    if len(split):
        share, x, y = arms["share"][pairs[split]], treatment.count[split], control.count[split]
        harm[split] = counts.log_e_split(x.astype(float), y.astype(float), share)
    return Evidence(harm, gain, sufficient)


def agrees(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals, verdict: Verdict) -> Flags:
    """Where the observed exposures do not contradict harm or gain, shape (n,): asked of count tests only."""
    z = counts.pooled_z(
        treatment.hits.astype(float),
        treatment.count.astype(float),
        control.hits.astype(float),
        control.count.astype(float),
        arms["tally"][pairs] == Tally.COUNT,
    )
    more = (arms["sign"][pairs] < 0) == (verdict == Verdict.HARM)  # whether more hits are what is to be shown
    return np.asarray((arms["method"][pairs] != Method.COUNTS) | (np.where(more, z, -z) >= Z_AGREES))


def enough(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals) -> Flags:
    """Where both arms have the records that a decision needs, shape (n,)."""
    needed, method = arms["min_count"][pairs], arms["method"][pairs]
    by_mean = method == Method.MEANS
    needed = np.where(by_mean, np.maximum(needed, means.BURN_IN), np.where(method == Method.SPLIT, 1, needed))
    missing = (control.missing | treatment.missing) & by_mean
    return np.asarray((control.count >= needed) & (treatment.count >= needed) & ~missing)


def effects(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals) -> Effect:
    """Effects at n moments; NaN where an arm is empty, and no interval where a variance is missing."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a, b = _samples(arms, pairs, control, treatment)
        effect = b.mean() - a.mean()
        se = means.standard_error(a, b)
        wide = means.radius(se, a.count + b.count, arms["alpha"][pairs])
        usable = (se > 0.0) & (a.count > 0) & (b.count > 0) & ~(control.missing | treatment.missing)
        low, high = np.where(usable, effect - wide, np.nan), np.where(usable, effect + wide, np.nan)
        bad_end = np.where(arms["sign"][pairs] > 0, low, -high)
        worst = bad_end / np.abs(a.mean())
    # A baseline of zero has no relative effect, so nothing relative can be shown of it.
    return Effect(effect, low, high, np.where(np.isfinite(worst), worst, -np.inf))


def _past_burn_in(arms: Columnar, pairs: Ints, offsets: Ints) -> Flags:
    base = arms["base_offset"][pairs]
    return np.asarray((base >= 0) & (offsets > base))


def _count_sides(arms: Columnar, pairs: Ints, control: Totals, treatment: Totals, exact: bool) -> tuple[Floats, Floats]:
    above = arms["control"][pairs]
    base_count, base_hits = arms["base_count"][above], arms["base_hits"][above]
    x_t, x_c = treatment.hits - arms["base_hits"][pairs], control.hits - base_hits
    # A rate near 1 is counted by its rarer outcome, chosen in the burn-in of control.
    flipped = (arms["tally"][pairs] != Tally.COUNT) & (2 * base_hits > base_count)
    if flipped.any():
        x_t = np.where(flipped, treatment.count - arms["base_count"][pairs] - x_t, x_t)
        x_c = np.where(flipped, control.count - base_count - x_c, x_c)
    # Only what is counted moves the evidence, and that is the rarer outcome: the others repeat what stood before.
    moved = np.ones(len(pairs), np.bool_)
    moved[1:] = (pairs[1:] != pairs[:-1]) | (x_t[1:] != x_t[:-1]) | (x_c[1:] != x_c[:-1])
    at = np.flatnonzero(moved)
    harm, gain = _one_sided(arms, pairs[at], x_c[at], x_t[at], flipped[at], exact)
    repeated = np.cumsum(moved) - 1
    return harm[repeated], gain[repeated]


def _one_sided(
    arms: Columnar, pairs: Ints, control: Ints, treatment: Ints, flipped: Flags, exact: bool
) -> tuple[Floats, Floats]:
    """Evidence of harm and gain from counted events."""
    more_is_harm = (arms["sign"][pairs] < 0) != flipped
    harm_level, gain_level = arms["harm_level"][pairs], arms["gain_level"][pairs]
    never = np.full(len(pairs), -np.inf)
    least_up = never if exact else np.where(more_is_harm, harm_level, gain_level)
    least_down = never if exact else np.where(more_is_harm, gain_level, harm_level)
    share, x_t, x_c = arms["share"][pairs], treatment.astype(float), control.astype(float)
    up = counts.log_e_one_sided(x_t, x_c, share, least_up)
    down = counts.log_e_one_sided(x_c, x_t, 1.0 - share, least_down)
    return np.where(more_is_harm, up, down), np.where(more_is_harm, down, up)


def _mean_sides(arms: Columnar, pairs: Ints, a: means.Sample, b: means.Sample) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
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
