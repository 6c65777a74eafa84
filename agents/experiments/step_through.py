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
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.record_batch import Batch
from agents.experiments.evidence.look import look
from agents.experiments.result_batch import (
    ASSIGNED_AT,
    COUNT,
    EVENT_ID,
    EXPERIMENT_ID,
    KIND,
    METRIC,
    OCCURRED_AT,
    RECORD,
    SEGMENT,
    SNAPSHOT,
    SUBJECT,
    SUM,
    SUM_SQUARES,
    UNIT_ID,
    VARIANT,
)
from agents.experiments.totals.additions import (
    Measured,
    add_to_totals,
    contribution,
    fault_of,
    is_left_out,
)
from agents.experiments.totals.burn_in import LEARNED
from schemas.codec.record_scan import Fields, Form, form_of, header_word, room_for, scan
from schemas.compiled import compiled, inlined
from schemas.ids import hash64
from schemas.text_hash import ABSENT_HASH, hash_text, mix, partition_of_text, sealed
from schemas.validation.record_checks import has_sound_parts, plausible, roles_of
from schemas.validation.specs_and_policies import STEPS_MAX
from schemas.words import Bytes
from state.arms_table import ArmCells, ArmRows
from state.experiment_arms import SEVERAL
from state.partition.experiment_tables import ExperimentTables
from state.ramp_table import Ramps, step_at
from state.seen_ids import SeenIds, carrier
from state.storage.hash_map import find

Ints = NDArray[np.int64]
Slots = NDArray[np.uint64]


class Stop(IntEnum):
    """Why the loop returned."""

    END = 0  # of the batch
    UNDECODED = 1  # the compiled decoder does not take it; the codec has the last word
    IMPLAUSIBLE = 2  # well-formed, and makes no sense whatever its metric is
    ELSEWHERE = 3  # it belongs to another partition
    DUPLICATE = 4  # its id was seen
    SNAPSHOT = 5  # a total that replaces the one before
    UNKNOWN = 6  # its arm, segment or ramp step has no row yet
    SENSELESS = 7  # it makes no sense for the kind of its metric
    LATE = 8  # its experiment judges no more
    BURN_IN_ENDED = 9  # it completes what the first units of a control arm teach
    PROVED = 10  # something was proved, or may be decided now


class Reached(IntEnum):
    """How far a record has come when the loop takes it up."""

    ARRIVED = 0
    ADMITTED = 1  # it is new, and belongs here
    COUNTED = 2  # it stands in the totals


class Memory(NamedTuple):
    """What compiled code reads and writes of a partition's tables.

    rows, is_changed: of arms, and which of them changed. arms: their numbers by hash. step_times:
    when the steps of ramps begin. seen, units, unit_arms: ids by hash to the offset that carried
    them last, of windows of so many offsets each. partition, of so many partitions.
    """

    rows: ArmRows
    is_changed: NDArray[np.bool_]
    arms: Slots
    ramps: Ramps
    step_times: Ints
    seen: Slots
    seen_used: Ints
    units: Slots
    units_used: Ints
    unit_arms: Slots
    unit_arms_used: Ints
    window: int
    partition: int
    partitions: int


def memory_of(tables: ExperimentTables, seen: SeenIds, partitions: int) -> Memory:
    """The memory of a partition as it stands; valid until a row is opened or ids are made room for.

    seen: the ids of the input.
    """
    return Memory(
        tables.arms.records,
        tables.arms.is_changed,
        tables.arms.slots,
        tables.ramps.arrays,
        tables.step_times.moments,
        seen.slots,
        seen.used,
        tables.units.slots,
        tables.units.used,
        tables.unit_arms.slots,
        tables.unit_arms.used,
        seen.window,
        tables.partition,
        partitions,
    )


class RecordInHand(NamedTuple):
    """The record in hand: its fields as decoded, hashes of its names, and the rows it adds to.

    head, form, roles: how a result begins, is encoded, and is checked.
    hashes: [WHOLE, PART, STEP, ARM, UNIT, UNIT_OF_METRIC, ID]. rows: [WHOLE, PART, STEP], NO_ROW
    where there is none. numbers: [ADDED, CARRIER], the units that it added to each, and the offset
    that carried its id before. step_hashes: of "0", "1" and so on, for a step's row is named by its
    number.
    """

    head: np.uint64
    form: Form
    roles: NDArray[np.int8]
    fields: Fields
    hashes: Slots
    rows: Ints
    numbers: Ints
    step_hashes: Slots


class Notes(NamedTuple):
    """What the loop leaves to be dealt with once it stops, each in the order of the log.

    touched: rows of whole arms that were heard; crossed, crossed_at: the numbers of experiments of
    which a unit was in another arm before, and the record that shows it; back: rows of arms that
    were silent; learned_rows, learned_units, learned_values: what control arms in a burn-in sent,
    NaN for a record of several units. lengths: of each, [TOUCHED, CROSSED, BACK, LEARNED].
    """

    touched: Ints
    crossed: Ints
    crossed_at: Ints
    back: Ints
    learned_rows: Ints
    learned_units: Ints
    learned_values: NDArray[np.float64]
    lengths: Ints


WHOLE, PART, STEP, ARM, UNIT, UNIT_OF_METRIC, ID = range(7)  # of RecordInHand
ADDED, CARRIER = range(2)
TOUCHED, CROSSED, BACK, LEARNING = range(4)  # of Notes.lengths
NO_ROW = -1
_GOES_ON = -1  # to the next stage


def new_found(schema_id: int) -> RecordInHand:
    """Room for the record in hand; schema_id: of results in the registry."""
    form = form_of(RECORD)
    return RecordInHand(
        header_word(schema_id),
        form,
        roles_of(RECORD),
        room_for(form),
        np.zeros(7, np.uint64),
        np.full(3, NO_ROW),
        np.zeros(2, np.int64),
        _step_hashes(),
    )


@cache
def _step_hashes() -> Slots:
    return hash64(pa.array([str(step) for step in range(STEPS_MAX + 1)], pa.string()))


def new_notes(records: int) -> Notes:
    """Room for what so many records leave."""
    touched, crossed, crossed_at, back, rows, units = np.empty((6, records), np.int64)
    values, lengths = np.empty(records), np.zeros(4, np.int64)
    return Notes(touched, crossed, crossed_at, back, rows, units, values, lengths)


@compiled
def step_through(
    batch: Batch, memory: Memory, found: RecordInHand, notes: Notes, at: int, phase: int
) -> tuple[int, int]:
    """(why it stopped, at which record) of a batch, taken up at a record in a phase of it.

    Ids, dedupe windows and totals of all records before that one are written, and of that one as
    far as the reason implies.
    """
    while at < len(batch.offsets):
        why = _arrive(batch, memory, found, at, phase)
        if why == _GOES_ON and phase < Reached.COUNTED:
            why = _count(batch, memory, found, notes, at)
        if why == _GOES_ON:
            why = _look(batch, memory, found, at)
        if why >= 0:
            return why, at
        at += 1
        phase = Reached.ARRIVED
    return Stop.END.value, at


@compiled
def remember_through(
    batch: Batch, memory: Memory, found: RecordInHand, at: int, phase: int
) -> tuple[int, int]:
    """As `step_through` of records that were folded before a restart: their ids and units are
    known again from then on, and nothing else comes of them.
    """
    while at < len(batch.offsets):
        why = _arrive(batch, memory, found, at, phase)
        if why == _GOES_ON:
            _remember(batch, memory, found, at)
        elif why != Stop.SNAPSHOT and why != Stop.UNKNOWN:
            return why, at
        at += 1
        phase = Reached.ARRIVED
    return Stop.END.value, at


@inlined
def _arrive(batch: Batch, memory: Memory, found: RecordInHand, at: int, phase: int) -> int:
    """Decodes a record, and finds whether it is plausible, belongs here, is new, and its rows."""
    fields, start, end = found.fields, batch.starts[at], batch.starts[at + 1]
    if not scan(batch.data, start, end, found.head, found.form, fields):
        return Stop.UNDECODED.value
    if phase == Reached.ARRIVED and not _makes_sense(batch.data, found, batch.appended[at]):
        return Stop.IMPLAUSIBLE.value
    _hash_names(batch.data, fields, found.hashes)
    row = find(memory.arms, found.hashes[WHOLE])
    found.rows[WHOLE] = row
    if phase == Reached.ARRIVED:
        # Rows are opened for what belongs here alone.
        if row < 0 and _partition(batch.data, fields, memory.partitions) != memory.partition:
            return Stop.ELSEWHERE.value
        found.numbers[CARRIER] = carrier(
            memory.seen, memory.seen_used, memory.window, found.hashes[ID], batch.offsets[at]
        )
        if found.numbers[CARRIER] >= 0:
            return Stop.DUPLICATE.value
    if fields[KIND].number == SNAPSHOT:
        return Stop.SNAPSHOT.value
    if row < 0:
        return Stop.UNKNOWN.value
    return _find_parts(batch.data, memory, found)


@inlined
def _makes_sense(data: Bytes, found: RecordInHand, appended: int) -> bool:
    """Whether a record makes sense, whatever its metric is."""
    if not plausible(data, found.fields, found.roles, appended):
        return False
    subject = found.fields[SUBJECT]
    return has_sound_parts(data, subject.start, subject.length)


@inlined
def _hash(data: Bytes, fields: Fields, name: int) -> np.uint64:
    return hash_text(data, fields[name].start, fields[name].length)


@inlined
def _hash_names(data: Bytes, fields: Fields, hashes: Slots) -> None:
    """Hashes the names of the arm, of the unit and of the event, as their tables know them."""
    subject = _hash(data, fields, SUBJECT)
    metric = mix(mix(subject, _hash(data, fields, EXPERIMENT_ID)), _hash(data, fields, METRIC))
    arm = mix(metric, _hash(data, fields, VARIANT))
    hashes[ARM] = arm
    hashes[WHOLE] = sealed(mix(mix(arm, ABSENT_HASH), ABSENT_HASH))
    hashes[ID] = sealed(mix(subject, _hash(data, fields, EVENT_ID)))
    if fields[UNIT_ID].length >= 0:
        unit = _hash(data, fields, UNIT_ID)
        hashes[UNIT] = sealed(mix(hashes[WHOLE], unit))
        hashes[UNIT_OF_METRIC] = sealed(mix(metric, unit))


@inlined
def _partition(data: Bytes, fields: Fields, partitions: int) -> int:
    subject = fields[SUBJECT]
    return partition_of_text(data, subject.start, subject.length, partitions)


@inlined
def _find_parts(data: Bytes, memory: Memory, found: RecordInHand) -> int:
    """Finds the rows of the record's segment and ramp step; stops where one is to be opened."""
    fields, rows = found.fields, found.rows
    rows[PART] = NO_ROW
    rows[STEP] = NO_ROW
    arm = found.hashes[ARM]
    if fields[SEGMENT].length >= 0:
        segment = _hash(data, fields, SEGMENT)
        rows[PART] = find(memory.arms, sealed(mix(mix(arm, segment), ABSENT_HASH)))
        if rows[PART] < 0:
            return Stop.UNKNOWN.value
    whole = memory.rows[rows[WHOLE]]
    if whole.stepped:
        step = step_at(memory.step_times, whole.step_times, assigned_at(fields))
        hashed = sealed(mix(mix(arm, ABSENT_HASH), found.step_hashes[step]))
        rows[STEP] = find(memory.arms, hashed)
        if rows[STEP] < 0:
            return Stop.UNKNOWN.value
    return _GOES_ON


@inlined
def assigned_at(fields: Fields) -> int:
    """When the record's unit was assigned, ms: by `assigned_at`, or `occurred_at` where absent."""
    assigned = fields[ASSIGNED_AT].present
    return int(fields[ASSIGNED_AT if assigned else OCCURRED_AT].number)


@inlined
def _count(batch: Batch, memory: Memory, found: RecordInHand, notes: Notes, at: int) -> int:
    """Adds a record to the totals of its rows."""
    rows, fields, offset = memory.rows, found.fields, batch.offsets[at]
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
    ended = arm.in_burn_in and arm.is_control and _learn(rows, found.rows[WHOLE], notes, measured)
    added = contribution(arm, measured, is_left_out(arm.tally, repeated, crossed))
    found.numbers[ADDED] = added[0]
    for part in range(3):
        row = found.rows[part]
        if row >= 0:
            add_to_totals(rows, row, added)
            _mark(rows, memory.is_changed, row, offset, batch.appended[at])
            _count_units(rows[row], fields[UNIT_ID].length < 0, repeated, crossed, offset)
    return Stop.BURN_IN_ENDED.value if ended else _GOES_ON


@inlined
def measured_of(fields: Fields) -> Measured:
    """A record's count, sum and squares, NaN where absent."""
    return Measured(fields[COUNT].number, fields[SUM].value, fields[SUM_SQUARES].value)


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
    if found.fields[UNIT_ID].length < 0:
        return False, False
    hashes, window = found.hashes, memory.window
    own = carrier(memory.units, memory.units_used, window, hashes[UNIT], offset)
    last = carrier(memory.unit_arms, memory.unit_arms_used, window, hashes[UNIT_OF_METRIC], offset)
    own = own if own >= since else -1
    last = last if last >= since else -1
    return own >= 0, last >= 0 and last != own


@inlined
def _learn(rows: ArmRows, row: int, notes: Notes, measured: Measured) -> bool:
    """Notes what a control arm teaches in its burn-in; whether that is enough now."""
    count, total, _ = measured
    at = notes.lengths[LEARNING]
    notes.learned_rows[at] = row
    notes.learned_units[at] = count
    notes.learned_values[at] = total if count == 1 else np.nan
    notes.lengths[LEARNING] += 1
    rows[row].learned_units += count
    return bool(rows[row].learned_units >= LEARNED)


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
def _look(batch: Batch, memory: Memory, found: RecordInHand, at: int) -> int:
    """Looks at the evidence of each pair that a record belongs to."""
    rows, row, offset = memory.rows, found.rows[WHOLE], batch.offsets[at]
    arm, added, proved = rows[row], found.numbers[ADDED], 0
    if arm.control >= 0:
        proved = look(rows, memory.ramps, row, added, offset)
    elif arm.treatment >= 0:
        proved = look(rows, memory.ramps, arm.treatment, added, offset)
    elif arm.treatment == SEVERAL:
        other = arm.next_sibling
        while other != row:
            proved |= look(rows, memory.ramps, other, added, offset)
            other = rows[other].next_sibling
    return Stop.PROVED.value if proved else _GOES_ON


@inlined
def _remember(batch: Batch, memory: Memory, found: RecordInHand, at: int) -> None:
    """Remembers the unit of a record that opened no row and was not refused."""
    fields, arm, offset = found.fields, memory.rows[found.rows[WHOLE]], batch.offsets[at]
    if arm.first_offset > offset or arm.snapshots or fields[OCCURRED_AT].number >= arm.ends_at:
        return
    part = found.rows[PART]
    if part >= 0 and memory.rows[part].first_offset > offset:
        return
    if fault_of(arm.tally, measured_of(fields)) == 0:
        _know_unit(memory, found, arm.started_offset, offset)
