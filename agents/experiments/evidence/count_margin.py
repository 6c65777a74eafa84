"""How much worse a guardrail may be whose events are counted, in a ramp or under one share: rates
of both arms at one hypothesis, and how far the base itself may be above what was observed.

A ratio of rates is what a count test bounds, whatever the base is; a difference of rates needs the
base, too. That is bounded from the number of events alone: if Lambda are expected, N log r - (r -
1) Lambda is the log likelihood ratio of a rate r times as high, whose mean over several r below 1
is an e-process, at every look, of Lambda or more (Lindon and Kallus, "Anytime-valid inference on
counting processes", 2022). Both bounds hold together with the sum of their levels.
"""

from math import exp, inf, log

import numpy as np

from agents.experiments.evidence.pair_evidence import counted, more_and_fewer, more_is_harm
from agents.experiments.evidence.pair_ramp import (
    counted_steps,
    dispersion,
    has_events,
    worst_of_ramp,
)
from agents.experiments.evidence.pair_samples import units_of
from agents.statistics.multinomial import edges
from agents.statistics.scalars import log_added
from schemas.compiled import compiled, read_only
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs
from state.pairs.ramp_table import NO_SLOT

PART_OF_BASE = 0.2  # of alpha, spent on the bound of the base where an absolute margin is stated
_STEPS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # log rates below that which is tested
_LOG_RATES = read_only(np.array([-step for step in _STEPS]))
_LOG_NUMBER = log(len(_STEPS))
_HALVINGS = 40
_FURTHEST = 1e6  # events more than observed; no bound is as far


@compiled
def has_counted(rows: ArmRows, pairs: Pairs, pair: int) -> bool:
    """Whether a count test has counted anything by which it bounds a ratio."""
    if rows[pair].ramped:
        return rows[pair].ramp_slot != NO_SLOT and has_events(rows, pairs.ramps, pair)
    x, y = counted(rows, pair)
    return bool(x + y > 0.0)


@compiled
def worst_of_counts(rows: ArmRows, pairs: Pairs, pair: int, level: float) -> tuple[float, float]:
    """The rates of treatment and control at the most harmful ratio that a count test does not
    reject at evidence `level`; of a pair that has counted something.
    """
    more = more_is_harm(rows, pair)
    if rows[pair].ramped:
        treatment, control = worst_of_ramp(rows, pairs.ramps, pair, more, level)
    else:
        treatment, control = _worst_of_one_share(rows, pairs, pair, more, level)
    if rows[rows[pair].aggregate_row].flipped:
        return 1.0 - treatment, 1.0 - control
    return treatment, control


@compiled
def _worst_of_one_share(
    rows: ArmRows, pairs: Pairs, pair: int, more: bool, level: float
) -> tuple[float, float]:
    """A share t of the counted outcome is, with a rate of both arms and the treatment's planned
    share r of their units, a rate of the treatment of t / r times that, and of control of (1 - t) /
    (1 - r) times.
    """
    x, y = counted(rows, pair)
    above, below = more_and_fewer(rows, pairs, pair, -inf, -inf)
    half = log(2.0)
    above, below = log_added(0.0, above) - half, log_added(0.0, below) - half
    share, units = rows[pair].share, units_of(rows, pair) + units_of(rows, rows[pair].control)
    least, most = edges(x, y, share, exp(-level), above, below)
    part, rate = most if more else least, (x + y) * dispersion(rows, pair) / units
    return rate * part / share, rate * (1.0 - part) / (1.0 - share)


@compiled
def counted_events(rows: ArmRows, pairs: Pairs, pair: int) -> float:
    """The independent events behind the rates of `worst_of_counts`."""
    if not rows[pair].ramped:
        x, y = counted(rows, pair)
        return x + y
    steps, events = counted_steps(rows, pairs.ramps, pair), 0.0
    for at in range(steps.known):
        events += steps.values[1, at]
    return events


@compiled
def times_at_most(events: float, alpha: float) -> float:
    """How many times as many events as were observed may have been expected, at every look with a
    chance of PART_OF_BASE * alpha of being wrong; events: 1 at least.
    """
    level, low, high = -log(alpha * PART_OF_BASE), events, events + _FURTHEST
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        total = -inf
        for at in range(len(_STEPS)):
            rate = _LOG_RATES[at]
            total = log_added(total, events * rate + (1.0 - exp(rate)) * middle)
        if total - _LOG_NUMBER < level:
            low = middle
        else:
            high = middle
    return low / events
