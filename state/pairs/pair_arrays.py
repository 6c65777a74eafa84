"""What pairs of arms have beside their rows, as compiled code sees it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.pairs.ramp_table import Ramps


class Pairs(NamedTuple):
    """ramps: the share steps, by column `ramp_slot` of the arms. blocks: by column `block_slot`;
    see state.pairs.pair_blocks. buckets: by column `bucket_slot`; see state.pairs.unit_buckets.
    beside: blocks of the units that another experiment has too, at 2 * `beside_slot` those of its
    control, at the next those of its treatment.
    """

    ramps: Ramps
    blocks: NDArray[np.float64]
    buckets: NDArray[np.float64]
    beside: NDArray[np.float64]
