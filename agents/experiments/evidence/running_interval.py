"""The running interval: at each sixteenth of a doubling of the sample it is cut with the one
before.

A confidence sequence holds at all moments at once, so the truth lies in every interval so far;
where nothing is left, no single effect explains the data: the effect itself drifts. Cutting at
fixed sample sizes rather than at every event costs nothing on the way and stays valid, for it looks
at fewer moments.
"""

from dataclasses import dataclass

import numpy as np

from agents.core.batch import Floats, Ints
from agents.experiments.evidence.effect import effects, settled
from agents.experiments.evidence.interval_schedule import mark, next_mark
from agents.experiments.evidence.looks import Looks
from state.arms_table import ArmsTable


@dataclass(frozen=True, slots=True)
class Cuts:
    """The running intervals of the pairs looked at, at the looks where they were cut, each shape
    (c,).

    emptied: the looks at which one first became empty.
    """

    looks: Ints
    low: Floats
    high: Floats
    emptied: Ints

    def store(self, arms: ArmsTable, looks: Looks) -> None:
        """Writes the intervals; a pair that was decided is cut no more after its decision."""
        pairs = looks.pairs[self.looks]
        held = np.flatnonzero(looks.offsets[self.looks] <= arms.closed_offset[pairs])
        # Later cuts of a pair stand after its earlier ones, and the last one written stays.
        arms.running_low[pairs[held]] = self.low[held]
        arms.running_high[pairs[held]] = self.high[held]

    def at(self, arms: ArmsTable, looks: Looks, pair: int, offset: int) -> tuple[float, float]:
        """A pair's running interval by an offset of the slice."""
        mine = (looks.pairs[self.looks] == pair) & (looks.offsets[self.looks] <= offset)
        by_then = np.flatnonzero(mine)
        if len(by_then):
            return float(self.low[by_then[-1]]), float(self.high[by_then[-1]])
        return float(arms.running_low[pair]), float(arms.running_high[pair])


_NONE = np.zeros(0, np.int64)


def narrow(arms: ArmsTable, looks: Looks, came: Ints | None = None) -> Cuts:
    """Cuts the running intervals of the pairs looked at, without writing them.

    came: (m,) units of both arms before the first look of each pair; absent: as they came into the
    slice.
    """
    nothing = Cuts(_NONE, np.zeros(0), np.zeros(0), _NONE)
    n = looks.sides.control.count + looks.sides.treatment.count
    near = np.flatnonzero(n >= arms.next_mark[looks.pairs])
    if not len(near):
        return nothing
    marks, before = mark(n[near]), mark(_before(arms, looks, n, near, came))
    at = np.asarray(near[marks != before])
    ends = np.flatnonzero(np.append(looks.pairs[1:] != looks.pairs[:-1], True))
    arms.next_mark[looks.pairs[ends]] = next_mark(n[ends])
    at = at[settled(arms, looks.pairs[at], looks.sides.take(at))]
    if not len(at):
        return nothing
    shown = effects(arms, looks.pairs[at], looks.sides.take(at), tails=0.5)
    return _cut(arms, looks.pairs[at], at, shown.low, shown.high)


def _before(arms: ArmsTable, looks: Looks, n: Ints, at: Ints, came: Ints | None) -> Ints:
    """The sample before each of these looks: at the look before, or as it came into the slice."""
    first = (at == 0) | (looks.pairs[at] != looks.pairs[at - 1])
    pairs = looks.pairs[at]
    carried = arms.count[pairs] + arms.count[arms.control[pairs]] if came is None else came[at]
    return np.asarray(np.where(first, carried, n[at - 1]))


def _cut(arms: ArmsTable, pairs: Ints, at: Ints, low: Floats, high: Floats) -> Cuts:
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1]))
    emptied, low, high = [], low.copy(), high.copy()
    for start, end in zip(starts, np.append(starts[1:], len(pairs)), strict=True):
        pair = pairs[start]
        lows = np.fmax.accumulate(np.append(arms.running_low[pair], low[start:end]))[1:]
        highs = np.fmin.accumulate(np.append(arms.running_high[pair], high[start:end]))[1:]
        low[start:end], high[start:end] = lows, highs
        empty = np.flatnonzero(lows > highs)
        if len(empty) and arms.unstable_offset[pair] < 0:
            emptied.append(at[start + empty[0]])
    return Cuts(at, low, high, np.array(emptied, np.int64))
