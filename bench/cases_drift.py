"""The case of a live model that decays: the car loan model, whose errors rise from row 75 000
on.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Finding
from agents.drift.fold_metrics import fold
from bench.case import Bar, Case
from bench.folding import NEVER
from schemas.catalog import METRICS
from schemas.codec.flat_schema import arrow_schema
from schemas.records import ModelMetric, Order, Policy
from state.partition.partition_state import PartitionState
from streams.demo.datasets import car_loan

CHANGE = 75_000  # rows before the decay
SLICE = 10_000
POLICY = Policy(
    event_id="simulated", policy_id="all", reference_count=50_000, false_alarm_records=1e6
)


def rows_to_retrain(rng: np.random.Generator, experiments: int) -> list[int]:
    """The rows after which a finding orders something, nothing being drawn: the data are what they
    are.
    """
    records = [event.record for event in car_loan()]
    tables, found = PartitionState(0, 1), []
    tables.policies[POLICY.policy_id] = POLICY
    for start in range(0, len(records), SLICE):
        piece = records[start : start + SLICE]
        findings, refused = fold(
            _facts([one for one in piece if isinstance(one, ModelMetric)], start), tables.drift
        )
        assert not refused, refused[0]
        found += [
            start + one.at + 1
            for one in findings
            if isinstance(one, Finding) and one.order == Order.RETRAIN
        ]
    return found


def _facts(records: Sequence[ModelMetric], offset: int) -> Facts:
    schema, n = arrow_schema("ModelMetric"), len(records)
    arrays = [
        pa.array([getattr(record, field.name) for record in records], field.type)
        for field in schema
    ]
    batch = pa.RecordBatch.from_arrays(arrays, names=schema.names)
    return Facts(
        METRICS,
        0,
        batch,
        np.arange(n),
        np.arange(offset, offset + n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )


def _after(worlds: Sequence[Sequence[list[int]]]) -> float:
    return float(min((row - CHANGE for row in worlds[0][0] if row > CHANGE), default=NEVER))


def _before(worlds: Sequence[Sequence[list[int]]]) -> float:
    return float(sum(row <= CHANGE for row in worlds[0][0]))


CASES = (
    Case(
        "car loan drift at row 75 000",
        (rows_to_retrain,),
        (Bar("rows to the retraining", 1_800, _after), Bar("false alarms", 0, _before)),
    ),
)
