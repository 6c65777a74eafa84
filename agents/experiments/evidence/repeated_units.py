"""How many records weigh as much as one of a unit of its own, where units come again.

What one unit sends resembles itself, so that records of few units tell less than as many of as many
units: the design effect of survey sampling (Kish, "Survey Sampling", 1965). It is measured by
random groups (Wolter, "Introduction to Variance Estimation", 2007, chapter 2): units fall into
buckets by their hash, so however often each comes, and however long after, what the sums of the
buckets vary by is what the sums of units do.

A worked example: 2 000 units send 10 values each, of variance 1, half of which the unit has in
common. Within an arm of 10 000 values the sum of 1 000 units varies by 1 000 * (10 * 0.5 + 100 *
0.5) = 55 000, which is 5.5 times the 10 000 of independent values: the design effect is 5.5.
"""

import numpy as np
from numpy.typing import NDArray

from agents.experiments.plan.terms import Method, Tally
from agents.statistics.confidence_sequence import Sample
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.unit_buckets import BUCKETS, NO_BUCKETS, SUMS, UNITS

Floats = NDArray[np.float64]

_ALL = float(BUCKETS)
# A spread of 64 random groups is known within 0.18 of itself, and too small a one is the danger.
_MARGIN = 1.0 + 0.7 * (2.0 / (_ALL - 1.0)) ** 0.5
FEWEST = _ALL / 2.0  # buckets' worth of units, below which each bucket is taken for one unit
_EACH = 16  # units of both arms after which it is measured anew


@compiled
def design_effect_of(rows: ArmRows, pair: int) -> float:
    """Records that weigh as one of a unit of its own, of a pair or a part of it; 1 at least."""
    return max(1.0, rows[rows[pair].aggregate_row].design_effect)


@compiled
def is_due(rows: ArmRows, pair: int, added: int) -> bool:
    """Whether the effect of units that come again is to be measured anew: where there are any, at
    each multiple of 16 units; added: those that a record brought to either arm.
    """
    control = rows[pair].control
    if rows[pair].bucket_slot == NO_BUCKETS and rows[control].bucket_slot == NO_BUCKETS:
        return False
    units = rows[pair].count + rows[control].count
    return bool(units // _EACH != (units - added) // _EACH)


@compiled
def effect_of_units(rows: ArmRows, buckets: Floats, pair: int) -> float:
    """The design effect of the difference of both arms: each by its part in the variance."""
    variance, varies, most = 0.0, 0.0, 1.0
    for side in range(2):
        row = pair if side == 0 else rows[pair].control
        of_arm, alone = _of_arm(rows, buckets, pair, row)
        arm = rows[row]
        units = float(arm.count - arm.base_count)
        if units > 0.0 and alone > 0.0:
            variance += alone / units
            varies += alone / units * of_arm
        most = max(most, _of_few(buckets, arm.bucket_slot))
    return max(most, varies / variance) if variance > 0.0 else most


@compiled
def _of_arm(rows: ArmRows, buckets: Floats, pair: int, row: int) -> tuple[float, float]:
    """An arm's design effect, and the variance of one record."""
    sample = _judged(rows, row)
    if not sample.units > 0.0:
        return 1.0, 0.0
    rate = sample.total / sample.units
    alone = max(sample.squares / sample.units - rate * rate, 0.0)
    slot = rows[row].bucket_slot
    if slot == NO_BUCKETS:
        return 1.0, alone
    units, total = 0.0, 0.0
    for bucket in range(BUCKETS):
        units += buckets[slot, UNITS + bucket]
        total += buckets[slot, SUMS + bucket]
    if not units > 0.0 or not alone > 0.0:
        return 1.0, alone
    # Under a stated share who is in which arm is all that chance decides, so that units vary by
    # what they add up to; else their number is known, and they vary around the rate.
    by_share = rows[pair].method == Method.COUNTS
    own_rate, spread = total / units, 0.0
    for bucket in range(BUCKETS):
        expected = total / _ALL if by_share else own_rate * buckets[slot, UNITS + bucket]
        spread += (buckets[slot, SUMS + bucket] - expected) ** 2
    spread *= _ALL / (_ALL - 1.0)
    of_records = units * (sample.squares / sample.units if by_share else alone)
    return max(1.0, _MARGIN * spread / of_records), alone


@compiled
def _judged(rows: ArmRows, row: int) -> Sample:
    """An arm's records that are judged: hits are their own squares."""
    arm = rows[row]
    units = float(arm.count - arm.base_count)
    if arm.tally == Tally.LATENCY:
        return Sample(units, float(arm.hits), float(arm.hits))
    return Sample(units, arm.sum, arm.sum_squares)


@compiled
def _of_few(buckets: Floats, slot: int) -> float:
    """The design effect where each bucket is one unit, of an arm with too few units for their
    spread to be known; 1 of others.
    """
    if slot == NO_BUCKETS:
        return 1.0
    units, weigh = 0.0, worth_of_units(buckets, slot)
    for bucket in range(BUCKETS):
        units += buckets[slot, UNITS + bucket]
    return 1.0 if weigh == 0.0 or weigh >= FEWEST else units / weigh


@compiled
def worth_of_units(buckets: Floats, slot: int) -> float:
    """As many buckets with the same number of records each weigh as much as those of an arm: Kish's
    effective number, at most BUCKETS; 0 while they are empty. That of the units is near it where
    there are few.
    """
    units, squares = 0.0, 0.0
    for bucket in range(BUCKETS):
        units += buckets[slot, UNITS + bucket]
        squares += buckets[slot, UNITS + bucket] ** 2
    return units * units / squares if squares > 0.0 else 0.0
