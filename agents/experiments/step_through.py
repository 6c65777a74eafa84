"""The pass over a batch of results: one compiled loop from record to record, which stops at what is
rare.

What happens to an ordinary record happens here, in this order: it is decoded, checked, found in the
table of arms, told from a duplicate, added to the totals of its arm, and the evidence of each pair
of arms that it belongs to is looked at. At anything else the loop returns with the reason why it
stopped; a handler in plain Python deals with that one record, and the loop goes on after it, or
within it at a later `Reached`.

The state at any moment is the state of the tables: nothing is carried beside them, so however a log
is cut into batches, the same bytes come of it.
"""

from enum import IntEnum
from math import isnan

import numpy as np
from numpy.typing import NDArray

from agents.core import entrance
from agents.core.entrance import ARRIVED, GOES_ON, admit
from agents.core.record_batch import Batch
from agents.experiments.evidence.blocks import (
    any_lacks_beside,
    take_units,
    terms_of,
    weigh_pair,
)
from agents.experiments.evidence.look import POINT, look
from agents.experiments.evidence.pair_points import POINTS_MAX, PointNotes, note_point
from agents.experiments.evidence.repeated_units import is_due
from agents.experiments.pass_memory import (
    ADJUSTED,
    APART,
    BACK,
    CROSSED,
    KNOWN,
    LEARNING,
    PART,
    TOTAL,
    TOUCHED,
    UNIT,
    UNIT_OF_METRIC,
    UNITS,
    WHOLE,
    Memory,
    Notes,
    RecordInHand,
)
from agents.experiments.record_rows import find_parts, hash_names
from agents.experiments.result_batch import (
    COUNT,
    COVARIATE,
    KIND,
    OCCURRED_AT,
    SNAPSHOT,
    SUM,
    SUM_SQUARES,
    UNIT_ID,
)
from agents.experiments.totals.additions import (
    Measured,
    add_to_bucket,
    add_to_totals,
    contribution,
    fault_of,
    is_left_out,
    is_rate,
    is_tested,
)
from agents.experiments.totals.burn_in import LEARNED
from agents.experiments.totals.covariates import FIRST_LINE, add_covariate, adjusted, taken_off
from agents.experiments.units_beside import NOWHERE, arm_beside, take_beside
from schemas.codec.record_scan import Fields
from schemas.compiled import compiled, inlined
from schemas.text_hash import mix, sealed
from state.arms_table import ArmCells, ArmRows
from state.experiment_arms import SEVERAL
from state.pairs.pair_arrays import Pairs
from state.pairs.pair_blocks import NO_BLOCKS
from state.pairs.unit_buckets import NO_BUCKETS
from state.seen_ids import carrier
from state.storage.hash_map import find

Ints = NDArray[np.int64]
Slots = NDArray[np.uint64]


class Stop(IntEnum):
    """Why the loop returned."""

    END = entrance.END
    UNDECODED = entrance.UNDECODED
    IMPLAUSIBLE = entrance.IMPLAUSIBLE
    ELSEWHERE = entrance.ELSEWHERE
    DUPLICATE = entrance.DUPLICATE
    SNAPSHOT = 5  # a total that replaces the one before
    UNKNOWN = 6  # its arm, segment or ramp step has no row yet
    SENSELESS = 7  # it makes no sense for the kind of its metric
    LATE = 8  # its experiment judges no more
    BURN_IN_ENDED = 9  # it completes what the first units of a control arm teach
    PROVED = 10  # something was proved, or may be decided now
    CAME_AGAIN = 11  # a unit of its arm has come again for the first time
    FULL = 12  # there is no more room for the points of a record
    FIRST_LINE = 13  # it completes what the line of a covariate is drawn by for the first time
    OVERLAPS = 14  # the first unit of a pair that another experiment has too


class Reached(IntEnum):
    """How far a record has come when the loop takes it up."""

    ARRIVED = entrance.ARRIVED
    ADMITTED = entrance.ADMITTED  # it is new, and belongs here
    COUNTED = 2  # it stands in the totals


@compiled
def step_through(
    batch: Batch, memory: Memory, found: RecordInHand, notes: Notes, at: int, reached: int
) -> tuple[int, int]:
    """(why it stopped, at which record) of a batch, taken up at a record that has come so far.

    Ids, dedupe windows and totals of all records before that one are written, and of that one as
    far as the reason implies.
    """
    while at < len(batch.offsets):
        if notes.points.made[0] > POINTS_MAX:
            return Stop.FULL.value, at
        why = _arrive(batch, memory, found, at, reached)
        if why == GOES_ON and reached < Reached.COUNTED:
            why = _count(batch, memory, found, notes, at)
        if why == GOES_ON:
            why = _look(batch, memory, found, notes, at)
        if why >= 0:
            return why, at
        at += 1
        reached = ARRIVED
    return Stop.END.value, at


@compiled
def remember_through(
    batch: Batch, memory: Memory, found: RecordInHand, at: int, reached: int
) -> tuple[int, int]:
    """As `step_through` of records that were folded before a restart: their ids and units are
    known again from then on, and nothing else comes of them.
    """
    while at < len(batch.offsets):
        why = _arrive(batch, memory, found, at, reached)
        if why == GOES_ON:
            _remember(batch, memory, found, at)
        elif why != Stop.SNAPSHOT and why != Stop.UNKNOWN:
            return why, at
        at += 1
        reached = ARRIVED
    return Stop.END.value, at


@inlined
def _arrive(batch: Batch, memory: Memory, found: RecordInHand, at: int, reached: int) -> int:
    """Lets a record in, and finds its rows."""
    why = admit(batch, memory.entrance, found.scanned, at, reached)
    if why != GOES_ON:
        return why
    fields = found.scanned.fields
    if fields[KIND].number == SNAPSHOT:
        return Stop.SNAPSHOT.value
    hash_names(batch.data, fields, found.hashes)
    found.rows[WHOLE] = find(memory.arms, found.hashes[WHOLE])
    if found.rows[WHOLE] < 0:
        return Stop.UNKNOWN.value
    return GOES_ON if find_parts(batch.data, memory, found) else Stop.UNKNOWN.value


@inlined
def _count(batch: Batch, memory: Memory, found: RecordInHand, notes: Notes, at: int) -> int:
    """Adds a record to the totals of its rows."""
    rows, fields, offset = memory.rows, found.scanned.fields, batch.offsets[at]
    arm = rows[found.rows[WHOLE]]
    measured = measured_of(fields)
    if arm.snapshots or fault_of(arm.tally, measured) != 0:
        return Stop.SENSELESS.value
    if fields[OCCURRED_AT].number >= arm.ends_at:
        return Stop.LATE.value
    _hear(rows, found.rows[WHOLE], notes, batch.now[at])
    repeated, crossed = _know_unit(memory, found, arm.started_offset, offset)
    if crossed:
        notes.crossed_at[notes.lengths[CROSSED]] = at
        _append(notes.crossed, notes.lengths, CROSSED, arm.experiment_no)
    learned = GOES_ON
    if arm.in_burn_in and arm.is_control:
        learned = _learn(rows, found.rows[WHOLE], notes, measured)
    added = contribution(arm, measured, is_left_out(arm.tally, repeated, crossed))
    found.tested[ADJUSTED], found.tested[KNOWN], found.tested[APART] = 0.0, 0.0, 0.0
    if arm.coefficient != 0.0:
        added = _adjust(arm, found, added, measured.covariate, repeated)
    found.added[0] = added[0]
    found.tested[UNITS] = float(added[0]) if is_tested(arm) else 0.0
    found.tested[TOTAL] = float(added[1]) if is_rate(arm) else added[2]
    for part in range(3):
        row = found.rows[part]
        if row >= 0:
            add_to_totals(rows, row, added)
            if arm.coefficient != 0.0:
                add_covariate(rows, row, _taken(found))
            _mark(rows, memory.is_changed, row, offset, batch.appended[at])
            _count_units(rows[row], fields[UNIT_ID].length < 0, repeated, crossed, offset)
    came_again = _fill_bucket(memory, found, repeated and not crossed, offset)
    return learned if learned != GOES_ON else came_again


@inlined
def _adjust(
    arm: ArmCells,
    found: RecordInHand,
    added: tuple[int, int, float, float, float],
    covariate: float,
    repeated: bool,
) -> tuple[int, int, float, float, float]:
    """What a record adds without what its covariate told, which is kept in the record in hand."""
    if added[0] == 0 or isnan(covariate):
        return added
    taken = taken_off(arm, covariate, repeated)
    found.tested[ADJUSTED], found.tested[KNOWN], found.tested[APART] = taken
    return adjusted(added, taken[0])


@inlined
def _taken(found: RecordInHand) -> tuple[float, float, float]:
    return found.tested[ADJUSTED], found.tested[KNOWN], found.tested[APART]


@inlined
def _fill_bucket(memory: Memory, found: RecordInHand, repeated: bool, offset: int) -> int:
    """Adds what is tested of a record to the bucket of its unit, if its arm has any; stops where a
    unit of the arm comes again for the first time. What names no unit is a unit of its own.
    """
    arm = memory.rows[found.rows[WHOLE]]
    if arm.bucket_slot == NO_BUCKETS:
        return Stop.CAME_AGAIN.value if repeated and arm.weighs_units else GOES_ON
    unit = found.hashes[UNIT]
    if found.scanned.fields[UNIT_ID].length < 0:
        unit = sealed(mix(found.hashes[WHOLE], np.uint64(offset)))
    units, total = found.tested[UNITS], found.tested[TOTAL]
    add_to_bucket(memory.pairs.buckets, arm.bucket_slot, unit, units, total)
    return GOES_ON


@inlined
def measured_of(fields: Fields) -> Measured:
    """A record's count, sum, squares and covariate, NaN where absent."""
    squares, covariate = fields[SUM_SQUARES].value, fields[COVARIATE].value
    return Measured(fields[COUNT].number, fields[SUM].value, squares, covariate)


@inlined
def _hear(rows: ArmRows, row: int, notes: Notes, now: int) -> None:
    """Notes that an arm was heard, and whether it had been silent."""
    arm = rows[row]
    if arm.heard != now:
        # Many records are of one moment, so that most rows are noted once in a batch.
        _append(notes.touched, notes.lengths, TOUCHED, row)
    arm.heard = now
    if arm.silent:
        arm.silent = False
        _append(notes.back, notes.lengths, BACK, row)


@inlined
def _append(values: Ints, lengths: Ints, which: int, value: int) -> None:
    values[lengths[which]] = value
    lengths[which] += 1


@inlined
def _know_unit(memory: Memory, found: RecordInHand, since: int, offset: int) -> tuple[bool, bool]:
    """(whether the unit had a record in this arm and metric already, whether its last one was in
    another arm); both are known from now on.

    What came before its experiment began is of one that left the tables, under the same id.
    """
    if found.scanned.fields[UNIT_ID].length < 0:
        return False, False
    hashes, window = found.hashes, memory.entrance.window
    own = carrier(memory.units, memory.units_used, window, hashes[UNIT], offset)
    last = carrier(memory.unit_arms, memory.unit_arms_used, window, hashes[UNIT_OF_METRIC], offset)
    own = own if own >= since else -1
    last = last if last >= since else -1
    return own >= 0, last >= 0 and last != own


@inlined
def _learn(rows: ArmRows, row: int, notes: Notes, measured: Measured) -> int:
    """Notes what a control arm teaches in its burn-in; stops where that is enough, and where it is
    enough for a first line while values are tested already.
    """
    count, total, _, covariate = measured
    at = notes.lengths[LEARNING]
    notes.learned_rows[at] = row
    notes.learned_units[at] = count
    notes.learned_values[at] = total if count == 1 else np.nan
    notes.learned_covariates[at] = covariate
    notes.lengths[LEARNING] += 1
    before = rows[row].learned_units
    rows[row].learned_units += count
    if rows[row].learned_units >= LEARNED:
        return Stop.BURN_IN_ENDED.value
    reached = before < FIRST_LINE <= rows[row].learned_units
    return Stop.FIRST_LINE.value if reached and is_tested(rows[row]) else GOES_ON


@compiled
def _mark(
    rows: ArmRows, is_changed: NDArray[np.bool_], row: int, offset: int, appended: int
) -> None:
    """Marks a row, and those compared with it, as changed by this record."""
    arm = rows[row]
    arm.applied_offset = offset
    arm.last_at = appended
    is_changed[row] = True
    if arm.treatment >= 0:
        is_changed[arm.treatment] = True
    elif arm.treatment == SEVERAL:
        other = arm.next_sibling
        while other != row:
            is_changed[other] = True
            other = rows[other].next_sibling


@inlined
def _count_units(arm: ArmCells, unnamed: bool, repeated: bool, crossed: bool, offset: int) -> None:
    """Notes in a row what had no unit_id, the repeats, and the units that were in another arm."""
    if unnamed and arm.unnamed_offset < 0:
        arm.unnamed_offset = offset
    if crossed:
        arm.crossed += 1
    elif repeated:
        arm.repeats += 1


@inlined
def _look(batch: Batch, memory: Memory, found: RecordInHand, notes: Notes, at: int) -> int:
    """Looks at the evidence of each pair that a record belongs to."""
    rows, row, points = memory.rows, found.rows[WHOLE], notes.points
    moment = (at, batch.offsets[at], batch.appended[at])
    arm, proved = rows[row], 0
    beside = arm_beside(batch.data, memory, found, batch.offsets[at])
    if beside != NOWHERE and any_lacks_beside(rows, row):
        return Stop.OVERLAPS.value
    if arm.control >= 0:
        proved = _look_at(rows, memory.pairs, row, found, points, moment, beside)
    elif arm.treatment >= 0:
        proved = _look_at(rows, memory.pairs, arm.treatment, found, points, moment, beside)
    elif arm.treatment == SEVERAL:
        other = arm.next_sibling
        while other != row:
            proved |= _look_at(rows, memory.pairs, other, found, points, moment, beside)
            other = rows[other].next_sibling
    return Stop.PROVED.value if proved else GOES_ON


@compiled
def _look_at(
    rows: ArmRows,
    pairs: Pairs,
    pair: int,
    found: RecordInHand,
    points: PointNotes,
    moment: tuple[int, int, int],
    beside: int,
) -> int:
    """Looks at a pair after a record of its treatment, or of its control; moment: its number in the
    batch, its offset, and when it was appended, ms: what else was folded before makes no
    difference. beside: see `arm_beside`.
    """
    slot, (record, offset, appended) = rows[pair].block_slot, moment
    if slot != NO_BLOCKS and found.tested[UNITS] > 0.0:
        tested = found.tested[UNITS], found.tested[TOTAL]
        of_treatment = found.rows[WHOLE] == pair
        other = rows[rows[pair].control] if of_treatment else rows[pair]
        clock = float(appended), float(other.last_at)
        terms, taken = terms_of(rows, pair), _taken(found)
        take_units(pairs.blocks, slot, of_treatment, tested, clock, terms, taken)
        take_beside(rows, pairs, pair, beside, of_treatment, tested, clock)
    if is_due(rows, pair, found.added[0]):
        weigh_pair(rows, pairs, pair)
    seen = look(rows, pairs, pair, found.added[0], offset, points.interval)
    if seen & POINT:
        note_point(rows, pairs, pair, record, points)
    return seen & ~POINT


@inlined
def _remember(batch: Batch, memory: Memory, found: RecordInHand, at: int) -> None:
    """Remembers the unit of a record that opened no row and was not refused."""
    fields, arm, offset = found.scanned.fields, memory.rows[found.rows[WHOLE]], batch.offsets[at]
    if arm.first_offset > offset or arm.snapshots or fields[OCCURRED_AT].number >= arm.ends_at:
        return
    part = found.rows[PART]
    if part >= 0 and memory.rows[part].first_offset > offset:
        return
    if fault_of(arm.tally, measured_of(fields)) == 0:
        _know_unit(memory, found, arm.started_offset, offset)
