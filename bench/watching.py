"""Runs simulated live metrics through the watch, one stream after the other: real records in, real
decisions out. No formula of the watch is repeated.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.batch import Slice
from agents.flow.fold_metrics import fold_metrics
from agents.flow.ingress import BatchFates
from schemas.catalog import METRICS
from schemas.codec.columns import encode_batch
from schemas.codec.flat_schema import arrow_schema
from schemas.records import Decision, Policy, Verdict
from state.partition.partition_state import PartitionState
from streams.operations.simulated_tests import CODEC, NEVER

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLICE = 50_000  # records
MONDAY = 1_700_438_400_000  # 20 November 2023, 00:00 UTC, ms
DAY_MS = 86_400_000
SUBJECT, VERSION = "simulated", "v1"


@dataclass(frozen=True, slots=True)
class Stream:
    """Records of one metric in the order of their log, every array of the shape (n,).

    metric: by its name of a known kind. days: when each occurred, in days since a Monday. sums:
    their sums; counts: their counts, absent: 1 each. segments: a number for each, absent: none.
    first: the offset of the first record.
    """

    metric: str
    days: Floats
    sums: Floats
    counts: Ints | None = None
    segments: Ints | None = None
    first: int = 0


def alarms(state: PartitionState, stream: Stream, most: int) -> list[int]:
    """Folds a stream; returns how many records had been folded at each of the first findings of a
    drift, and ends with the slice in which there were so many.
    """
    found = list[int]()
    for start in range(0, len(stream.days), SLICE):
        end = min(start + SLICE, len(stream.days))
        piece, fates = slice_of(stream, slice(start, end)), BatchFates()
        outputs = fold_metrics(piece, piece.append_times, state, CODEC, fates)
        assert not fates.refused, fates.refused[0]
        decided = [one.record for one in outputs if isinstance(one.record, Decision)]
        drifts = [one for one in decided if one.verdict == Verdict.DRIFT]
        found += [one.evidence[0].last_offset + 1 for one in drifts]
        if len(found) >= most:
            break
    return found


def first_alarm(policy: Policy, stream: Stream) -> int:
    """How many records had been folded at the first finding of a drift; NEVER where none was."""
    return min(alarms(state_of(policy), stream, 1), default=NEVER)


def state_of(policy: Policy) -> PartitionState:
    """An empty partition with a policy in force."""
    state = PartitionState(0, 1)
    state.policies[policy.policy_id] = policy
    return state


def slice_of(stream: Stream, rows: slice) -> Slice:
    n = rows.stop - rows.start
    offsets = stream.first + np.arange(rows.start, rows.stop)
    occurred = MONDAY + np.round(stream.days[rows] * DAY_MS).astype(np.int64)
    counts = np.ones(n, np.int64) if stream.counts is None else stream.counts[rows]
    segments = pa.nulls(n, pa.string())
    if stream.segments is not None:
        segments = pa.array(stream.segments[rows]).cast(pa.string())
    known = {
        "event_id": pa.array(offsets).cast(pa.string()),
        "subject": pa.array([SUBJECT] * n),
        "model_version": pa.array([VERSION] * n),
        "metric": pa.array([stream.metric] * n),
        "count": pa.array(counts),
        "sum": pa.array(stream.sums[rows].astype(np.float64)),
        "segment": segments,
        "occurred_at": pa.array(occurred),
    }
    schema = arrow_schema("ModelMetric")
    arrays = [known.get(field.name, pa.nulls(n, field.type)) for field in schema]
    batch = pa.RecordBatch.from_arrays(arrays, names=schema.names)
    values = encode_batch(batch, "ModelMetric", CODEC)
    return Slice(METRICS, 0, (), values, offsets, np.maximum.accumulate(occurred))
