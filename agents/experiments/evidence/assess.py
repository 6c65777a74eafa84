"""What totals of two arms say: evidence of harm and of gain, effect and interval, for whole arrays
of moments at once.

One function serves the looks after each event, the decision and the row that people read, so they
cannot disagree.
"""

from dataclasses import dataclass

import numpy as np

from agents.experiments.evidence import ramp
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
from schemas.records import Verdict
from state.arms_table import ArmsTable

# a count test takes a split that is off its plan for an effect; the observed exposures must agree
Z_AGREES = 3.0


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """Of treatment against control at n moments, each shape (n,).

    harm, gain: nats; log e of the count test, or minus the log of the anytime p-value of the
    others. enough: both arms have the records that a decision needs.
    """

    harm: Floats
    gain: Floats
    enough: Flags


def assess(
    arms: ArmsTable, pairs: Ints, offsets: Ints, sides: Sides, exact: bool = True
) -> PairEvidence:
    """Evidence at n moments; pairs: (n,) the treatment's row of each, equal ones together and in
    the order of the log.

    Not exact: where there is not enough, or count evidence stays below its row's level, an upper
    bound or nothing is given: enough to see that nothing is proved.
    """
    n = len(pairs)
    harm, gain = np.full(n, multinomial.NO_EVIDENCE), np.full(n, multinomial.NO_EVIDENCE)
    method = arms.method[pairs]
    sufficient = enough(arms, pairs, sides)
    wanted = np.ones(n, np.bool_) if exact else sufficient
    by_count = np.flatnonzero((method == Method.COUNTS) & wanted & _begun(arms, pairs, offsets))
    if len(by_count):
        harm[by_count], gain[by_count] = _count_sides(
            arms, pairs[by_count], sides.take(by_count), exact
        )
    by_mean = np.flatnonzero((method == Method.MEANS) & wanted)
    if len(by_mean):
        harm[by_mean], gain[by_mean] = _mean_sides(arms, pairs[by_mean], sides.take(by_mean))
    by_rate = np.flatnonzero((method == Method.RATES) & wanted)
    if len(by_rate):
        harm[by_rate], gain[by_rate] = _rate_sides(arms, pairs[by_rate], sides.take(by_rate), exact)
    split = np.flatnonzero(method == Method.SPLIT)
    if len(split):
        harm[split] = _split_side(arms, pairs[split], sides.take(split))
    return PairEvidence(harm, gain, sufficient)


def agrees(arms: ArmsTable, pairs: Ints, sides: Sides, verdict: Verdict) -> Flags:
    """Where the observed exposures do not contradict harm or gain, shape (n,): asked of count tests
    only.
    """
    t, c = sides.treatment, sides.control
    z = multinomial.pooled_z(
        t.hits.astype(float),
        judged(arms, pairs, t),
        c.hits.astype(float),
        judged_control(arms, pairs, c),
        arms.tally[pairs] == Tally.COUNT,
    )
    if sides.strata is not None:
        z = np.where(arms.ramped[pairs], sides.strata.z, z)
    more = (arms.sign[pairs] < 0) == (
        verdict == Verdict.HARM
    )  # whether more hits are what is to be shown
    return np.asarray((arms.method[pairs] != Method.COUNTS) | (np.where(more, z, -z) >= Z_AGREES))


def enough(arms: ArmsTable, pairs: Ints, sides: Sides) -> Flags:
    """Where both arms have the records that a decision needs, shape (n,)."""
    learning = (arms.tally[pairs] == Tally.LATENCY) & ~np.isfinite(arms.limit[pairs])
    missing = (sides.control.missing | sides.treatment.missing) & (
        arms.method[pairs] == Method.MEANS
    )
    return np.asarray((fewest(arms, pairs, sides) >= needed(arms, pairs)) & ~missing & ~learning)


def _begun(arms: ArmsTable, pairs: Ints, offsets: Ints) -> Flags:
    """Where it is settled by then what is counted."""
    base = arms.base_offset[arms.aggregate_row[pairs]]
    return np.asarray((base >= 0) & (offsets >= base))


def _count_sides(arms: ArmsTable, pairs: Ints, sides: Sides, exact: bool) -> tuple[Floats, Floats]:
    flipped = arms.flipped[arms.aggregate_row[pairs]]
    t, c = sides.treatment, sides.control
    x_t, x_c = (
        np.where(flipped, t.count - t.hits, t.hits),
        np.where(flipped, c.count - c.hits, c.hits),
    )
    # Only what is counted moves the evidence, and that is the rarer outcome: the others repeat what
    # stood before.
    moved = np.ones(len(pairs), np.bool_)
    moved[1:] = (pairs[1:] != pairs[:-1]) | (x_t[1:] != x_t[:-1]) | (x_c[1:] != x_c[:-1])
    at = np.flatnonzero(moved)
    harm, gain = _one_sided(arms, pairs[at], x_c[at], x_t[at], flipped[at], exact)
    repeated = np.cumsum(moved) - 1
    harm, gain = harm[repeated], gain[repeated]
    if sides.strata is None:
        return harm, gain
    ramped, more_is_harm = arms.ramped[pairs], (arms.sign[pairs] < 0) != flipped
    more, fewer = sides.strata.more, sides.strata.fewer
    return (
        np.where(ramped, np.where(more_is_harm, more, fewer), harm),
        np.where(ramped, np.where(more_is_harm, fewer, more), gain),
    )


def _one_sided(
    arms: ArmsTable, pairs: Ints, control: Ints, treatment: Ints, flipped: Flags, exact: bool
) -> tuple[Floats, Floats]:
    """Evidence of harm and gain from counted events under a fixed split."""
    harm, gain = (
        np.full(len(pairs), multinomial.NO_EVIDENCE),
        np.full(len(pairs), multinomial.NO_EVIDENCE),
    )
    fixed = np.flatnonzero(~arms.ramped[pairs])
    pairs, control, treatment, flipped = (
        pairs[fixed],
        control[fixed],
        treatment[fixed],
        flipped[fixed],
    )
    more_is_harm = (arms.sign[pairs] < 0) != flipped
    harm_level, gain_level = arms.harm_level[pairs], arms.gain_level[pairs]
    never = np.full(len(pairs), -np.inf)
    least_up = never if exact else np.where(more_is_harm, harm_level, gain_level)
    least_down = never if exact else np.where(more_is_harm, gain_level, harm_level)
    share, x_t, x_c = arms.share[pairs], treatment.astype(float), control.astype(float)
    up = multinomial.log_e_one_sided(x_t, x_c, share, least_up)
    down = multinomial.log_e_one_sided(x_c, x_t, 1.0 - share, least_down)
    harm[fixed], gain[fixed] = np.where(more_is_harm, up, down), np.where(more_is_harm, down, up)
    return harm, gain


def _split_side(arms: ArmsTable, pairs: Ints, sides: Sides) -> Floats:
    share, ramped = arms.share[pairs], arms.ramped[pairs]
    x, y = sides.treatment.count.astype(float), sides.control.count.astype(float)
    log_e = np.full(len(pairs), multinomial.NO_EVIDENCE)
    fixed = np.flatnonzero(~ramped)
    log_e[fixed] = multinomial.log_e_split(x[fixed], y[fixed], share[fixed])
    return (
        log_e if sides.strata is None else np.where(ramped, ramp.log_e_split(sides.strata), log_e)
    )


def _mean_sides(arms: ArmsTable, pairs: Ints, sides: Sides) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect, se, n = difference(arms, pairs, sides)
        se = np.maximum(se, least_error(arms, pairs, sides, effect))
        better = np.where(arms.sign[pairs] > 0, effect, -effect)
    return confidence_sequence.log_evidence(-better, se, n), confidence_sequence.log_evidence(
        better, se, n
    )


def least_error(arms: ArmsTable, pairs: Ints, sides: Sides, effect: Floats) -> Floats:
    """The least that the standard error of an effect is taken for, shape (n,): rounding, and one
    unit of each arm like the other arm's, for of arms without any spread nothing else is known of
    it.

    Arms of n units that are alike are both constant and differ with a chance of 2^-2n at most, far
    below what is left to a test that is a thousand units old.
    """
    a, b = samples(arms, pairs, sides)
    one_unit = np.abs(effect) * np.sqrt(1.0 / a.count**2 + 1.0 / b.count**2)
    return np.asarray(np.fmax(one_unit, rounding(arms, pairs, sides)))


def _rate_sides(arms: ArmsTable, pairs: Ints, sides: Sides, exact: bool) -> tuple[Floats, Floats]:
    """Whichever is more of the confidence sequence's evidence and the exact test's, each at its
    part of the level.
    """
    harm, gain = _mean_sides(arms, pairs, sides)
    early = fewest(arms, pairs, sides) < needed_of_mean(arms, pairs)
    harm, gain = (
        np.where(early, multinomial.NO_EVIDENCE, harm),
        np.where(early, multinomial.NO_EVIDENCE, gain),
    )
    least = np.minimum(arms.harm_level[pairs], arms.gain_level[pairs])
    more, fewer = exact_sides(arms, pairs, sides, np.full(len(pairs), -np.inf) if exact else least)
    up = arms.sign[pairs] > 0
    return (
        np.maximum(
            harm + np.log(1.0 - rate_comparison.PART),
            np.where(up, fewer, more) + np.log(rate_comparison.PART),
        ),
        np.maximum(
            gain + np.log(1.0 - rate_comparison.PART),
            np.where(up, more, fewer) + np.log(rate_comparison.PART),
        ),
    )


def exact_sides(arms: ArmsTable, pairs: Ints, sides: Sides, least: Floats) -> tuple[Floats, Floats]:
    """log e that the treatment's rate is higher, and lower, from the units alone, shape (n,);
    bounds of it below `least`.

    None where an arm is empty, or in a ramp, for over its steps rates of one time would be compared
    with another's.
    """
    control, treatment = samples(arms, pairs, sides)
    more, fewer = (
        np.full(len(pairs), multinomial.NO_EVIDENCE),
        np.full(len(pairs), multinomial.NO_EVIDENCE),
    )
    usable = (control.count > 0) & (treatment.count > 0) & ~arms.ramped[pairs]
    for side, (a, b) in ((more, (treatment, control)), (fewer, (control, treatment))):
        at = np.flatnonzero(usable)
        side[at] = rate_comparison.most_above(a.total[at], a.count[at], b.total[at], b.count[at])
        at = at[side[at] >= least[at]]
        side[at] = rate_comparison.log_e_above(a.total[at], a.count[at], b.total[at], b.count[at])
    return more, fewer
