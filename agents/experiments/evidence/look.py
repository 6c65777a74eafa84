"""A look at one pair of arms after a record of either: chooses what is counted, cuts the running
interval, and keeps what is proved from here on.

Verdicts are latched: once rejected, stays rejected; they depend on the order of the log. Looking
costs no error, for the evidence is valid at all moments at once.
"""

from math import isfinite, isnan

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.pair_evidence import agrees, choose_outcome, evidence_reaching
from agents.experiments.evidence.pair_interval import (
    interval_of,
    is_settled,
    is_told,
    mark,
    next_mark,
)
from agents.experiments.evidence.pair_needs import is_sound
from agents.experiments.plan.terms import Method
from schemas.compiled import compiled
from state.arms_table import ArmRows
from state.pairs.pair_arrays import Pairs

Floats = NDArray[np.float64]
_NONE, _SPLIT = int(Method.NONE), int(Method.SPLIT)
# What a look found.
NOTHING, HARM, GAIN, UNSTABLE, MAY_DECIDE = 0, 1, 2, 4, 8
POINT = 16  # nothing that may decide: the running interval was cut, and this is to be told
EFFECT, LOW, HIGH = range(3)  # of the interval that it was cut with
UNKNOWN, WANTING, SUPPORTED = -1, 0, 1  # column `supported`


@compiled
def look(rows: ArmRows, pairs: Pairs, pair: int, added: int, offset: int, interval: Floats) -> int:
    """What is newly proved of a pair, or may newly be decided, as a sum of the flags above.

    pair: the treatment's row. added: units that the record brought to either arm. interval: shape
    (3,), filled where a POINT was found. A pair that may not command is not looked at.
    """
    arm = rows[pair]
    if arm.method == _NONE or not is_judged(rows, pair):
        return NOTHING
    _choose_outcome(rows, pair, offset)
    found = _cut_interval(rows, pairs, pair, added, offset, interval)
    harm, gain, enough = evidence_reaching(rows, pairs, pair)
    if enough:
        found |= _latch(rows, pairs, pair, harm, gain, offset)
    if arm.waits and _may_decide(rows, pairs, pair, gain):
        found |= MAY_DECIDE
    return found


@compiled
def is_judged(rows: ArmRows, pair: int) -> bool:
    """Whether something may still be proved of a pair."""
    return isfinite(rows[pair].harm_level) or isfinite(rows[pair].gain_level)


@compiled
def _choose_outcome(rows: ArmRows, pair: int, offset: int) -> None:
    arm = rows[pair]
    chosen, flipped = choose_outcome(rows, pair)
    if chosen:
        arm.base_offset = offset
        arm.flipped = flipped


@compiled
def _cut_interval(
    rows: ArmRows, pairs: Pairs, pair: int, added: int, offset: int, interval: Floats
) -> int:
    """Cuts the running interval with the present one, where a step of the scale is reached.

    A confidence sequence holds at all moments at once, so the truth lies in every interval so far;
    where nothing is left, no single effect explains the data: the effect itself drifts. Cutting at
    fixed sample sizes rather than at every event costs nothing on the way and stays valid, for it
    looks at fewer moments.
    """
    arm = rows[pair]
    units = arm.count + rows[arm.control].count
    if units < arm.next_mark:
        return NOTHING
    arm.next_mark = next_mark(units)
    step, before = mark(units), mark(units - added)
    if step == before or not is_settled(rows, pairs, pair):
        return NOTHING
    effect, low, high = interval_of(rows, pairs, pair, 0.5)
    interval[EFFECT], interval[LOW], interval[HIGH] = effect, low, high
    if isnan(arm.running_low) or low > arm.running_low:
        arm.running_low = low
    if isnan(arm.running_high) or high < arm.running_high:
        arm.running_high = high
    point = POINT if is_told(step, before) else NOTHING
    if not arm.running_low > arm.running_high or arm.unstable_offset >= 0:
        return point
    arm.unstable_offset = offset
    return point | UNSTABLE


@compiled
def _latch(rows: ArmRows, pairs: Pairs, pair: int, harm: float, gain: float, offset: int) -> int:
    """Keeps the first moment at which evidence is past its level and the exposures agree."""
    arm, found = rows[pair], NOTHING
    if harm >= arm.harm_level and arm.harm_offset < 0 and agrees(rows, pairs, pair, True):
        arm.harm_offset = offset
        found |= HARM
    if gain >= arm.gain_level and arm.gain_offset < 0 and agrees(rows, pairs, pair, False):
        arm.gain_offset = offset
        found |= GAIN
    return found


@compiled
def _may_decide(rows: ArmRows, pairs: Pairs, pair: int, gain: float) -> bool:
    """Whether an experiment with something proved may be decided otherwise than at the look before.

    What its decision asks of a pair is whether it supports a deployment: only where that changes
    can another answer come. Proved harm that was not acted upon is decided at the next look.
    """
    arm = rows[pair]
    if arm.harm_offset >= 0 and isfinite(arm.harm_level):
        return True
    if arm.method == _SPLIT:
        return False
    if isfinite(arm.gain_level):
        supports = arm.gain_offset >= 0 and gain >= arm.gain_level
        supports = supports and agrees(rows, pairs, pair, False)
    else:
        supports = is_sound(rows, pairs, pair)
    before = arm.supported
    arm.supported = SUPPORTED if supports else WANTING
    return bool(arm.supported != before)
