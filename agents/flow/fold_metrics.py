"""The path of model metrics through a partition, whole: the compiled loop goes from record to
record, and what is rare is dealt with here, one record at a time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from agents.anomalies.fold_points import unusual_among
from agents.core.batch import Finding, Ints, Served, Slice
from agents.core.effects import Output
from agents.core.entrance import ADMITTED, ARRIVED, entrance_of
from agents.core.record_batch import Batch, batch_of
from agents.drift.alarms import found_bad
from agents.drift.evidence.notes import MetricNotes, new_notes
from agents.drift.preparation import prepare, why_no_room, why_senseless
from agents.drift.settling import settle
from agents.drift.step_through import (
    ALARM_IN,
    RECORD,
    UNSETTLED,
    WHOLE,
    MetricInHand,
    MetricMemory,
    MetricReached,
    MetricStop,
    in_hand,
    memory_of,
    remember_through,
    step_through,
)
from agents.failures.followups import serving
from agents.flow import newcomers, unusual_points
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
from schemas.codec.columns import Columns
from schemas.codec.framing import Codec
from schemas.records import ModelMetric, Verdict
from schemas.refusals import RefusedRecord
from schemas.validation.results_and_metrics import check_metrics
from state.metrics.table import MetricsTable
from state.partition.experiment_tables import ExperimentTables
from state.partition.ingress_memory import IngressMemory
from state.partition.partition_state import PartitionState


def fold_metrics(
    piece: Slice, now: Ints, state: PartitionState, codec: Codec, fates: BatchFates
) -> list[Output]:
    """Folds a slice of metrics; returns what follows from them, in the order of the log.

    now: the partition's clock at each record, ms, shape (n,).
    """
    walk = _FoldingMetrics(piece, codec, state.ingress, state, fates)
    seen = state.ingress.seen(piece.topic)
    seen.make_room(len(piece.values))
    outputs = walk.fold_all(now)
    seen.sweep(piece.next_offset - 1)
    return outputs


def remember_metrics(
    piece: Slice, now: Ints, memory: IngressMemory, _tables: ExperimentTables, codec: Codec
) -> list[int]:
    """Takes in the ids of metrics that were folded before a restart; returns the offsets of those
    that were let in.
    """
    return _remembered(piece, now, memory, codec)


def admitted_metrics(piece: Slice, memory: IngressMemory, codec: Codec) -> list[int]:
    """The offsets of those metrics of a slice that are let in; their ids are known from then on."""
    return _remembered(piece, piece.append_times, memory, codec)


def _remembered(piece: Slice, now: Ints, memory: IngressMemory, codec: Codec) -> list[int]:
    walk, seen = _RememberingMetrics(piece, codec, memory), memory.seen(piece.topic)
    seen.make_room(len(piece.values))
    walk.remember(batch_of(piece, now), 0)
    seen.sweep(piece.next_offset - 1)
    return walk.offsets()


def _memory(metrics: MetricsTable, piece: Slice, memory: IngressMemory, epoch: int) -> MetricMemory:
    return memory_of(metrics, entrance_of(memory, piece.topic), epoch)


@dataclass(slots=True)
class _RememberingMetrics(Remembering):
    record = RECORD
    found: MetricInHand = field(init=False)
    no_rows: MetricsTable = field(init=False, default_factory=MetricsTable)

    def __post_init__(self) -> None:
        BatchWalk.__post_init__(self)
        self.found = in_hand(self.scanned)

    def step(self, batch: Batch, at: int, reached: int) -> tuple[int, int]:
        memory = _memory(self.no_rows, self.piece, self.memory, 0)
        why, at = remember_through(batch, memory, self.found, at, reached)
        return int(why), int(at)


@dataclass(slots=True)
class _FoldingMetrics(Folding):
    """pending: what was found in the record in hand, done once it is counted."""

    record = RECORD
    pending: list[Finding | Served] = field(init=False, default_factory=list)
    found: MetricInHand = field(init=False)
    notes: MetricNotes = field(init=False)

    def __post_init__(self) -> None:
        BatchWalk.__post_init__(self)
        self.found = in_hand(self.scanned)
        self.notes = new_notes(len(self.piece.values))

    def faults(self, decoded: Columns, appended: Ints) -> list[RefusedRecord]:
        return check_metrics(decoded, appended)

    def fold(self, batch: Batch, first: int) -> None:
        at, reached = 0, ARRIVED
        while True:
            drift = self.state.drift
            epoch = drift.policies.changes
            memory = _memory(drift.metrics, self.piece, self.memory, epoch)
            why, at = step_through(batch, memory, self.found, self.notes, at, reached)
            self._take_notes(batch)
            if why == MetricStop.END:
                return
            at, reached = _HANDLERS[why](self, batch, at, first)

    def metric(self, batch: Batch, at: int) -> ModelMetric:
        """The record in hand."""
        metric = self.decoded(batch, at)
        assert isinstance(metric, ModelMetric)
        return metric

    def end(self, metric: ModelMetric, batch: Batch, at: int) -> Resume:
        """Settles the rows of a record that was counted, and does what was found in it."""
        place, mixed = self.place(batch, at), Verdict.MIX_SHIFT
        has_new_mix = any(isinstance(one, Finding) and one.verdict == mixed for one in self.pending)
        self.pending += settle(metric, has_new_mix, place, self.state.drift)
        return self.do(metric, batch, at)

    def do(self, metric: ModelMetric, batch: Batch, at: int) -> Resume:
        """Does what was found in a record."""
        place = self.place(batch, at)
        pending, self.pending = self.pending, []
        for one in pending:
            if isinstance(one, Served):
                serving(one.subject, one.version, place, self.state.failures)
                continue
            appended = int(batch.appended[at])
            self.outputs += act(one, place, appended, metric.occurred_at, self.state)
        return following(at)

    def _take_notes(self, batch: Batch) -> None:
        """Deals with what the loop left, before anything else is done."""
        notes, metrics = self.notes, self.state.drift.metrics
        heard, learned, pointed = notes.lengths.tolist()
        notes.lengths[:] = 0
        if heard:
            rows = np.unique(notes.heard[:heard]).tolist()
            self.heard.update(map(metrics.subject_of, rows))
        if learned:
            rows, values = notes.learned_rows[:learned], notes.learned_values[:learned]
            metrics.learn(rows.tolist(), values.tolist())
        if pointed:
            anomalies = self.state.anomalies
            found = unusual_among(notes.points, pointed, batch, self.place, anomalies)
            self.outputs += unusual_points.followed(found, self.state)


def _unprepared(walk: _FoldingMetrics, batch: Batch, at: int, first: int) -> Resume:
    """A record whose metric, row or version is not in hand, or that makes no sense for its
    metric.
    """
    metric, place = walk.metric(batch, at), walk.place(batch, at)
    subjects, drift = walk.state.subjects, walk.state.drift
    is_strange = newcomers.is_stranger(metric.subject, subjects)
    if is_strange and (full := newcomers.why_no_room(metric.subject, subjects)):
        walk.refuse(first + at, *full)
        return following(at)
    walk.heard.add(metric.subject)
    if (why := why_senseless(metric, drift) or why_no_room(metric, drift)) is not None:
        walk.refuse(first + at, why.reason, why.sentence)
        return following(at)
    if is_strange:
        newcomers.take_in(metric.subject, place.now, subjects)
    prepared = prepare(metric, place, drift)
    walk.pending += prepared.findings
    if not prepared.is_counted:
        return walk.do(metric, batch, at)
    walk.found.numbers[UNSETTLED] = 1
    return at, ADMITTED


def _alarm(walk: _FoldingMetrics, batch: Batch, at: int, _first: int) -> Resume:
    metric, place, drift = walk.metric(batch, at), walk.place(batch, at), walk.state.drift
    is_whole = walk.found.numbers[ALARM_IN] == WHOLE
    walk.pending.append(found_bad(metric, None if is_whole else metric.segment, place, drift))
    walk.found.numbers[UNSETTLED] = 1
    return at, int(MetricReached.WHOLE_COUNTED if is_whole else MetricReached.PART_COUNTED)


def _unsettled(walk: _FoldingMetrics, batch: Batch, at: int, _first: int) -> Resume:
    return walk.end(walk.metric(batch, at), batch, at)


_HANDLERS: Mapping[int, Callable[[_FoldingMetrics, Batch, int, int], Resume]] = {
    **NOT_LET_IN,
    MetricStop.UNPREPARED: _unprepared,
    MetricStop.SENSELESS: _unprepared,
    MetricStop.ALARM: _alarm,
    MetricStop.UNSETTLED: _unsettled,
}
assert _HANDLERS.keys() == set(MetricStop) - {MetricStop.END}, "each reason to stop has its handler"
