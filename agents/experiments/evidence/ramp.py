"""Evidence under a ramp: shares that change with time, each unit taken at the share of the moment
it was assigned.

Where a base rate drifts while the shares move, totals over all steps compare one time with another
(Simpson's paradox); within a step both arms saw the same time. For counts a grid of alternatives d,
the log ratio of the two rates, turns each step's share rho into theta(rho) = rho e^d / (rho e^d + 1
- rho); with x counted events of the treatment and n_s of both arms in step s, log e_d = d x - sum_s
n_s log(rho_s e^d + 1 - rho_s), and the mean over the grid is an e-value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.experiments.totals.totals import Flags, Floats, Ints, Strata, Totals
from agents.statistics import confidence_sequence, multinomial

GRID = 0.05 * np.arange(1.0, 42.0)  # log ratios on either side: from 5 % to eightfold
FURTHEST = 30.0  # a log ratio that no count of events reaches
HALVINGS = 50  # of the log ratios in which an end of the interval lies, down to rounding


@dataclass(frozen=True, slots=True)
class RampStep:
    """Both arms of a pair within one share step at n moments; share: the treatment's of the two."""

    share: float
    control: Totals
    treatment: Totals


def strata_of(
    steps: Sequence[RampStep],
    several: bool,
    counted: bool,
    flipped: bool,
    base: Sequence[tuple[int, int]],
) -> Strata:
    """The steps of one pair put together at its n moments.

    several: a unit may have many hits; counted: its hits are its values; flipped: units without a
    hit are counted; base: units of the burn-in in control and treatment, by step.
    """
    n = len(steps[0].control.count)
    x, in_step, rates = np.zeros(n), [], []
    top = variance = weights = effect = spread = np.zeros(n)
    for step, (base_c, base_t) in zip(steps, base, strict=True):
        c, t = step.control, step.treatment
        events_c, events_t = _events(c, flipped), _events(t, flipped)
        if not 0.0 < step.share < 1.0:
            # no share is known, or one arm had all: within it the arms may have met other times
            continue
        x = x + events_t
        in_step.append((step.share, events_c + events_t))
        weight, difference, pooled = _rates(c, t, several)
        top, variance = top + weight * difference, variance + weight * pooled
        a, b = _sample(c, counted, base_c), _sample(t, counted, base_t)
        weight, difference, squared = _means(a, b)
        weights = weights + weight
        rates.append(weight * _per_unit(events_c + events_t, a.count + b.count))
        effect, spread = effect + weight * difference, spread + weight * weight * squared
    with np.errstate(divide="ignore", invalid="ignore"):
        return Strata(
            more=_log_e(x, in_step, 1.0),
            fewer=_log_e(x, in_step, -1.0),
            z=np.where(variance > 0.0, top / np.sqrt(variance), 0.0),
            effect=effect / weights,
            se=np.sqrt(spread) / weights,
            events=x,
            share=_side_by_side([np.full(n, share) for share, _ in in_step], n),
            counted=_side_by_side([events for _, events in in_step], n),
            rate=_side_by_side([_where(weights > 0.0, rate / weights) for rate in rates], n),
        )


def ends(strata: Strata, level: Floats) -> tuple[Floats, Floats]:
    """The difference of rates of what is counted, treatment minus control, at the log ratios that
    no test rejects, shape (n,).

    The priors are fixed, so the same evidence tests every log ratio d: with l(d) = d x - sum_s n_s
    log(rho_s e^d + 1 - rho_s), log e(d) = log e(0) - l(d). An end reaches 0 where the test at 0
    reaches its level, so verdict and interval agree. In a step with rate r of both arms a log ratio
    d is a difference of r (e^d - 1) / (rho e^d + 1 - rho).
    """
    n = len(level)
    least, most = np.full(n, -FURTHEST), np.full(n, FURTHEST)
    best, _ = _halved(least, most, lambda d: strata.events > _expected(strata, d))
    _, low = _halved(least, best, lambda d: _log_likelihood(strata, d) < strata.more - level)
    high, _ = _halved(best, most, lambda d: _log_likelihood(strata, d) >= strata.fewer - level)
    return _difference(strata, low), _difference(strata, high)


def log_e_split(strata: Strata) -> Floats:
    """log e that the split is not the planned one, either way, shape (n,)."""
    with np.errstate(invalid="ignore"):  # NaN where there is no ramp
        return np.asarray(np.logaddexp(strata.more, strata.fewer) - np.log(2.0))


def _log_e(x: Floats, in_step: Sequence[tuple[float, Floats]], side: float) -> Floats:
    """Added up alternative by alternative, so that how many moments are looked at together changes
    no bit.
    """
    mixed = np.full(len(x), -np.inf)
    for d in side * GRID:
        log_e = d * x
        for share, n in in_step:
            log_e = log_e - n * np.log(share * np.exp(d) + 1.0 - share)
        mixed = np.logaddexp(mixed, log_e)
    return np.asarray(np.maximum(mixed - np.log(len(GRID)), multinomial.NO_EVIDENCE))


def _halved(low: Floats, high: Floats, above: Callable[[Floats], Flags]) -> tuple[Floats, Floats]:
    """Closes in from both sides on where `above`, true at first, becomes false; shape (n,)."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        true = above(middle)
        low, high = np.where(true, middle, low), np.where(true, high, middle)
    return low, high


def _expected(strata: Strata, d: Floats) -> Floats:
    """The events of the treatment, of all that were counted, at the log ratio d."""
    ratio = strata.share * np.exp(d)[:, None]
    return _added(strata.counted * ratio / (ratio + 1.0 - strata.share))


def _log_likelihood(strata: Strata, d: Floats) -> Floats:
    """Of the log ratio d, over that of 0."""
    each = strata.counted * np.log(strata.share * np.exp(d)[:, None] + 1.0 - strata.share)
    return d * strata.events - _added(each)


def _difference(strata: Strata, d: Floats) -> Floats:
    ratio = np.exp(d)[:, None]
    return _added(strata.rate * (ratio - 1.0) / (strata.share * ratio + 1.0 - strata.share))


def _added(steps: Floats) -> Floats:
    """Step by step, so that more steps of others beside them change no bit: (n,) of (n, steps)."""
    total = np.zeros(len(steps))
    for step in range(steps.shape[1]):
        total = total + steps[:, step]
    return total


def _side_by_side(steps: Sequence[Floats], n: int) -> Floats:
    return np.stack(steps, axis=1) if steps else np.zeros((n, 0))


def _per_unit(events: Floats, units: Floats) -> Floats:
    return np.asarray(np.where(units > 0.0, events / np.maximum(units, 1.0), 0.0))


def _events(totals: Totals, flipped: bool) -> Floats:
    return (totals.count - totals.hits if flipped else totals.hits).astype(float)


def _rates(c: Totals, t: Totals, several: bool) -> tuple[Floats, Floats, Floats]:
    """Mantel and Haenszel's weight of a step, the difference of its rates, and the variance of one
    unit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(
            (c.count > 0) & (t.count > 0), c.count * t.count / (c.count + t.count), 0.0
        )
        pooled = (c.hits + t.hits) / (c.count + t.count)
        one = pooled if several else pooled * np.maximum(1.0 - pooled, 0.0)
        difference = t.hits / t.count - c.hits / c.count
    return weight, _where(weight > 0.0, difference), _where(weight > 0.0, one)


def _means(
    a: confidence_sequence.Sample, b: confidence_sequence.Sample
) -> tuple[Floats, Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        both = (a.count > 1.0) & (b.count > 1.0)
        weight = np.where(both, a.count * b.count / (a.count + b.count), 0.0)
        difference, se = b.mean() - a.mean(), confidence_sequence.standard_error(a, b)
    return weight, _where(both, difference), _where(both, se * se)


def _sample(totals: Totals, counted: bool, base: int) -> confidence_sequence.Sample:
    total = totals.hits.astype(float) if counted else totals.total
    return confidence_sequence.Sample(
        (totals.count - base).astype(float), total, total if counted else totals.squares
    )


def _where(known: Flags, values: Floats | Ints) -> Floats:
    return np.asarray(np.where(known, values, 0.0), np.float64)
