"""What one record adds to a row and to its version there, as compiled functions.

A RATE says itself how many units are bad. A MEAN or LATENCY is compared with a limit: stated, or
learned from the first records that are one unit each, which enter neither the reference nor the
test. Records of several units cannot be compared with it; they are added up and counted as
`coarse`. Values that follow each other are thinned by the ordinal number of the record in its row
and version.

The first judged units fill the reference until it is frozen. From the first hundred of them on each
judged record is watched against it.
"""

from math import inf, isnan, log, sqrt
from typing import NamedTuple

from agents.drift.evidence.usual_rate import FIRST_WATCHED, dispersion
from agents.drift.rule import BadWhen
from agents.statistics.e_detector import SUSPICION, advance
from schemas.compiled import compiled
from state.metrics.cells import RowCells, WatchCells
from state.metrics.table import OK
from state.metrics.usual import HALF_BAD, HALF_COUNT, HALF_SUM

_RATE, _LIMIT = BadWhen.RATE.value, BadWhen.LIMIT.value
_SUSPECTED = log(100.0)  # odds of a fault, from which on a reference rests that is not full
# By how much the first half of a reference is worse before it is left out.
_TIMES_OF_HALF, _SIGMAS_OF_HALF = 2.0, 4.0


class Judged(NamedTuple):
    """What a row makes of one record: units judged, bad ones of these, and those that cannot be
    compared.
    """

    units: int
    bad: int
    coarse: int


@compiled
def judge(row: RowCells, watch: WatchCells, count: int, total: float) -> Judged:
    """Which units of a record the row compares, and which of these are bad."""
    if row.how == _RATE:
        whole = int(total)
        return Judged(count, whole if row.upper else count - whole, 0)
    if row.how != _LIMIT:
        return Judged(0, 0, 0)
    if count > 1:
        return Judged(0, 0, count)
    if isnan(row.limit) or row.thin == 0:
        return Judged(0, 0, 0)
    if (watch.count - watch.coarse + 1) % row.thin != 0:
        return Judged(0, 0, 0)
    beyond = total > row.limit if row.upper else total < row.limit
    return Judged(1, 1 if beyond else 0, 0)


@compiled
def teaches_limit(row: RowCells, watch: WatchCells, count: int) -> bool:
    """Whether the limit is learned from this record."""
    return row.values_needed > 0 and count == 1 and not watch.barred


@compiled
def is_watched(row: RowCells) -> bool:
    """Whether its records are compared with its reference, be that full or not."""
    return row.frozen or row.reference_count >= FIRST_WATCHED


@compiled
def teaches(row: RowCells, watch: WatchCells) -> bool:
    """Whether a judged record tells what is usual: not while a fault is suspected in what the
    reference begins with.
    """
    return row.frozen or not watch.begun or watch.ratios[SUSPICION] - watch.floor < _SUSPECTED


@compiled
def refer(row: RowCells, watch: WatchCells, judged: Judged, total: float) -> None:
    """Takes a judged record into the reference, which is frozen once it is full.

    A first half that is worse than the second by more than chance is left out, for what is usual is
    no outage; the second is then the first.
    """
    row.reference_count += judged.units
    row.reference_bad += judged.bad
    row.reference_sum += total
    watch.learned += judged.units
    if watch.begun:
        watch.start_count += judged.units
        watch.start_bad += judged.bad
    half = row.usual
    if half[HALF_COUNT] == 0.0 and 2 * row.reference_count >= row.needed:
        _set_half(row)
    if row.reference_count < row.needed:
        return
    if _is_half_worse(row):
        row.left_out += int(half[HALF_COUNT])
        row.reference_count -= int(half[HALF_COUNT])
        row.reference_bad -= int(half[HALF_BAD])
        row.reference_sum -= half[HALF_SUM]
        for at in range(len(row.usual)):  # nor is it usual at its hour
            row.usual[at] = 0.0
        _set_half(row)
    row.frozen = row.reference_count >= row.needed


@compiled
def _set_half(row: RowCells) -> None:
    row.usual[HALF_COUNT] = float(row.reference_count)
    row.usual[HALF_BAD] = float(row.reference_bad)
    row.usual[HALF_SUM] = row.reference_sum


@compiled
def _is_half_worse(row: RowCells) -> bool:
    """Whether the first half of a reference has at least twice the rate of the second, by more than
    the chance of independent units: an outage makes the dispersion large that would excuse it.
    """
    count, bad = row.usual[HALF_COUNT], row.usual[HALF_BAD]
    count_after, bad_after = row.reference_count - count, row.reference_bad - bad
    if count == 0.0 or count_after <= 0.0:
        return False
    rate = row.reference_bad / row.reference_count
    error = sqrt(rate * (1.0 - rate) * (1.0 / count + 1.0 / count_after))
    before, after = bad / count, bad_after / count_after
    return bool(before >= _TIMES_OF_HALF * after and before - after > _SIGMAS_OF_HALF * error)


@compiled
def begin(watch: WatchCells, offset: int) -> None:
    """Begins to watch a version, before the record at this offset."""
    watch.start_count = watch.judged
    watch.start_bad = watch.bad
    for j in range(len(watch.carry)):
        watch.carry[j] = -inf
        watch.ratios[j] = 0.0
    watch.floor = 0.0
    watch.window_count = watch.judged
    watch.window_bad = watch.bad
    watch.window_offset = offset
    watch.log_e = 0.0
    watch.state = OK
    watch.begun = True


@compiled
def detect(row: RowCells, watch: WatchCells, judged: Judged, offset: int) -> bool:
    """Takes a judged record into the e-detector; whether suspicion began with it anew.

    A change is dated to where the likelihood ratio was last at its lowest.
    """
    bad, good, weight = judged.bad, judged.units - judged.bad, 1.0 / dispersion(row)
    watch.log_e = advance(row.alternatives, watch.carry, watch.ratios, bad, good, weight)
    watch.detected = True
    if watch.ratios[SUSPICION] > watch.floor:
        return False
    watch.floor = watch.ratios[SUSPICION]
    watch.window_count = watch.judged + judged.units
    watch.window_bad = watch.bad + judged.bad
    watch.window_offset = offset
    return True


@compiled
def add(
    row: RowCells,
    watch: WatchCells,
    judged: Judged,
    measured: tuple[int, float],
    moment: tuple[int, int],
) -> bool:
    """Adds a record to the totals; whether what can be said of a metric without single units has
    changed with it. measured: its count and sum. moment: its offset, and the broker's clock.
    """
    count, total = measured
    could = _has_single_units(row)
    watch.count += count
    watch.judged += judged.units
    watch.bad += judged.bad
    watch.coarse += judged.coarse
    watch.sum += total
    watch.applied_offset, watch.seen_at = moment
    watch.touched = True
    row.alone += count - judged.coarse
    row.coarse += judged.coarse
    return could != _has_single_units(row)


@compiled
def _has_single_units(row: RowCells) -> bool:
    """False once so many came several to a record, none ever alone, that none can be judged."""
    return row.how != _LIMIT or row.alone > 0 or row.coarse < row.coarse_most
