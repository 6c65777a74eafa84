"""What the compiled pass over results works on: the tables of a partition, the record in hand, and
what it leaves to be dealt with once it stops.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.entrance import Entrance, Scanned
from agents.experiments.evidence.pair_points import PointNotes, new_point_notes
from schemas.text_hash import hash64
from schemas.validation.spec_checks import STEPS_MAX
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs
from state.partition.experiment_tables import ExperimentTables

Ints = NDArray[np.int64]
Slots = NDArray[np.uint64]
Floats = NDArray[np.float64]


class Memory(NamedTuple):
    """What compiled code reads and writes of a partition's tables.

    rows, is_changed: of arms, and which of them changed. arms: their numbers by hash. step_times:
    when the steps of ramps begin. units, unit_arms: units by hash to the offset that carried them
    last, of windows as long as that of ids.
    """

    entrance: Entrance

    rows: ArmRows
    is_changed: NDArray[np.bool_]
    arms: Slots
    pairs: Pairs
    step_times: Ints
    units: Slots
    units_used: Ints
    unit_arms: Slots
    unit_arms_used: Ints


def memory_of(tables: ExperimentTables, entrance: Entrance) -> Memory:
    """The memory of a partition as it stands; valid until a row is opened or ids are made room
    for.
    """
    return Memory(
        entrance,
        tables.arms.records,
        tables.arms.is_changed,
        tables.arms.slots,
        tables.pairs,
        tables.step_times.moments,
        tables.units.slots,
        tables.units.used,
        tables.unit_arms.slots,
        tables.unit_arms.used,
    )


class RecordInHand(NamedTuple):
    """The record in hand: as decoded, the hashes of its names, and the rows it adds to.

    hashes: [WHOLE, PART, STEP, ARM, UNIT, UNIT_OF_METRIC]. rows: [WHOLE, PART, STEP], NO_ROW where
    there is none. added: (1,) the units that it added to each. tested: (5,) those that are tested,
    and what they add up to: hits of a rate; of a mean with a covariate what is taken off, units
    whose covariate it tells, and that less its mean. step_hashes: of "0", "1" and so on, for a
    step's row is named by its number.
    """

    scanned: Scanned
    hashes: Slots
    rows: Ints
    added: Ints
    tested: Floats
    step_hashes: Slots


class Notes(NamedTuple):
    """What the loop leaves to be dealt with once it stops, each in the order of the log.

    touched: rows of whole arms that were heard; crossed, crossed_at: the numbers of experiments of
    which a unit was in another arm before, and the record that shows it; back: rows of arms that
    were silent; learned_rows, learned_units, learned_values, learned_covariates: what control arms
    in a burn-in sent, NaN for a record of several units, and without a covariate. lengths: of each,
    [TOUCHED, CROSSED, BACK, LEARNED]. points: of pairs whose interval was cut.
    """

    touched: Ints
    crossed: Ints
    crossed_at: Ints
    back: Ints
    learned_rows: Ints
    learned_units: Ints
    learned_values: NDArray[np.float64]
    learned_covariates: NDArray[np.float64]
    lengths: Ints
    points: PointNotes


WHOLE, PART, STEP, ARM, UNIT, UNIT_OF_METRIC = range(6)  # of RecordInHand
TOUCHED, CROSSED, BACK, LEARNING = range(4)  # of Notes.lengths
NO_ROW = -1
UNITS, TOTAL, ADJUSTED, KNOWN, APART = range(5)  # of RecordInHand.tested


def in_hand(scanned: Scanned) -> RecordInHand:
    """Room for the record in hand."""
    rows, added = np.full(3, NO_ROW), np.zeros(1, np.int64)
    return RecordInHand(scanned, np.zeros(6, np.uint64), rows, added, np.zeros(5), _step_hashes())


@cache
def _step_hashes() -> Slots:
    return hash64(pa.array([str(step) for step in range(STEPS_MAX + 1)], pa.string()))


def new_notes(records: int) -> Notes:
    """Room for what so many records leave."""
    touched, crossed, crossed_at, back, rows, units = np.empty((6, records), np.int64)
    (values, covariates), lengths = np.empty((2, records)), np.zeros(4, np.int64)
    points = new_point_notes()
    return Notes(
        touched, crossed, crossed_at, back, rows, units, values, covariates, lengths, points
    )
