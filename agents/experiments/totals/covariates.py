"""What is known of a unit beforehand taken out of a MEAN: the part of a value that its covariate
told already, by a line that earlier records of control have fixed.

Why this keeps every promise of the test: the line is a function of earlier records alone, and
chance decides which arm a unit falls to whatever its covariate is. So what is taken off has the
same mean in either arm given all that came before, the adjusted values differ between the arms by
as much as the values do, and the sequence of means holds for them as for any values (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 2024: the sequences for means that vary, and those that adjust by
predictions made of other data). A line that is wrong costs power, never validity.

A unit whose covariate is not known is taken for one of the mean, so that nothing is taken off: that
is a function of what was known of it beforehand, too.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.covariate_blocks import Taken
from agents.statistics.covariate_line import Line
from schemas.compiled import compiled
from schemas.records import Adjustment, ExperimentRow
from state.arms_table import ArmCells, ArmRows, ArmsTable

# Units of control after which a line is drawn for the first time, where nothing waits for a cap.
FIRST_LINE = 50
COLUMNS = ("coefficient", "covariate_mean", "covariate_least", "covariate_most")


@compiled
def taken_off(arm: ArmCells, covariate: float, repeated: bool) -> Taken:
    """(what is taken off a value, units whose covariate it tells, what that is less the mean); of a
    unit that comes again its covariate was told already.
    """
    within = min(max(covariate, arm.covariate_least), arm.covariate_most)
    apart = within - arm.covariate_mean
    if repeated:
        return arm.coefficient * apart, 0.0, 0.0
    return arm.coefficient * apart, 1.0, apart


@compiled
def adjusted(
    added: tuple[int, int, float, float, float], off: float
) -> tuple[int, int, float, float, float]:
    """What a record of one unit adds to a row, so much of its value taken off."""
    count, hits, total, _, cut_off = added
    total -= off
    return count, hits, total, total * total, cut_off


@compiled
def add_covariate(rows: ArmRows, row: int, taken: Taken) -> None:
    """Adds what `taken_off` gives to the totals of a row."""
    arm = rows[row]
    off, known, apart = taken
    arm.adjusted += off
    arm.covariate_units += int(known)
    arm.covariate_sum += apart
    arm.covariate_squares += apart * apart


def with_line(experiment: ExperimentRow, metric: str, line: Line, offset: int) -> ExperimentRow:
    """The row with a metric's line, learned with the record at this offset, in the place of one
    before.
    """
    place = [spec.name for spec in experiment.metrics].index(metric)
    others = tuple(one for one in experiment.adjustments if one.metric != place)
    own = Adjustment(place, line.coefficient, line.mean, line.least, line.most, offset)
    return replace(experiment, adjustments=(*others, own))


def put_in_force(arms: ArmsTable, rows: NDArray[np.int64], line: Line) -> None:
    """Has the records of these rows adjusted by a line from here on."""
    for column, value in zip(COLUMNS, line, strict=True):
        arms[column][rows] = value
