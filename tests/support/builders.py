"""Records and slices for tests, with every field that a test does not care about filled in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from agents.core.batch import DeliveredRecord, Slice
from agents.flow.pipeline import apply_broadcast
from schemas.catalog import POLICIES, local_ids
from schemas.codec.columns import encode_batch
from schemas.codec.flat_schema import arrow_schema
from schemas.codec.framing import Codec, Record
from schemas.ids import event_uuid
from schemas.records import (
    Alert,
    AlertState,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Role,
    Severity,
    Share,
    ShareStep,
)
from schemas.refusals import RefusedRecord
from state.partition.partition_state import PartitionState

NOON = 1_700_000_000_000  # ms
CODEC = Codec(local_ids())
ONE = 1  # partition count of most unit tests: every subject is at home
# Offsets, more than any unit test goes back. A window of a million has tables of 67 MB, whose pages
# would be made for each of thousands of folds.
WINDOW = 20_000


@dataclass(frozen=True, slots=True)
class Sent(DeliveredRecord):
    """A record as the broker would deliver it, at noon unless told."""

    appended: int = NOON


def sent(
    records: Iterable[Record | bytes | None], start: int = 0, appended: int = NOON, step: int = 1
) -> list[Sent]:
    """Records at offsets start, start + step, ..., appended one ms apart."""
    values = [CODEC.encode(r) if r is not None and not isinstance(r, bytes) else r for r in records]
    return [Sent(value, start + i * step, appended + i) for i, value in enumerate(values)]


def apply_policy(
    value: bytes | None, state: PartitionState, codec: Codec = CODEC
) -> RefusedRecord | None:
    """Has one policy taken by a partition; returns why it cannot be taken, or None."""
    return apply_broadcast(POLICIES, value, state, codec)


def piece(topic: str, records: Sequence[Sent], partition: int = 0) -> Slice:
    return Slice.of(topic, partition, records)


def many(
    record: ExperimentResult | ModelMetric,
    n: int,
    start: int = 0,
    **columns: Sequence[Any] | NDArray[Any],
) -> list[Sent]:
    """n copies of a record with other values in some columns, each with an id of its own; quick for
    large n.
    """
    name = type(record).__name__
    same = {field.name: [getattr(record, field.name)] * n for field in arrow_schema(name)}
    values = {**same, "event_id": [f"{name} {start + i}" for i in range(n)], **columns}
    arrays = [pa.array(values[field.name], field.type) for field in arrow_schema(name)]
    encoded = encode_batch(
        pa.RecordBatch.from_arrays(arrays, names=arrow_schema(name).names), name, CODEC
    )
    return [Sent(value, start + i, NOON + i) for i, value in enumerate(encoded)]


def result(n: int = 0, **fields: Any) -> ExperimentResult:
    base = ExperimentResult(
        event_id=event_uuid("result", n),
        subject="bot",
        experiment_id="exp",
        variant="control",
        metric="conversion",
        count=1,
        sum=0.0,
        occurred_at=NOON,
    )
    return replace(base, **fields)


def metric(n: int = 0, **fields: Any) -> ModelMetric:
    base = ModelMetric(
        event_id=event_uuid("metric", n),
        subject="bot",
        model_version="v1",
        metric="error",
        count=1,
        sum=0.0,
        occurred_at=NOON,
    )
    return replace(base, **fields)


def spec(**fields: Any) -> ExperimentSpec:
    base = ExperimentSpec(
        event_id=event_uuid("spec"),
        experiment_id="exp",
        subject="bot",
        control="control",
        treatments=("b",),
        share_steps=(ShareStep(from_=None, shares=(Share("control", 0.5), Share("b", 0.5))),),
        metrics=(MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),),
    )
    return replace(base, **fields)


def alert(**fields: Any) -> Alert:
    base = Alert(
        alert_id="a-1",
        key="shop",
        rule="model-failing",
        severity=Severity.HIGH,
        state=AlertState.RAISED,
        metric="error",
        value=0.3,
        threshold=0.1,
        message="it fails",
        raised_at=NOON,
    )
    return replace(base, **fields)


def tables(partitions: int = ONE, **settings: Any) -> PartitionState:
    """Returns the empty memory of partition 0."""
    return PartitionState(0, partitions, **{"dedupe_window": WINDOW, **settings})
