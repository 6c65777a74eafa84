"""Runs many simulated experiments side by side through the judge: real specs and results in, real
decisions out. No formula of the judge is repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.batch import Slice
from agents.experiments.plan.specs import apply_spec
from agents.flow.fold_results import fold_results
from agents.flow.ingress import BatchFates
from schemas.catalog import RESULTS, local_ids
from schemas.codec.columns import encode_batch
from schemas.codec.flat_schema import arrow_schema
from schemas.codec.framing import Codec
from schemas.records import Decision, ExperimentSpec, Order, Verdict
from state.partition.partition_state import PartitionState

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SLICE = 40_000  # records: what the processor's larger polls bring
ONE_SLICE = 500  # of one experiment, which are folded for nothing once it is decided
CODEC = Codec(local_ids())
NOON, MINUTE = 1_700_000_000_000, 60_000  # ms
VARIANTS = pa.array(["control", "treatment"])
KINDS = pa.array(["OBSERVATION"])
NEVER = 10**9  # records: more than any experiment sends, so that a median over it is still a number


@dataclass(frozen=True, slots=True)
class Records:
    """The records of E experiments, n of each in the order of their log; every array has the shape
    (n, E).

    treated: the arm; value: the sum of a record; count: of its units, absent: 1; metric: index into
    `metrics`, 0 where absent; minute: when it occurred; assigned: the minute of its unit's
    assignment, absent: the same; unit: the unit's number, absent: one unit a record; named: whether
    records carry their unit's name at all; covariate: known of the unit beforehand, NaN: not known.
    """

    metrics: tuple[str, ...]
    treated: Flags
    value: Floats
    metric: Ints | None = None
    minute: Ints | None = None
    assigned: Ints | None = None
    unit: Ints | None = None
    named: bool = True
    count: Ints | None = None
    covariate: Floats | None = None


@dataclass(frozen=True, slots=True)
class FoundAfter:
    """How many records of each experiment had been folded at its finding, each shape (E,); NEVER:
    there was none.
    """

    rollback: Ints
    deploy: Ints
    hold: Ints  # for its split

    @staticmethod
    def joined(batches: list["FoundAfter"]) -> "FoundAfter":
        names = ("rollback", "deploy", "hold")
        return FoundAfter(
            *(np.concatenate([getattr(batch, name) for batch in batches]) for name in names)
        )


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked at while experiments are judged. look: called with the tables and the number
    of records of each experiment, after each of these numbers, ascending; decided: with the number
    of an experiment and the decision that ends it.
    """

    after: tuple[int, ...]
    look: Callable[[PartitionState, int], None]
    decided: Callable[[int, Decision], None]


def judged(spec: ExperimentSpec, records: Records, looks: Looks | None = None) -> FoundAfter:
    """What the judge finds in experiments of one spec, a subject each; what is decided sends no
    more records.

    The logs are laid side by side: first the first record of every experiment, then the second.
    """
    length, experiments = records.treated.shape
    tables = PartitionState(0, 1)
    for number in range(experiments):
        problem = apply_spec(replace(spec, subject=_subject(number)), 0, tables.experiments)
        assert problem is None, problem
    subjects = pa.array([_subject(number) for number in range(experiments)])
    found = FoundAfter(*(np.full(experiments, NEVER) for _ in range(3)))
    live, start, offset = np.arange(experiments), 0, 0
    after = looks.after if looks is not None else ()
    while start < length and len(live):
        end = min(length, start + max(1, SLICE // len(live)))
        end = min([end, *(at for at in after if at > start)])
        slice_ = _slice(spec, records, subjects, live, slice(start, end), offset)
        closed = list[int]()
        for decision in _decisions(slice_, tables):
            ended = _note(found, decision, live, start, offset)
            if ended is not None and looks is not None:
                looks.decided(ended, decision)
            closed += [] if ended is None else [ended]
        live = np.setdiff1d(live, closed)
        start, offset = end, slice_.next_offset
        if looks is not None and start in after:
            looks.look(tables, start)
    return found


def deployed_of_one(
    spec: ExperimentSpec, records: Records, tables: PartitionState, offset: int
) -> tuple[bool, int]:
    """(whether the treatment of one experiment is to be deployed, the offset after its records) in
    tables that have more experiments of its subject; its records end where it is.
    """
    problem = apply_spec(spec, 0, tables.experiments)
    assert problem is None, problem
    subjects, live = pa.array([spec.subject]), np.zeros(1, np.int64)
    for start in range(0, len(records.treated), ONE_SLICE):
        rows = slice(start, min(start + ONE_SLICE, len(records.treated)))
        piece = _slice(spec, records, subjects, live, rows, offset)
        offset = piece.next_offset
        if any(decision.order == Order.DEPLOY for decision in _decisions(piece, tables)):
            return True, offset
    return False, offset


def _decisions(piece: Slice, tables: PartitionState) -> list[Decision]:
    fates = BatchFates()
    outputs = fold_results(piece, piece.append_times, tables, CODEC, fates)
    assert fates.applied == len(piece.values), fates.refused[:1]
    return [output.record for output in outputs if isinstance(output.record, Decision)]


def _note(found: FoundAfter, decision: Decision, live: Ints, start: int, offset: int) -> int | None:
    """Writes down a decision; returns the experiment that it closes, if it does.

    start: the first of the slice's records of each experiment; offset: of the slice.
    """
    of = {Order.ROLLBACK: found.rollback, Order.DEPLOY: found.deploy}.get(decision.order)
    if decision.verdict == Verdict.SPLIT:
        of = found.hold
    if of is None:
        return None
    row, column = divmod(decision.evidence[0].last_offset - offset, len(live))
    of[live[column]] = start + row + 1
    return int(live[column])


def _subject(number: int) -> str:
    return f"simulated-{number}"


def _slice(
    spec: ExperimentSpec, records: Records, subjects: pa.Array, live: Ints, rows: slice, offset: int
) -> Slice:
    """One slice of the live experiments."""
    treated = records.treated[rows][:, live]
    n = treated.size
    numbers = np.arange(rows.start, rows.stop)[:, None]
    minute = _flat(records.minute, rows, live, np.broadcast_to(numbers, treated.shape))
    unit = _flat(records.unit, rows, live, np.broadcast_to(numbers, treated.shape))
    known = {
        "event_id": pa.array(np.arange(offset, offset + n)).cast(pa.string()),
        "subject": _texts(np.tile(live, len(treated)), subjects),
        "experiment_id": _texts(np.zeros(n, np.int64), pa.array([spec.experiment_id])),
        "variant": _texts(treated.ravel().astype(np.int64), VARIANTS),
        "unit_id": pa.array(unit).cast(pa.string()) if records.named else pa.nulls(n, pa.string()),
        "metric": _texts(
            _flat(records.metric, rows, live, np.zeros(treated.shape, np.int64)),
            pa.array(records.metrics),
        ),
        "kind": _texts(np.zeros(n, np.int64), KINDS),
        "count": pa.array(_flat(records.count, rows, live, np.ones(treated.shape, np.int64))),
        "sum": pa.array(records.value[rows][:, live].ravel().astype(np.float64)),
        "occurred_at": _moments(minute),
        "assigned_at": _moments(_flat(records.assigned, rows, live, minute.reshape(treated.shape))),
    }
    if records.covariate is not None:
        known["covariate"] = pa.array(records.covariate[rows][:, live].ravel(), from_pandas=True)
    schema = arrow_schema("ExperimentResult")
    arrays = [known.get(field.name, pa.nulls(n, field.type)) for field in schema]
    batch = pa.RecordBatch.from_arrays(arrays, names=schema.names)
    values = encode_batch(batch, "ExperimentResult", CODEC)
    # A record is appended when it occurs, or as late as those before it.
    appended = NOON + MINUTE * np.maximum.accumulate(minute)
    return Slice(RESULTS, 0, (), values, np.arange(offset, offset + n), appended)


def _flat(values: Ints | None, rows: slice, live: Ints, otherwise: Ints) -> Ints:
    return np.ascontiguousarray(otherwise if values is None else values[rows][:, live]).ravel()


def _texts(codes: Ints, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _moments(minutes: Ints) -> pa.Array:
    return pa.array(NOON + MINUTE * minutes)
