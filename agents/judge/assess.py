"""What totals of two arms say: evidence of harm and of gain, effect and interval, for whole arrays of moments at once.

One function serves the looks after each event, the decision and the row that people read, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np

from agents.judge import counts, means, needs, ramp
from agents.judge.sides import Flags, Floats, Ints, Sides, Totals
from agents.judge.terms import Method, Tally
from schemas.records import Verdict
from state.columnar import Columnar

Z_AGREES = 3.0  # a count test takes a split that is off its plan for an effect; the observed exposures must agree
SETTLED_HITS = 30  # of a rate, and as many misses, in each arm: with fewer its interval is not to be relied on


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
    """Treatment minus control per unit, its interval, and the interval's bad end relative to control; (n,)."""

    effect: Floats
    low: Floats
    high: Floats
    worst: Floats


def assess(arms: Columnar, pairs: Ints, offsets: Ints, sides: Sides, exact: bool = True) -> Evidence:
    """Evidence at n moments; pairs: (n,) the treatment's row of each, equal ones together and in the order of the log.

    Not exact: where there is not enough, or count evidence stays below its row's level, an upper bound or nothing is
    given: enough to see that nothing is proved.
    """
    n = len(pairs)
    harm, gain = np.full(n, counts.NO_EVIDENCE), np.full(n, counts.NO_EVIDENCE)
    method = arms["method"][pairs]
    sufficient = enough(arms, pairs, sides)
    wanted = np.ones(n, np.bool_) if exact else sufficient
    by_count = np.flatnonzero((method == Method.COUNTS) & wanted & _begun(arms, pairs, offsets))
    if len(by_count):
        harm[by_count], gain[by_count] = _count_sides(arms, pairs[by_count], sides.take(by_count), exact)
    by_mean = np.flatnonzero((method == Method.MEANS) & wanted)
    if len(by_mean):
        harm[by_mean], gain[by_mean] = _mean_sides(arms, pairs[by_mean], sides.take(by_mean))
    split = np.flatnonzero(method == Method.SPLIT)
    if len(split):
        harm[split] = _split_side(arms, pairs[split], sides.take(split))
    return Evidence(harm, gain, sufficient)


def agrees(arms: Columnar, pairs: Ints, sides: Sides, verdict: Verdict) -> Flags:
    """Where the observed exposures do not contradict harm or gain, shape (n,): asked of count tests only."""
    t, c = sides.treatment, sides.control
    z = counts.pooled_z(
        t.hits.astype(float), _judged(arms, pairs, t), c.hits.astype(float), _judged_control(arms, pairs, c),
        arms["tally"][pairs] == Tally.COUNT,
    )  # fmt: skip
    if sides.strata is not None:
        z = np.where(arms["ramped"][pairs], sides.strata.z, z)
    more = (arms["sign"][pairs] < 0) == (verdict == Verdict.HARM)  # whether more hits are what is to be shown
    return np.asarray((arms["method"][pairs] != Method.COUNTS) | (np.where(more, z, -z) >= Z_AGREES))


def enough(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where both arms have the records that a decision needs, shape (n,)."""
    missing = (sides.control.missing | sides.treatment.missing) & (arms["method"][pairs] == Method.MEANS)
    least = np.minimum(_judged_control(arms, pairs, sides.control), _judged(arms, pairs, sides.treatment))
    return np.asarray((least >= _needed(arms, pairs)) & ~missing)


def settled(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where an interval may be relied on: enough for a mean, and of a rate enough hits and misses in each arm."""
    counted, fine = arms["tally"][pairs] != Tally.MEAN, enough(arms, pairs, sides)
    for totals in (sides.control, sides.treatment):
        misses = np.where(arms["tally"][pairs] == Tally.COUNT, SETTLED_HITS, totals.count - totals.hits)
        many = (totals.count >= means.BURN_IN) & (np.minimum(totals.hits, misses) >= SETTLED_HITS)
        fine = fine & (~counted | many)
    return np.asarray(fine & (arms["method"][pairs] != Method.SPLIT))


def effects(arms: Columnar, pairs: Ints, sides: Sides, tails: float = 1.0, known: Evidence | None = None) -> Effect:
    """Effects at n moments; NaN where an arm is empty, and no interval where a variance is missing.

    Each end of the interval is the test's own bound at level alpha * tails, so a verdict's interval leaves 0 out; with
    half tails it holds the truth at all moments with probability 1 - alpha. known: the exact evidence, where it is at hand.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = _difference(arms, pairs, sides)
        a, b = _samples(arms, pairs, sides)
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


def expected_more(arms: Columnar, pairs: Ints, sides: Sides, evidence: Evidence) -> Floats:
    """Units of both arms still needed: for the least count, or at the present effect for a verdict; NaN if neither."""
    needed = _needed(arms, pairs)
    control, treatment = _judged_control(arms, pairs, sides.control), _judged(arms, pairs, sides.treatment)
    missing = needs.missing_units(control, treatment, needed, evidence.enough)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = _difference(arms, pairs, sides)
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


def spread_known(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where a mean has a variance to judge by, shape (n,): not where all values are equal or squares are missing."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        _, se, _ = _difference(arms, pairs, sides)
    return np.asarray((se > 0.0) & np.isfinite(se) & ~(sides.control.missing | sides.treatment.missing))


def _count_interval(
    arms: Columnar, pairs: Ints, sides: Sides, alpha: Floats, evidence: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """The effect between the shares of the counted outcome that the test leaves, at the observed rate of both arms.

    With rate p of both arms and the treatment's planned share r of their units, a share t of the counted outcome is an
    effect of p (t / r - (1 - t) / (1 - r)). NaN where nothing was counted yet.
    """
    flipped = arms["flipped"][arms["whole"][pairs]]
    n_t, n_c = _judged(arms, pairs, sides.treatment), _judged_control(arms, pairs, sides.control)
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


def _begun(arms: Columnar, pairs: Ints, offsets: Ints) -> Flags:
    """Where it is settled by then what is counted."""
    base = arms["base_offset"][arms["whole"][pairs]]
    return np.asarray((base >= 0) & (offsets >= base))


def _needed(arms: Columnar, pairs: Ints) -> Floats:
    """Units that each arm must have, shape (n,)."""
    needed, method = arms["min_count"][pairs], arms["method"][pairs]
    of_mean = np.maximum(np.maximum(needed, means.BURN_IN), means.INDEPENDENT * arms["inflation"][pairs])
    return np.where(method == Method.MEANS, of_mean, np.where(method == Method.SPLIT, 1.0, needed.astype(float)))


def _judged(arms: Columnar, rows: Ints, totals: Totals) -> Floats:
    return np.asarray(totals.count - arms["base_count"][rows], np.float64)


def _judged_control(arms: Columnar, pairs: Ints, totals: Totals) -> Floats:
    return _judged(arms, arms["control"][pairs], totals)


def _count_sides(arms: Columnar, pairs: Ints, sides: Sides, exact: bool) -> tuple[Floats, Floats]:
    flipped = arms["flipped"][arms["whole"][pairs]]
    t, c = sides.treatment, sides.control
    x_t, x_c = np.where(flipped, t.count - t.hits, t.hits), np.where(flipped, c.count - c.hits, c.hits)
    # Only what is counted moves the evidence, and that is the rarer outcome: the others repeat what stood before.
    moved = np.ones(len(pairs), np.bool_)
    moved[1:] = (pairs[1:] != pairs[:-1]) | (x_t[1:] != x_t[:-1]) | (x_c[1:] != x_c[:-1])
    at = np.flatnonzero(moved)
    harm, gain = _one_sided(arms, pairs[at], x_c[at], x_t[at], flipped[at], exact)
    repeated = np.cumsum(moved) - 1
    harm, gain = harm[repeated], gain[repeated]
    if sides.strata is None:
        return harm, gain
    ramped, more_is_harm = arms["ramped"][pairs], (arms["sign"][pairs] < 0) != flipped
    more, fewer = sides.strata.more, sides.strata.fewer
    return (
        np.where(ramped, np.where(more_is_harm, more, fewer), harm),
        np.where(ramped, np.where(more_is_harm, fewer, more), gain),
    )


def _one_sided(
    arms: Columnar, pairs: Ints, control: Ints, treatment: Ints, flipped: Flags, exact: bool
) -> tuple[Floats, Floats]:
    """Evidence of harm and gain from counted events under a fixed split."""
    harm, gain = np.full(len(pairs), counts.NO_EVIDENCE), np.full(len(pairs), counts.NO_EVIDENCE)
    fixed = np.flatnonzero(~arms["ramped"][pairs])
    pairs, control, treatment, flipped = pairs[fixed], control[fixed], treatment[fixed], flipped[fixed]
    more_is_harm = (arms["sign"][pairs] < 0) != flipped
    harm_level, gain_level = arms["harm_level"][pairs], arms["gain_level"][pairs]
    never = np.full(len(pairs), -np.inf)
    least_up = never if exact else np.where(more_is_harm, harm_level, gain_level)
    least_down = never if exact else np.where(more_is_harm, gain_level, harm_level)
    share, x_t, x_c = arms["share"][pairs], treatment.astype(float), control.astype(float)
    up = counts.log_e_one_sided(x_t, x_c, share, least_up)
    down = counts.log_e_one_sided(x_c, x_t, 1.0 - share, least_down)
    harm[fixed], gain[fixed] = np.where(more_is_harm, up, down), np.where(more_is_harm, down, up)
    return harm, gain


def _split_side(arms: Columnar, pairs: Ints, sides: Sides) -> Floats:
    share, ramped = arms["share"][pairs], arms["ramped"][pairs]
    x, y = sides.treatment.count.astype(float), sides.control.count.astype(float)
    log_e = np.full(len(pairs), counts.NO_EVIDENCE)
    fixed = np.flatnonzero(~ramped)
    log_e[fixed] = counts.log_e_split(x[fixed], y[fixed], share[fixed])
    return log_e if sides.strata is None else np.where(ramped, ramp.log_e_split(sides.strata), log_e)


def _mean_sides(arms: Columnar, pairs: Ints, sides: Sides) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = _difference(arms, pairs, sides)
        better = np.where(arms["sign"][pairs] > 0, effect, -effect)
    return means.log_evidence(-better, se, n), means.log_evidence(better, se, n)


def _difference(arms: Columnar, pairs: Ints, sides: Sides) -> tuple[Floats, Floats, Floats]:
    """Treatment's mean minus control's, its standard error, and the independent units behind both, each shape (n,)."""
    a, b = _samples(arms, pairs, sides)
    inflation = arms["inflation"][pairs]
    effect, se = b.mean() - a.mean(), means.standard_error(a, b)
    if sides.strata is not None:
        ramped = arms["ramped"][pairs]
        effect, se = np.where(ramped, sides.strata.effect, effect), np.where(ramped, sides.strata.se, se)
    return effect, se * np.sqrt(inflation), (a.count + b.count) / inflation


def _samples(arms: Columnar, pairs: Ints, sides: Sides) -> tuple[means.Sample, means.Sample]:
    # A rate's units are 0 or 1, so its sum and its squares are its hits.
    counted = np.isin(arms["tally"][pairs], (Tally.RATE, Tally.LATENCY))
    control = _sample(counted, sides.control, _judged_control(arms, pairs, sides.control))
    return control, _sample(counted, sides.treatment, _judged(arms, pairs, sides.treatment))


def _sample(counted: Flags, totals: Totals, count: Floats) -> means.Sample:
    total = np.where(counted, totals.hits, totals.total)
    return means.Sample(count, total, np.where(counted, totals.hits, totals.squares))
