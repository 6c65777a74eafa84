"""Running totals at every event of a slice, added up in the order of the log whatever way the log
is cut.

A cumulative sum over a whole slice minus an offset would round differently with each cut. Integers
are exact, so they may be summed that way; floats are added one after the other to the row's own
sum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FEW = 4  # runs left: one accumulate for each is then cheaper than one array step for each rank


@dataclass(frozen=True, slots=True)
class Runs:
    """The events of a slice brought together by row, in the order of the log within each row.

    order: (n,) positions in the slice, sorted by row; rows: (n,) the row of each; starts, lengths:
    (r,) of each run.
    """

    order: Ints
    rows: Ints
    starts: Ints
    lengths: Ints

    @property
    def each(self) -> Ints:
        """The row of each run, shape (r,)."""
        return self.rows[self.starts]

    @property
    def ends(self) -> Ints:
        """The last position of each run, shape (r,)."""
        return self.starts + self.lengths - 1


def stable_order(keys: Ints) -> Ints:
    """Where the keys, none negative, stand when sorted; equal ones stay in their order.

    numpy sorts 16-bit integers by radix: for keys that fit, several times faster than by
    comparison.
    """
    small = not len(keys) or keys.max() < 1 << 16
    return np.argsort(keys.astype(np.uint16) if small else keys, kind="stable")


def bring_together(rows: Ints) -> Runs:
    order = stable_order(rows)
    gathered = rows[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], gathered[1:] != gathered[:-1]]))
        if len(rows)
        else order
    )
    lengths = np.diff(np.append(starts, len(rows)))
    return Runs(order, gathered, starts, lengths)


def running_ints(runs: Runs, values: Ints, carry: Ints) -> Ints:
    """Sums after each event; values in run order (n,), carry by run (r,)."""
    sums = np.cumsum(values)
    before = np.concatenate([np.zeros(1, np.int64), sums])[runs.starts]
    return np.asarray(sums + np.repeat(carry - before, runs.lengths))


def running_floats(runs: Runs, values: Floats, carry: Floats) -> Floats:
    """Sums after each event, each the IEEE sum of the one before and the value; values (n,), carry
    by run (r,).

    A sum too large is infinite, and stays so.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _running_floats(runs, values, carry)


def _running_floats(runs: Runs, values: Floats, carry: Floats) -> Floats:
    out = np.empty(len(values))
    starts, lengths, sums, rank = runs.starts, runs.lengths, carry, 0
    while len(starts) > _FEW:
        at = starts + rank
        sums = sums + values[at]
        out[at] = sums
        rank += 1
        longer = lengths > rank
        if not longer.all():
            starts, lengths, sums = starts[longer], lengths[longer], sums[longer]
    for start, end, before in zip(starts + rank, starts + lengths, sums, strict=True):
        out[start:end] = np.add.accumulate(np.append(before, values[start:end]))[1:]
    return out
