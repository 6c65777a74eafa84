"""What pairs of arms have beside their rows, as compiled code sees it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.pairs.ramp_table import Ramps


class Pairs(NamedTuple):
    """ramps: the share steps, by column `ramp_slot` of the arms. blocks: by column `block_slot`;
    see state.pairs.pair_blocks. buckets: by column `bucket_slot`; see state.pairs.unit_buckets.
    """

    ramps: Ramps
    blocks: NDArray[np.float64]
    buckets: NDArray[np.float64]
