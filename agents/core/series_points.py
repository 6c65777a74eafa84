"""Points of series, as one agent notes them and another looks at them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Points(NamedTuple):
    """Points of series in the order of the log, each array of the shape (n,).

    rows: of the metric. hashes: of its names. values: the mean of its units. occurred_at: ms.
    offsets: of its first record. records: with which record of the batch it came.
    """

    rows: Ints
    hashes: NDArray[np.uint64]
    values: Floats
    occurred_at: Floats
    offsets: Floats
    records: Ints


def room_for_points(most: int) -> Points:
    """Room for so many points."""
    return Points(
        np.empty(most, np.int64),
        np.empty(most, np.uint64),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
    )
