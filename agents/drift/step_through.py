"""The pass over a batch of model metrics: one compiled loop from record to record, which stops at
what is rare.

What happens to an ordinary record happens here, in this order: it is decoded, checked, told from a
duplicate, found in the table of metrics, and counted, first in the whole of its metric and then in
its segment: into the reference, or against it. At anything else the loop returns with the reason
why it stopped; a handler in plain Python deals with that one record, and the loop goes on after it,
or within it at a later `MetricReached`.
"""

from enum import IntEnum
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.core import entrance
from agents.core.entrance import (
    ARRIVED,
    GOES_ON,
    SUBJECT,
    Entrance,
    Scanned,
    admit,
    hash_of,
)
from agents.core.record_batch import Batch
from agents.drift.evidence.counting import (
    Judged,
    add,
    begin,
    detect,
    is_watched,
    judge,
    refer,
    teaches,
    teaches_limit,
)
from agents.drift.evidence.notes import HEARD, MetricNotes, note_points, note_value
from agents.drift.evidence.usual_rate import expect, learn
from schemas.codec.flat_schema import flat_fields
from schemas.codec.record_scan import Fields
from schemas.compiled import compiled
from schemas.text_hash import ABSENT_HASH, mix, sealed
from schemas.words import Bytes
from state.metrics.cells import Rows, Watches, fall_behind, watch_of
from state.metrics.table import HARM, MetricsTable
from state.storage.hash_map import find

RECORD = "ModelMetric"
_NUMBER = {field.name: number for number, field in enumerate(flat_fields(RECORD))}

MODEL_VERSION = _NUMBER["model_version"]
METRIC = _NUMBER["metric"]
COUNT = _NUMBER["count"]
SUM = _NUMBER["sum"]
SEGMENT = _NUMBER["segment"]
OCCURRED_AT = _NUMBER["occurred_at"]

Ints = NDArray[np.int64]
Slots = NDArray[np.uint64]


class MetricStop(IntEnum):
    """Why the loop returned."""

    END = entrance.END
    UNDECODED = entrance.UNDECODED
    IMPLAUSIBLE = entrance.IMPLAUSIBLE
    ELSEWHERE = entrance.ELSEWHERE
    DUPLICATE = entrance.DUPLICATE
    UNPREPARED = 5  # its metric is not in hand, or a row of it does not know its version
    SENSELESS = 6  # it makes no sense for the kind of its metric
    ALARM = 7  # its version was found bad, in the whole or in its segment
    UNSETTLED = 8  # it is counted, and something is to be said or worked out of its metric


class MetricReached(IntEnum):
    """How far a record has come when the loop takes it up."""

    ARRIVED = entrance.ARRIVED
    ADMITTED = entrance.ADMITTED  # it is new, belongs here, and its metric is in hand
    WHOLE_COUNTED = 2
    PART_COUNTED = 3  # or it names no segment


class MetricMemory(NamedTuple):
    """What compiled code reads and writes of a partition's tables.

    rows, watches: of metrics. metrics: their numbers by hash. touched, touched_count: the rows
    to be written back. epoch: of the policies.
    """

    entrance: Entrance
    rows: Rows
    watches: Watches
    metrics: Slots
    touched: Ints
    touched_count: Ints
    epoch: int


def memory_of(metrics: MetricsTable, entrance: Entrance, epoch: int) -> MetricMemory:
    """The memory of a partition as it stands; valid until a metric is taken in hand or ids are made
    room for.

    epoch: of the policies.
    """
    return MetricMemory(
        entrance,
        metrics.records,
        metrics.watches,
        metrics.slots,
        metrics.touched,
        metrics.touched_count,
        epoch,
    )


class MetricInHand(NamedTuple):
    """The record in hand: as decoded, the hashes of its names, and where it is counted.

    hashes: [WHOLE, PART, VERSION]. rows, watches: [WHOLE, PART], -1 where it names no segment.
    numbers: [UNSETTLED, ALARM_IN], whether the loop is to stop after it, and whether its version
    was found bad in the WHOLE or in the PART.
    """

    scanned: Scanned
    hashes: Slots
    rows: Ints
    watches: Ints
    numbers: Ints


WHOLE, PART, VERSION = range(3)  # of MetricInHand
UNSETTLED, ALARM_IN = range(2)  # of MetricInHand.numbers
_NOWHERE = -1


def in_hand(scanned: Scanned) -> MetricInHand:
    """Room for the record in hand."""
    rows, watches = np.full((2, 2), _NOWHERE)
    return MetricInHand(scanned, np.zeros(3, np.uint64), rows, watches, np.zeros(2, np.int64))


@compiled
def step_through(
    batch: Batch,
    memory: MetricMemory,
    found: MetricInHand,
    notes: MetricNotes,
    at: int,
    reached: int,
) -> tuple[int, int]:
    """(why it stopped, at which record) of a batch, taken up at a record that has come so far.

    All records before that one are counted, and that one as far as the reason implies.
    """
    while at < len(batch.offsets):
        why = _arrive(batch, memory, found, at, reached)
        if why == GOES_ON:
            why = _find_places(memory, found, notes, batch.now[at])
        if why == GOES_ON and reached < MetricReached.WHOLE_COUNTED:
            why = _count_whole(batch, memory, found, notes, at)
        if why == GOES_ON and reached < MetricReached.PART_COUNTED and found.rows[PART] >= 0:
            why = _count(batch, memory, found, notes, at, PART)
        if why == GOES_ON and found.numbers[UNSETTLED]:
            why = MetricStop.UNSETTLED.value
        if why >= 0:
            return why, at
        at += 1
        reached = ARRIVED
    return MetricStop.END.value, at


@compiled
def remember_through(
    batch: Batch, memory: MetricMemory, found: MetricInHand, at: int, reached: int
) -> tuple[int, int]:
    """As `step_through` of records that were folded before a restart: their ids are known again
    from then on, and nothing else comes of them.
    """
    while at < len(batch.offsets):
        why = _arrive(batch, memory, found, at, reached)
        if why >= 0:
            return why, at
        at += 1
        reached = ARRIVED
    return MetricStop.END.value, at


@compiled
def _arrive(batch: Batch, memory: MetricMemory, found: MetricInHand, at: int, reached: int) -> int:
    """Lets a record in, and finds the row of its metric."""
    why = admit(batch, memory.entrance, found.scanned, at, reached)
    if why != GOES_ON:
        return why
    if reached == ARRIVED:
        found.numbers[UNSETTLED] = 0
    _hash_names(batch.data, found.scanned.fields, found.hashes)
    found.rows[WHOLE] = find(memory.metrics, found.hashes[WHOLE])
    return GOES_ON


@compiled
def _hash_names(data: Bytes, fields: Fields, hashes: Slots) -> None:
    """Hashes the names of the rows and of the version, as their tables know them."""
    metric = mix(hash_of(data, fields, SUBJECT), hash_of(data, fields, METRIC))
    hashes[WHOLE] = sealed(mix(metric, ABSENT_HASH))
    if fields[SEGMENT].length >= 0:
        hashes[PART] = sealed(mix(metric, hash_of(data, fields, SEGMENT)))
    hashes[VERSION] = hash_of(data, fields, MODEL_VERSION)


@compiled
def _find_places(memory: MetricMemory, found: MetricInHand, notes: MetricNotes, now: int) -> int:
    """Finds the rows and watches of a record; stops where one is to be prepared."""
    rows, whole, version = memory.rows, found.rows[WHOLE], found.hashes[VERSION]
    if whole < 0 or rows[whole].epoch != memory.epoch or rows[whole].awaited == version:
        return MetricStop.UNPREPARED.value
    if rows[whole].is_rate and _is_no_rate(found.scanned.fields):
        return MetricStop.SENSELESS.value
    found.watches[WHOLE] = watch_of(rows, memory.watches, whole, version)
    if found.watches[WHOLE] < 0:
        return MetricStop.UNPREPARED.value
    found.rows[PART] = _NOWHERE
    found.watches[PART] = _NOWHERE
    if found.scanned.fields[SEGMENT].length >= 0:
        part = find(memory.metrics, found.hashes[PART])
        if part < 0:
            return MetricStop.UNPREPARED.value
        found.rows[PART] = part
        found.watches[PART] = watch_of(rows, memory.watches, part, version)
        if found.watches[PART] < 0:
            return MetricStop.UNPREPARED.value
    if rows[whole].heard != now:
        # Many records are of one moment, so that most subjects are noted once in a batch.
        rows[whole].heard = now
        notes.heard[notes.lengths[HEARD]] = whole
        notes.lengths[HEARD] += 1
    return GOES_ON


@compiled
def _is_no_rate(fields: Fields) -> bool:
    total: float = fields[SUM].value
    return bool(total != floor(total) or total < 0.0 or total > fields[COUNT].number)


@compiled
def _count_whole(
    batch: Batch, memory: MetricMemory, found: MetricInHand, notes: MetricNotes, at: int
) -> int:
    """Counts a record in the whole of its metric, and for it in the segment."""
    watches, own, part = memory.watches, found.watches[WHOLE], found.watches[PART]
    row, fields = memory.rows[found.rows[WHOLE]], found.scanned.fields
    judged = judge(row, watches[own], fields[COUNT].number, fields[SUM].value)
    is_judged = judged.units > 0 and not watches[own].barred
    if is_judged and is_watched(row) and not watches[own].begun:
        # Suspicion begins before this record.
        _catch_up(memory, own)
    watches[own].whole_judged += judged.units
    watches[own].whole_bad += judged.bad
    if part >= 0:
        _count_for_whole(memory, found, judged, is_judged and not row.frozen)
    return _count(batch, memory, found, notes, at, WHOLE)


@compiled
def _count_for_whole(
    memory: MetricMemory, found: MetricInHand, judged: Judged, is_learned: bool
) -> None:
    """Counts in a segment what the whole judges of a record, by its own limit."""
    row, watch = memory.rows[found.rows[PART]], memory.watches[found.watches[PART]]
    if judged.units > 0:
        watch.whole_judged += judged.units
        watch.whole_bad += judged.bad
        fall_behind(memory.watches, found.watches[WHOLE], found.watches[PART])
    if is_learned:
        row.share_count += judged.units
        row.share_bad += judged.bad
    watch.touched = True
    _touch(memory, found.rows[PART])


@compiled
def _count(
    batch: Batch,
    memory: MetricMemory,
    found: MetricInHand,
    notes: MetricNotes,
    at: int,
    stream: int,
) -> int:
    """Counts a record in the whole or in its segment; stops where its version is found bad."""
    number, offset = found.rows[stream], batch.offsets[at]
    row, watch = memory.rows[number], memory.watches[found.watches[stream]]
    measured = found.scanned.fields[COUNT].number, found.scanned.fields[SUM].value
    by_minute = stream == WHOLE and found.rows[PART] >= 0
    moment = found.scanned.fields[OCCURRED_AT].number, offset, at
    note_points(notes, row, number, by_minute, measured, moment)
    judged = judge(row, watch, *measured)
    unsettled, alarm = False, False
    if teaches_limit(row, watch, measured[0]):
        note_value(notes, number, measured[1])
        row.values_count += 1
        unsettled = row.values_count >= row.values_needed
    if judged.units > 0 and not watch.barred:
        alarm = _watch(memory, found, judged, offset, stream)
        if not alarm and teaches(row, watch):
            learn(row, judged.units, judged.bad, found.scanned.fields[OCCURRED_AT].number)
            if not row.frozen:
                refer(row, watch, judged, measured[1])
                unsettled = unsettled or row.frozen
    if add(row, watch, judged, measured, (offset, batch.now[at])):
        unsettled = True
    _touch(memory, number)
    if unsettled:
        found.numbers[UNSETTLED] = 1
    return MetricStop.ALARM.value if alarm else GOES_ON


@compiled
def _watch(
    memory: MetricMemory, found: MetricInHand, judged: Judged, offset: int, stream: int
) -> bool:
    """Watches a judged record against what is expected; whether its version is found bad by it."""
    row, watch = memory.rows[found.rows[stream]], memory.watches[found.watches[stream]]
    if not is_watched(row):
        return False
    expect(row, found.scanned.fields[OCCURRED_AT].number)
    if not watch.begun:
        begin(watch, offset)
    if detect(row, watch, judged, offset) and stream == WHOLE:
        _catch_up(memory, found.watches[WHOLE])
    if watch.log_e < row.threshold:
        return False
    watch.state = HARM
    watch.barred = True
    found.numbers[ALARM_IN] = stream
    return True


@compiled
def _catch_up(memory: MetricMemory, whole: int) -> None:
    """Has each segment remember where it stands, as a version is suspected in the whole."""
    watches, at = memory.watches, memory.watches[whole].behind
    while at >= 0:
        part = watches[at]
        part.whole_window_count = part.whole_judged
        part.whole_window_bad = part.whole_bad
        part.is_behind = False
        part.touched = True
        _touch(memory, part.row)
        at = part.next_behind
    watches[whole].behind = _NOWHERE


@compiled
def _touch(memory: MetricMemory, row: int) -> None:
    """Has a row written back."""
    cells = memory.rows[row]
    cells.stale = True
    if not cells.listed:
        cells.listed = True
        memory.touched[memory.touched_count[0]] = row
        memory.touched_count[0] += 1
