"""What a record adds to the rows of its arm, and whether it makes sense for the kind of its
metric.
"""

from math import floor, isinf, isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.experiments.plan.terms import Tally
from schemas.compiled import compiled
from schemas.validation.observation_checks import COUNT_MAX
from state.arms_table import ArmCells, ArmRows
from state.pairs.unit_buckets import BUCKET_BITS, SUMS, UNITS

MIXED_KINDS = "MIXED_KINDS"
_BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)
_MOST = float(COUNT_MAX)
_ROUNDING = 1.0 - 1e-9  # a producer may add up its squares in another order
_MEAN, _RATE, _COUNT, _LATENCY = (
    int(Tally.MEAN),
    int(Tally.RATE),
    int(Tally.COUNT),
    int(Tally.LATENCY),
)
_GOOD, _NOT_A_COUNT, _RATE_ABOVE_ONE, _LATENCY_COUNT, _TOO_LARGE, _SQUARES, _SEVERAL = range(7)
_SENTENCES = {
    _NOT_A_COUNT: ("NOT_A_COUNT", "the sum of a RATE or COUNT is a whole number from 0 to 10^12"),
    _RATE_ABOVE_ONE: ("RATE_ABOVE_ONE", "the sum of a RATE is at most its count"),
    _LATENCY_COUNT: ("LATENCY_COUNT", "a LATENCY record is one request: count 1"),
    _TOO_LARGE: ("TOO_LARGE_A_VALUE", "its square is not finite"),
    _SQUARES: ("IMPOSSIBLE_SQUARES", "sum_squares is less than sum * sum / count"),
    _SEVERAL: (
        "COVARIATE_OF_SEVERAL",
        "a covariate is that of one unit: send each by itself, as an OBSERVATION of count 1",
    ),
}


class Measured(NamedTuple):
    """What a record says of its arm: its count, sum and squares, and the covariate of its unit, NaN
    where these are absent.
    """

    units: int
    total: float
    squares: float
    covariate: float


@compiled
def fault_of(tally: int, measured: Measured) -> int:
    """Why a record makes no sense for its tally; 0 where it does."""
    count, total, squares, covariate = measured
    if count != 1 and not isnan(covariate):
        return _SEVERAL
    if tally in (_RATE, _COUNT) and not _is_count(total):
        return _NOT_A_COUNT
    if tally == _RATE and total > count:
        return _RATE_ABOVE_ONE
    if tally == _LATENCY and count != 1:
        return _LATENCY_COUNT
    return _fault_of_squares(tally, count, total, squares)


@compiled
def _is_count(total: float) -> bool:
    return total == floor(total) and 0.0 <= total < _MOST


@compiled
def _fault_of_squares(tally: int, count: int, total: float, squares: float) -> int:
    if count == 1 and tally != _LATENCY:
        squares = total * total
    if isinf(squares):
        return _TOO_LARGE
    # No numbers have squares that add up to less than the square of their sum by their count.
    if tally != _RATE and squares < total * total / count * _ROUNDING:
        return _SQUARES
    return _GOOD


def why_senseless(
    tally: Tally, made_of_snapshots: bool | None, snapshot: bool, measured: Measured
) -> tuple[str, str] | None:
    """The code and the sentence of what is wrong with a record; None where it makes sense.

    made_of_snapshots: of what its metric has rows; None where it has none yet.
    """
    if made_of_snapshots is not None and made_of_snapshots != snapshot:
        why = (
            MIXED_KINDS,
            "a metric of an experiment has OBSERVATION or SNAPSHOT records, never both",
        )
    elif tally == Tally.LATENCY and snapshot:
        why = (
            "LATENCY_SNAPSHOT",
            "a LATENCY is counted request by request: send OBSERVATION records",
        )
    elif snapshot and not isnan(measured.covariate):
        why = _SENTENCES[_SEVERAL]
    else:
        fault = fault_of(int(tally), measured)
        if fault == _GOOD:
            return None
        why = _SENTENCES[fault]
    code, sentence = why
    return code, f"{sentence} (sum {measured.total:g}, count {measured.units})"


@compiled
def is_left_out(tally: int, repeated: bool, crossed: bool) -> bool:
    """Whether a record is not counted at all: its unit was in another arm, or of a RATE was counted
    already.
    """
    return crossed or (repeated and tally == _RATE)


@compiled
def is_tested(arm: ArmCells) -> bool:
    """Whether a record's hits and sum are tested: those of a burn-in fix a cap or a limit, and are
    not, but where the cap is stated and only the spread is learnt.
    """
    return not (arm.in_burn_in and isinf(arm.cap))


@compiled
def is_rate(arm: ArmCells) -> bool:
    """Whether units hit or do not."""
    return arm.tally == _RATE or arm.tally == _LATENCY


@compiled
def contribution(
    arm: ArmCells, measured: Measured, left_out: bool
) -> tuple[int, int, float, float, float]:
    """(count, hits, sum, squares, what the cap cuts off) that a record adds to a row of its arm;
    squares: NaN where they are unknown and wanted.

    Of what is not tested only units are counted.
    """
    count, total, squares, _ = measured
    if left_out:
        return 0, 0, 0.0, 0.0, 0.0
    if not is_tested(arm):
        return count, 0, 0.0, 0.0, 0.0
    cut_off = 0.0
    if count == 1:
        if arm.tally == _MEAN:
            cut_off = max(total - arm.cap, 0.0)
            total = min(total, arm.cap)
        squares = total * total
    return count, _hits(arm, total), total, squares, cut_off


@compiled
def _hits(arm: ArmCells, total: float) -> int:
    if arm.tally == _LATENCY:
        return 1 if total > arm.limit else 0
    if arm.tally == _MEAN or not abs(total) < _MOST:
        return 0
    return int(total)


@compiled
def add_to_totals(rows: ArmRows, row: int, added: tuple[int, int, float, float, float]) -> None:
    """Adds what `contribution` gives to the totals of a row.

    A sum too large is infinite, and stays so.
    """
    arm = rows[row]
    count, hits, total, squares, cut_off = added
    arm.count += count
    arm.largest = max(arm.largest, count)
    arm.hits += hits
    if isnan(squares):
        squares = 0.0
        arm.missing_squares = arm.missing_squares or arm.tally == _MEAN or arm.tally == _COUNT
    if arm.tally == _RATE:
        # A rate's units are 0 or 1, so its sum and its squares are its hits.
        arm.sum = float(arm.hits)
        arm.sum_squares = float(arm.hits)
    else:
        arm.sum += total
        arm.sum_squares += squares
        arm.cut_off += cut_off


@compiled
def add_to_bucket(
    buckets: NDArray[np.float64], slot: int, hashed: np.uint64, units: float, total: float
) -> None:
    """Adds what a record brought to an arm to the bucket of its unit, by the unit's hash."""
    bucket = int(hashed >> _BUCKET_SHIFT)
    buckets[slot, UNITS + bucket] += units
    buckets[slot, SUMS + bucket] += total
