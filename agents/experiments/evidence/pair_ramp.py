"""Evidence under a ramp: shares that change with time, each unit taken at the share of the moment
it was assigned.

Where a base rate drifts while the shares move, totals over all steps compare one time with another
(Simpson's paradox); within a step both arms saw the same time. For counts a grid of alternatives d,
the log ratio of the two rates, turns each step's share rho into theta(rho) = rho e^d / (rho e^d + 1
- rho); with x counted events of the treatment and n_s of both arms in step s, log e_d = d x - sum_s
n_s log(rho_s e^d + 1 - rho_s), and the mean over the grid is an e-value.
"""

from math import exp, inf, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from agents.core.batch import Floats
from agents.experiments.evidence.repeated_units import design_effect_of
from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import Sample, mean, standard_error
from agents.statistics.multinomial import NO_EVIDENCE
from agents.statistics.scalars import log_added
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.ramp_table import NO_SLOT, Ramps, RampStep

GRID = 0.05 * np.arange(1.0, 42.0)  # log ratios on either side: from 5 % to eightfold
FURTHEST = 30.0  # a log ratio that no count of events reaches
HALVINGS = 50  # of the log ratios in which an end of the interval lies, down to rounding
SHARE, COUNTED = range(2)  # of CountedSteps.values
MORE, FEWER = 1, -1  # events of the treatment than its shares stand for
_ALTERNATIVES = len(GRID)
_LOG_ALTERNATIVES = log(_ALTERNATIVES)


class CountedSteps(NamedTuple):
    """The steps of a pair whose share is known.

    events: of the treatment, of what is counted; known: how many steps. values: (2, known or more),
    the treatment's share of each, and the events of both arms within it.
    """

    events: float
    known: int
    values: Floats


@compiled
def is_known(step: RampStep) -> bool:
    """Whether a share is known; where none is, or one arm had all, the arms may have met other
    times.
    """
    return 0.0 < step.share < 1.0


@compiled
def dispersion(rows: ArmRows, pair: int) -> float:
    """How many events of a COUNT or a LATENCY weigh as one independent event, 1 at least; 1 of a
    RATE, which counts a unit once.

    All events of a unit fall to its arm, so with v events a unit the variance of an arm's share is
    that of sum v events each of which counts sum v^2 / sum v times. That is of units with one
    record each, or whose squares came; the design effect is what units that come again make of it.
    """
    treatment, control = rows[pair], rows[rows[pair].control]
    again = design_effect_of(rows, pair)
    total = treatment.sum + control.sum
    unknown = treatment.missing_squares or control.missing_squares
    if treatment.tally != Tally.COUNT or unknown or not total > 0.0:
        return again
    return max(1.0, (treatment.sum_squares + control.sum_squares) / total) * again


@compiled
def events_of(rows: ArmRows, pair: int, row: int) -> float:
    """What a pair's test counts of an arm within a step: units, units without a hit, or independent
    hits; 0 where it has no row.
    """
    if row < 0:
        return 0.0
    if rows[pair].method == Method.SPLIT:
        return float(rows[row].count - rows[row].base_count)
    events = float(rows[row].hits)
    if rows[pair].flipped:
        events = float(rows[row].count - rows[row].hits)
    return events / dispersion(rows, pair)


@compiled
def log_e_of_ramp(rows: ArmRows, ramps: Ramps, pair: int, side: int, least: float) -> float:
    """log e that the treatment has MORE of what is counted than its shares stand for, or FEWER.

    Where it cannot reach `least` an upper bound that stays below it: no mean is more than the
    greatest. NO_EVIDENCE of a segment, whose steps are not kept apart.
    """
    if rows[pair].ramp_slot == NO_SLOT:
        return NO_EVIDENCE
    if least > 0.0:
        bound = _greatest(rows, ramps, pair, side)
        if bound < least:
            return bound
    return _mean_over_alternatives(rows, ramps, pair, side)


@compiled
def log_e_split_of_ramp(rows: ArmRows, ramps: Ramps, pair: int, least: float) -> float:
    """log e that the split is not the planned one, either way; an upper bound below `least`."""
    if rows[pair].ramp_slot == NO_SLOT:
        return NO_EVIDENCE
    more = log_e_of_ramp(rows, ramps, pair, MORE, least)
    fewer = log_e_of_ramp(rows, ramps, pair, FEWER, least)
    return log_added(more, fewer) - log(2.0)


@compiled
def _greatest(rows: ArmRows, ramps: Ramps, pair: int, side: int) -> float:
    """The greatest log e of an alternative on one side, or 0 where that is greater.

    log e is concave in the log ratio and 0 at 0: once it falls it never rises again.
    """
    greatest = 0.0
    for alternative in range(_ALTERNATIVES):
        log_e = _log_e_at(rows, ramps, pair, side, alternative)
        if log_e <= greatest:
            break
        greatest = log_e
    return greatest


@compiled
def _log_e_at(rows: ArmRows, ramps: Ramps, pair: int, side: int, alternative: int) -> float:
    slot = ramps.slots[rows[pair].ramp_slot]
    column = alternative if side == MORE else _ALTERNATIVES + alternative
    events, expected = 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step):
            own = events_of(rows, pair, step.treatment)
            events += own
            both = events_of(rows, pair, step.control) + own
            expected += both * ramps.log_terms[step.terms, column]
    return float(side * GRID[alternative]) * events - expected


@compiled
def _mean_over_alternatives(rows: ArmRows, ramps: Ramps, pair: int, side: int) -> float:
    """Added up alternative by alternative, step by step."""
    slot = ramps.slots[rows[pair].ramp_slot]
    steps, mixed = counted_steps(rows, ramps, pair), -inf
    for alternative in range(_ALTERNATIVES):
        column = alternative if side == MORE else _ALTERNATIVES + alternative
        log_e, known = side * GRID[alternative] * steps.events, 0
        for at in range(slot.first, slot.first + slot.steps):
            step = ramps.steps[at]
            if is_known(step):
                log_e -= steps.values[COUNTED, known] * ramps.log_terms[step.terms, column]
                known += 1
        mixed = log_added(mixed, log_e)
    return max(mixed - _LOG_ALTERNATIVES, NO_EVIDENCE)


@compiled
def counted_steps(rows: ArmRows, ramps: Ramps, pair: int) -> CountedSteps:
    """The steps of a pair that has a slot."""
    slot = ramps.slots[rows[pair].ramp_slot]
    values, events, known = ramps.counted, 0.0, 0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step):
            own = events_of(rows, pair, step.treatment)
            values[SHARE, known] = step.share
            values[COUNTED, known] = events_of(rows, pair, step.control) + own
            events += own
            known += 1
    return CountedSteps(events, known, values)


@compiled
def has_events(rows: ArmRows, ramps: Ramps, pair: int) -> bool:
    """Whether anything was counted in a step whose share is known; of a pair that has a slot."""
    steps = counted_steps(rows, ramps, pair)
    for at in range(steps.known):
        if steps.values[COUNTED, at] > 0.0:
            return True
    return False


@compiled
def z_of_ramp(rows: ArmRows, ramps: Ramps, pair: int) -> float:
    """Mantel and Haenszel's z over the steps, positive where the treatment has the higher rate; 0
    where there is no variance, NaN of a segment.
    """
    if rows[pair].ramp_slot == NO_SLOT:
        return nan
    slot = ramps.slots[rows[pair].ramp_slot]
    top, variance = 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step) and step.treatment >= 0 and step.control >= 0:
            weighted, of_step = _rates(rows, step.control, step.treatment)
            top, variance = top + weighted, variance + of_step
    variance *= dispersion(rows, pair)
    return top / sqrt(variance) if variance > 0.0 else 0.0


@compiled
def _rates(rows: ArmRows, control: int, treatment: int) -> tuple[float, float]:
    """The difference of the rates of a step and its variance, in Mantel and Haenszel's weights."""
    n, m = float(rows[control].count), float(rows[treatment].count)
    if n == 0.0 or m == 0.0:
        return 0.0, 0.0
    y, x = float(rows[control].hits), float(rows[treatment].hits)
    weight, pooled = n * m / (n + m), (y + x) / (n + m)
    several = rows[treatment].tally == Tally.COUNT
    one = pooled if several else pooled * max(1.0 - pooled, 0.0)
    return weight * (x / m - y / n), weight * one


@compiled
def difference_of_ramp(rows: ArmRows, ramps: Ramps, pair: int) -> tuple[float, float]:
    """The mean of the steps' differences, treatment minus control, and its standard error; NaN
    where no step has two units in both arms.
    """
    if rows[pair].ramp_slot == NO_SLOT:
        return nan, nan
    slot = ramps.slots[rows[pair].ramp_slot]
    weights, effect, spread = 0.0, 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step):
            a, b = _sample(rows, pair, step.control), _sample(rows, pair, step.treatment)
            weight = _weight(a, b)
            if weight > 0.0:
                se = standard_error(a, b)
                weights += weight
                effect += weight * (mean(b) - mean(a))
                spread += weight * weight * (se * se)
    return effect / weights, sqrt(spread) / weights


@compiled
def _sample(rows: ArmRows, pair: int, row: int) -> Sample:
    """An arm's units judged within a step, none where it has no row."""
    if row < 0:
        return Sample(0.0, 0.0, 0.0)
    arm = rows[row]
    units = float(arm.count - arm.base_count)
    if rows[pair].tally in (Tally.RATE, Tally.LATENCY):
        hits = float(arm.count if rows[pair].method == Method.SPLIT else arm.hits)
        return Sample(units, hits, hits)
    return Sample(units, arm.sum, arm.sum_squares)


@compiled
def _weight(a: Sample, b: Sample) -> float:
    if a.units > 1.0 and b.units > 1.0:
        return a.units * b.units / (a.units + b.units)
    return 0.0


@compiled
def ends_of_ramp(rows: ArmRows, ramps: Ramps, pair: int, level: float) -> tuple[float, float]:
    """The difference of rates of what is counted, treatment minus control, at the log ratios that
    no test rejects at evidence `level`; of a pair that has a slot.

    The priors are fixed, so the same evidence tests every log ratio d: with l(d) = d x - sum_s n_s
    log(rho_s e^d + 1 - rho_s), log e(d) = log e(0) - l(d). An end reaches 0 where the test at 0
    reaches its level, so verdict and interval agree. In a step with rate r of both arms a log ratio
    d is a difference of r (e^d - 1) / (rho e^d + 1 - rho).
    """
    steps = counted_steps(rows, ramps, pair)
    likeliest = _likeliest(steps)
    more = log_e_of_ramp(rows, ramps, pair, MORE, -inf)
    fewer = log_e_of_ramp(rows, ramps, pair, FEWER, -inf)
    least = _where_reached(steps, -FURTHEST, likeliest, more - level)
    most = _where_reached(steps, FURTHEST, likeliest, fewer - level)
    return _difference_at(rows, ramps, pair, least), _difference_at(rows, ramps, pair, most)


@compiled
def worst_of_ramp(
    rows: ArmRows, ramps: Ramps, pair: int, more: bool, level: float
) -> tuple[float, float]:
    """The rates of treatment and control of what is counted, at the log ratio of most of it, or of
    fewest, that is not rejected at evidence `level` by alternatives of no effect, which have half
    the weight, and of the other side; of a pair that has a slot.

    Both are of one log ratio and of the same steps, each by its part in the effect, so that a
    margin relative to control's rate is one of their ratio.
    """
    steps = counted_steps(rows, ramps, pair)
    other = log_e_of_ramp(rows, ramps, pair, FEWER if more else MORE, -inf)
    wanted = log_added(0.0, other) - log(2.0) - level
    d = _where_reached(steps, FURTHEST if more else -FURTHEST, _likeliest(steps), wanted)
    slot = ramps.slots[rows[pair].ramp_slot]
    treatment, control, weights = 0.0, 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step):
            weight, rate = _rate_of_both(rows, pair, step)
            of_control = rate / (step.share * exp(d) + 1.0 - step.share)
            weights += weight
            treatment += weight * of_control * exp(d)
            control += weight * of_control
    return treatment / weights, control / weights


@compiled
def _likeliest(steps: CountedSteps) -> float:
    """The log ratio at which as many events of the treatment are expected as there were."""
    low, high = -FURTHEST, FURTHEST
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if steps.events > _expected(steps, middle):
            low = middle
        else:
            high = middle
    return low


@compiled
def _where_reached(steps: CountedSteps, outside: float, inside: float, wanted: float) -> float:
    """The log ratio between `outside` and the likeliest one, `inside`, whose likelihood is
    `wanted`.
    """
    for _ in range(HALVINGS):
        middle = 0.5 * (outside + inside)
        if _log_likelihood(steps, middle) < wanted:
            outside = middle
        else:
            inside = middle
    return inside


@compiled
def _expected(steps: CountedSteps, d: float) -> float:
    """The events of the treatment, of all that were counted, at the log ratio d."""
    total = 0.0
    for at in range(steps.known):
        ratio = steps.values[SHARE, at] * exp(d)
        total += steps.values[COUNTED, at] * ratio / (ratio + 1.0 - steps.values[SHARE, at])
    return total


@compiled
def _log_likelihood(steps: CountedSteps, d: float) -> float:
    """Of the log ratio d, over that of 0."""
    total = 0.0
    for at in range(steps.known):
        total += steps.values[COUNTED, at] * log(
            steps.values[SHARE, at] * exp(d) + 1.0 - steps.values[SHARE, at]
        )
    return d * steps.events - total


@compiled
def _difference_at(rows: ArmRows, ramps: Ramps, pair: int, d: float) -> float:
    """The difference of rates at the log ratio d, each step by its part in the effect."""
    slot = ramps.slots[rows[pair].ramp_slot]
    ratio, total, weights = exp(d), 0.0, 0.0
    for at in range(slot.first, slot.first + slot.steps):
        step = ramps.steps[at]
        if is_known(step):
            weight, rate = _rate_of_both(rows, pair, step)
            weights += weight
            total += weight * rate * (ratio - 1.0) / (step.share * ratio + 1.0 - step.share)
    return total / weights if weights > 0.0 else 0.0


@compiled
def _rate_of_both(rows: ArmRows, pair: int, step: RampStep) -> tuple[float, float]:
    """A step's weight in the effect, and events per unit of both of its arms."""
    a, b = _sample(rows, pair, step.control), _sample(rows, pair, step.treatment)
    weight, units = _weight(a, b), a.units + b.units
    events = events_of(rows, pair, step.control) + events_of(rows, pair, step.treatment)
    events *= dispersion(rows, pair)
    return weight, events / max(units, 1.0) if units > 0.0 else 0.0
