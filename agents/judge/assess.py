"""What totals of two arms say: evidence of harm and of gain, effect and interval, for whole arrays of moments at once.

One function serves the looks after each event, the decision and the row that people read, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np

from agents.judge import counts, means, ramp
from agents.judge.samples import difference, judged, judged_control, needed
from agents.judge.sides import Flags, Floats, Ints, Sides
from agents.judge.terms import Method, Tally
from schemas.records import Verdict
from state.columnar import Columnar

Z_AGREES = 3.0  # a count test takes a split that is off its plan for an effect; the observed exposures must agree


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of treatment against control at n moments, each shape (n,).

    harm, gain: nats; log e of the count test, or minus the log of the anytime p-value of the mean test.
    enough: both arms have the records that a decision needs.
    """

    harm: Floats
    gain: Floats
    enough: Flags


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
        t.hits.astype(float), judged(arms, pairs, t), c.hits.astype(float), judged_control(arms, pairs, c),
        arms["tally"][pairs] == Tally.COUNT,
    )  # fmt: skip
    if sides.strata is not None:
        z = np.where(arms["ramped"][pairs], sides.strata.z, z)
    more = (arms["sign"][pairs] < 0) == (verdict == Verdict.HARM)  # whether more hits are what is to be shown
    return np.asarray((arms["method"][pairs] != Method.COUNTS) | (np.where(more, z, -z) >= Z_AGREES))


def enough(arms: Columnar, pairs: Ints, sides: Sides) -> Flags:
    """Where both arms have the records that a decision needs, shape (n,)."""
    missing = (sides.control.missing | sides.treatment.missing) & (arms["method"][pairs] == Method.MEANS)
    least = np.minimum(judged_control(arms, pairs, sides.control), judged(arms, pairs, sides.treatment))
    return np.asarray((least >= needed(arms, pairs)) & ~missing)


def _begun(arms: Columnar, pairs: Ints, offsets: Ints) -> Flags:
    """Where it is settled by then what is counted."""
    base = arms["base_offset"][arms["whole"][pairs]]
    return np.asarray((base >= 0) & (offsets >= base))


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
        effect, se, n = difference(arms, pairs, sides)
        better = np.where(arms["sign"][pairs] > 0, effect, -effect)
    return means.log_evidence(-better, se, n), means.log_evidence(better, se, n)
