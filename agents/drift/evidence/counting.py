"""What one record adds to a row and to its version there, as compiled functions.

A RATE says itself how many units are bad. A MEAN or LATENCY is compared with a limit: stated, or
learned from the first records that are one unit each, which enter neither the reference nor the
test. Records of several units cannot be compared with it; they are added up and counted as
`coarse`. Values that follow each other are thinned by the ordinal number of the record in its row
and version.

The first judged units fill the reference until it is frozen; after that each judged record is
watched against it.
"""

from math import inf, isnan
from typing import NamedTuple

from agents.drift.rule import BadWhen
from agents.statistics.e_detector import SUSPICION, advance, log_ratio
from schemas.compiled import compiled
from state.metrics.cells import RowCells, WatchCells
from state.metrics.table import OK

_RATE, _LIMIT = BadWhen.RATE.value, BadWhen.LIMIT.value


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
def refer(row: RowCells, watch: WatchCells, judged: Judged, total: float) -> None:
    """Takes a judged record into the reference, which is frozen once it is full."""
    row.reference_count += judged.units
    row.reference_bad += judged.bad
    row.reference_sum += total
    watch.learned += judged.units
    row.frozen = row.reference_count >= row.needed


@compiled
def begin(watch: WatchCells, offset: int) -> None:
    """Begins to watch a version, before the record at this offset."""
    watch.start_count = watch.judged
    watch.start_bad = watch.bad
    for j in range(len(watch.carry)):
        watch.carry[j] = -inf
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
    bad_before = watch.bad - watch.start_bad
    good_before = watch.judged - watch.start_count - bad_before
    bad, good = bad_before + judged.bad, good_before + judged.units - judged.bad
    of, carry = row.alternatives, watch.carry
    watch.log_e = advance(of, carry, bad, good, bad_before, good_before)
    watch.detected = True
    ratio = log_ratio(of, SUSPICION, bad, good)
    if ratio > watch.floor:
        return False
    watch.floor = ratio
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
