"""Whether a guardrail is sound: its interval's bad end within what is allowed, on enough units; and
what it still needs.

What is allowed is the margin times control's value, or the absolute margin where that is more. A
base of 0 has nothing to be relative to: of counted events the margin is then one in a hundred units
unless another is stated, which both arms without an event show with some 1 300 units each. Of other
values nobody knows what is much, so theirs must be stated.
"""

from dataclasses import dataclass

import numpy as np

from agents.experiments.evidence.assess import enough
from agents.experiments.evidence.effect import effects, exact_interval
from agents.experiments.evidence.samples import samples
from agents.experiments.plan.terms import Tally
from agents.experiments.totals.totals import Flags, Floats, Ints, Sides
from state.arms_table import ArmsTable

# of the units: what is allowed of counted events where control has none and no absolute margin is
# stated
AT_ZERO = 0.01


@dataclass(frozen=True, slots=True)
class Bound:
    """Of a guardrail at n moments, each shape (n,): how much worse it may be, how much worse it
    looks, what is allowed.

    In the metric's own unit, positive where the treatment is worse. worst: NaN where there is no
    bound.
    """

    worst: Floats
    looks: Floats
    allowed: Floats

    def holds(self) -> Flags:
        return np.asarray((self.worst < self.allowed) | (self.worst <= 0.0))


def bound(arms: ArmsTable, pairs: Ints, sides: Sides) -> Bound:
    """What the test leaves of harm; of counted events that control has none of, what the units
    themselves leave.
    """
    shown, up = effects(arms, pairs, sides), arms.sign[pairs] > 0
    worst, looks = np.where(up, -shown.low, shown.high), np.where(up, -shown.effect, shown.effect)
    control, treatment = samples(arms, pairs, sides)
    both, counted = (
        np.minimum(control.count, treatment.count) > 0,
        arms.tally[pairs] != Tally.MEAN,
    )
    at = np.flatnonzero(both & counted & (sides.control.hits == 0))
    if len(at):
        low, high = exact_interval(arms, pairs[at], sides.take(at), -np.log(arms.alpha[pairs[at]]))
        worst[at] = np.where(up[at], -low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.abs(control.mean())
    stated = arms.absolute_margin[pairs]
    absolute = np.where(np.isnan(stated), np.where((base == 0.0) & counted, AT_ZERO, 0.0), stated)
    return Bound(worst, looks, np.fmax(arms.margin[pairs] * base, absolute))


def sound(arms: ArmsTable, pairs: Ints, sides: Sides) -> Flags:
    """Where a guardrail is sound, shape (n,)."""
    return np.asarray(bound(arms, pairs, sides).holds() & enough(arms, pairs, sides))


def units_more(found: Bound, units: Floats) -> Floats:
    """Units of both arms still needed if the effect is what it looks like, shape (n,); NaN where
    none would do.

    The width of an interval falls with the square root of the sample at least.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        times = ((found.worst - found.looks) / (found.allowed - found.looks)) ** 2
    possible = (found.allowed > found.looks) & (times >= 1.0)
    return np.where(possible, np.ceil((times - 1.0) * units), np.nan)
