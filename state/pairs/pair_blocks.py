"""The blocks of pairs that are judged without shares: a row of numbers for each, which continues
over restarts.
"""

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_BLOCKS = 0  # in column `block_slot` of the arms: the row is no pair that is judged in blocks
ALTERNATIVES = 20  # log odds ratios, each with the log likelihood ratio that it has gathered
# Where in a row each number stands, behind those of the alternatives. MORE, FEWER: log e that the
# treatment has more hits, and fewer. The weight of all closed blocks, and the sums over them, by
# their weights, of the differences per unit, of the rates of both arms and of their variances. Then
# the open block: units of either arm and what they add up to, hits of a rate; the arm whose unit
# came last, and since when only that arm's came, ms. CLOSED: blocks.
(
    MORE,
    FEWER,
    WEIGHT,
    DIFFERENCE,
    RATE,
    VARIANCE,
    TREATMENT_UNITS,
    TREATMENT_SUM,
    CONTROL_UNITS,
    CONTROL_SUM,
    LAST,
    RUN_SINCE,
    CLOSED,
) = range(ALTERNATIVES, ALTERNATIVES + 13)
WIDTH = ALTERNATIVES + 13
# Of a mean, in the place of those of the alternatives, three times six: of single blocks, of groups
# of 8 and of groups of 64 that follow each other. Of each: the sums over closed groups of the
# square of a group's difference (that of a block times its weight), of the difference times the
# weight, and of the weight's square; difference and weight of the open group; how many are closed.
GROUPS = (1, 8, 64)
SQUARES, CROSS, WEIGHT_SQUARES, OPEN_DIFFERENCE, OPEN_WEIGHT, GROUPS_CLOSED = range(6)
GROUP_WIDTH = 6
_FIRST_CAPACITY = 16


class PairBlocks:
    """A row for each such pair, in an array that grows by doubling; fetch `values` anew after
    `open`, `restore` and `keep`.

    values: shape (capacity, WIDTH); the first is nobody's.
    """

    def __init__(self) -> None:
        self.values: Floats = np.zeros((_FIRST_CAPACITY, WIDTH))
        self._used = 1

    def __len__(self) -> int:
        return self._used - 1

    def open(self, pairs: int) -> Ints:
        """The slots of so many new pairs, shape (pairs,), all zeros."""
        slots = np.arange(self._used, self._used + pairs)
        self._used += pairs
        capacity = len(self.values)
        while capacity < self._used:
            capacity *= 2
        if capacity > len(self.values):
            longer = np.zeros((capacity, WIDTH))
            longer[: slots[0]] = self.values[: slots[0]]
            self.values = longer
        return slots

    def restore(self, texts: Sequence[str]) -> Ints:
        """The slots of pairs that were stored in this form, shape (texts,).

        Raises ValueError where a text is not base64 of a row.
        """
        data = b"".join(base64.b64decode(text, validate=True) for text in texts)
        values = np.frombuffer(data, "<f8").reshape(len(texts), WIDTH)
        slots = self.open(len(texts))
        self.values[slots] = values
        return slots

    def keep(self, slots: Ints) -> Ints:
        """Forgets all pairs but these; returns their slots since, in the same order."""
        kept = self.values[slots]
        self.values = np.zeros((_FIRST_CAPACITY, WIDTH))
        self._used = 1
        moved = self.open(len(slots))
        self.values[moved] = kept
        return moved
