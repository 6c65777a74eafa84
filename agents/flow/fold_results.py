"""The path of experiment results through a partition, whole: the compiled loop goes from record to
record, and what is rare is dealt with here, one record at a time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from agents.core.batch import Finding, Ints, Slice
from agents.core.effects import Output
from agents.core.entrance import ADMITTED, ARRIVED, entrance_of
from agents.core.record_batch import Batch, batch_of
from agents.experiments.arms.arms import open_beside, open_buckets
from agents.experiments.arms.opening import Rooms, enter, open_rows
from agents.experiments.evidence.pair_points import take_points
from agents.experiments.fold_snapshots import fold_snapshot, why_oversized
from agents.experiments.pass_memory import (
    CROSSED,
    TOUCHED,
    WHOLE,
    Memory,
    Notes,
    RecordInHand,
    in_hand,
    memory_of,
    new_notes,
)
from agents.experiments.plan.frozen_plan import hasten
from agents.experiments.result_batch import OCCURRED_AT, RECORD, result_of
from agents.experiments.step_through import Reached, Stop, remember_through, step_through
from agents.experiments.totals.burn_in import draw_first_line, end_burn_in, learn
from agents.experiments.verdicts.decide import decide, pairs_of
from agents.flow import newcomers
from agents.flow.batch_walk import (
    NOT_LET_IN,
    BatchWalk,
    Folding,
    Remembering,
    Resume,
    following,
)
from agents.flow.findings import act
from agents.flow.ingress import BatchFates
from schemas.catalog import POINTS, RESULTS
from schemas.codec.columns import Columns
from schemas.codec.framing import Codec
from schemas.records import ArmPoint, ExperimentResult, ResultKind
from schemas.refusals import RefusedRecord
from schemas.validation.results_and_metrics import check_results
from state.partition.experiment_tables import ExperimentTables
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState
from state.seen_ids import SeenIds


def fold_results(
    piece: Slice, now: Ints, state: PartitionState, codec: Codec, fates: BatchFates
) -> list[Output]:
    """Folds a slice of results; returns what follows from them, in the order of the log.

    now: the partition's clock at each record, ms, shape (n,).
    """
    walk = _FoldingResults(piece, codec, state.ingress, state, fates)
    ids = _ids(piece, state.ingress, state.experiments)
    _make_room(ids, piece)
    outputs = walk.fold_all(now)
    _sweep(ids, piece)
    return outputs


def remember_results(
    piece: Slice, now: Ints, memory: IngressMemory, tables: ExperimentTables, codec: Codec
) -> list[int]:
    """Takes in the ids and units of results that were folded before a restart; returns the offsets
    of those that were let in.
    """
    walk = _RememberingResults(piece, codec, memory, tables)
    ids = _ids(piece, memory, tables)
    _make_room(ids, piece)
    walk.remember(batch_of(piece, now), 0)
    _sweep(ids, piece)
    return walk.offsets()


def admitted_results(piece: Slice, memory: IngressMemory, codec: Codec) -> list[int]:
    """The offsets of those results of a slice that are let in; their ids are known from then on."""
    nothing = PartitionState(memory.partition, memory.partitions, 1).experiments
    return remember_results(piece, piece.append_times, memory, nothing, codec)


def _ids(piece: Slice, memory: IngressMemory, tables: ExperimentTables) -> tuple[SeenIds, ...]:
    return memory.seen(piece.topic), tables.units, tables.unit_arms


def _make_room(ids: Iterable[SeenIds], piece: Slice) -> None:
    for one in ids:
        one.make_room(len(piece.values))


def _sweep(ids: Iterable[SeenIds], piece: Slice) -> None:
    """Forgets the ids that are out of their windows, where there are many."""
    for one in ids:
        one.sweep(piece.next_offset - 1)


def _memory(piece: Slice, memory: IngressMemory, tables: ExperimentTables) -> Memory:
    return memory_of(tables, entrance_of(memory, piece.topic))


@dataclass(slots=True)
class _RememberingResults(Remembering):
    record = RECORD
    tables: ExperimentTables
    found: RecordInHand = field(init=False)

    def __post_init__(self) -> None:
        BatchWalk.__post_init__(self)
        self.found = in_hand(self.scanned)

    def step(self, batch: Batch, at: int, reached: int) -> tuple[int, int]:
        memory = _memory(self.piece, self.memory, self.tables)
        why, at = remember_through(batch, memory, self.found, at, reached)
        return int(why), int(at)


@dataclass(slots=True)
class _FoldingResults(Folding):
    """rooms: for names that are new."""

    record = RECORD
    rooms: Rooms = field(init=False)
    found: RecordInHand = field(init=False)
    notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        BatchWalk.__post_init__(self)
        self.found = in_hand(self.scanned)
        self.rooms = Rooms(self.tables)
        self.notes = new_notes(len(self.piece.values))

    @property
    def tables(self) -> ExperimentTables:
        """What the agent of experiments owns."""
        return self.state.experiments

    def faults(self, decoded: Columns, appended: Ints) -> list[RefusedRecord]:
        return check_results(decoded, appended)

    def fold(self, batch: Batch, first: int) -> None:
        at, reached = 0, ARRIVED
        while True:
            memory = _memory(self.piece, self.memory, self.tables)
            why, at = step_through(batch, memory, self.found, self.notes, at, reached)
            self._take_notes(batch)
            if why == Stop.END:
                self._hear()
                return
            at, reached = _HANDLERS[why](self, batch, at, first)

    def act(self, findings: list[Finding], batch: Batch, at: int, occurred_at: int) -> None:
        """Does what findings of one record ask for."""
        place, appended = self.place(batch, at), int(batch.appended[at])
        for finding in findings:
            self.outputs += act(finding, place, appended, occurred_at, self.state)

    def result(self, batch: Batch) -> ExperimentResult:
        """The record in hand."""
        return result_of(batch, self.found.scanned.fields)

    def _hear(self) -> None:
        """Notes the subjects of the arms that were heard."""
        touched = np.unique(self.notes.touched[: self.notes.lengths[TOUCHED]])
        self.heard.update(self.tables.arms.keys.names(0, touched))

    def _take_notes(self, batch: Batch) -> None:
        """Deals with what the loop left, before anything else is done."""
        notes, tables = self.notes, self.tables
        if notes.points.made[0]:
            points = take_points(tables, notes.points, batch.offsets, batch.appended)
            self.outputs += [point_output(self.piece.partition, point) for point in points]
        _, crossed, back, learning = notes.lengths.tolist()
        if not crossed | back | learning:
            return
        notes.lengths[CROSSED:] = 0
        if back:
            tables.silence.back(notes.back[:back].tolist())
        if learning:
            units, values = notes.learned_units[:learning], notes.learned_values[:learning]
            covariates = notes.learned_covariates[:learning]
            learn(tables, notes.learned_rows[:learning], units, values, covariates)
        if crossed:
            numbers, first = np.unique(notes.crossed[:crossed], return_index=True)
            for number, at in zip(numbers.tolist(), notes.crossed_at[first].tolist(), strict=True):
                hasten(tables, number, int(batch.now[at]))


def _taken_alone(walk: _FoldingResults, batch: Batch, at: int, first: int) -> Resume:
    """A snapshot, a record whose rows are not there yet, or one that makes no sense for its
    metric.
    """
    result, place, subjects = walk.result(batch), walk.place(batch, at), walk.state.subjects
    is_strange = newcomers.is_stranger(result.subject, subjects)
    if is_strange and (full := newcomers.why_no_room(result.subject, subjects)):
        walk.refuse(first + at, *full)
        return following(at)
    walk.heard.add(result.subject)
    entry = enter(result, place.now, walk.tables, walk.rooms)
    snapshot = result.kind == ResultKind.SNAPSHOT
    why = entry.why
    if why is None and snapshot and not entry.late:
        why = why_oversized(result, walk.tables)
    if why is not None:
        walk.refuse(first + at, *why)
        return following(at)
    if is_strange:
        newcomers.take_in(result.subject, place.now, subjects)
    if entry.late:
        return following(at)
    if not snapshot:
        open_rows(result, int(walk.found.hashes[WHOLE]), place, walk.tables)
        return at, ADMITTED
    findings, points = fold_snapshot(result, place, int(batch.appended[at]), walk.tables)
    walk.outputs += [point_output(place.partition, point) for point in points]
    walk.act(findings, batch, at, result.occurred_at)
    return following(at)


def point_output(partition: int, point: ArmPoint) -> Output:
    """What is written of a point; its id follows from the record and the arm, as all ids do."""
    names = f"{point.experiment_id}|{point.metric}|{point.variant}"
    ident = f"{RESULTS}/{partition}/{point.offset}|{names}"
    return Output(POINTS, point.subject, ident, point, point.at)


def _burn_in_ended(walk: _FoldingResults, batch: Batch, at: int, _first: int) -> Resume:
    end_burn_in(walk.tables, int(walk.found.rows[WHOLE]), int(batch.offsets[at]))
    return at, int(Reached.COUNTED)


def _first_line(walk: _FoldingResults, batch: Batch, at: int, _first: int) -> Resume:
    draw_first_line(walk.tables, int(walk.found.rows[WHOLE]), int(batch.offsets[at]))
    return at, int(Reached.COUNTED)


def _came_again(walk: _FoldingResults, _batch: Batch, at: int, _first: int) -> Resume:
    open_buckets(walk.tables, int(walk.found.rows[WHOLE]))
    return at, int(Reached.COUNTED)


def _overlaps(walk: _FoldingResults, _batch: Batch, at: int, _first: int) -> Resume:
    open_beside(walk.tables, int(walk.found.rows[WHOLE]))
    return at, int(Reached.COUNTED)


def _full(_walk: _FoldingResults, _batch: Batch, at: int, _first: int) -> Resume:
    return at, ARRIVED  # the notes were taken


def _proved(walk: _FoldingResults, batch: Batch, at: int, _first: int) -> Resume:
    tables, row = walk.tables, int(walk.found.rows[WHOLE])
    number = int(tables.arms.experiment_no[row])
    findings = decide(walk.place(batch, at), tables, number, pairs_of(tables, row))
    walk.act(findings, batch, at, int(walk.found.scanned.fields[OCCURRED_AT]["number"]))
    return following(at)


_HANDLERS: Mapping[int, Callable[[_FoldingResults, Batch, int, int], Resume]] = {
    **NOT_LET_IN,
    Stop.SNAPSHOT: _taken_alone,
    Stop.UNKNOWN: _taken_alone,
    Stop.SENSELESS: _taken_alone,
    Stop.LATE: _taken_alone,
    Stop.BURN_IN_ENDED: _burn_in_ended,
    Stop.CAME_AGAIN: _came_again,
    Stop.FIRST_LINE: _first_line,
    Stop.OVERLAPS: _overlaps,
    Stop.PROVED: _proved,
    Stop.FULL: _full,
}
