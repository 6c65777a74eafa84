"""The case of a live model that decays: the car loan model, whose errors rise from row 75 000
on.
"""

from collections.abc import Sequence

import numpy as np

from agents.core.batch import Slice
from agents.flow.fold_metrics import fold_metrics
from agents.flow.ingress import BatchFates
from bench.case import Bar, Case
from schemas.catalog import METRICS
from schemas.records import Decision, ModelMetric, Order, Policy, Season
from state.partition.partition_state import PartitionState
from streams.demo.datasets import car_loan
from streams.operations.simulated_tests import CODEC, NEVER

CHANGE = 75_000  # rows before the decay
SLICE = 10_000
POLICY = Policy(
    event_id="simulated",
    policy_id="all",
    reference_count=50_000,
    false_alarm_records=1e6,
    season=Season.NONE,  # the rows of the data set have no time of day
)


def rows_to_retrain(rng: np.random.Generator, experiments: int) -> list[int]:
    """The rows after which a finding orders something, nothing being drawn: the data are what they
    are.
    """
    records = [event.record for event in car_loan()]
    tables, found = PartitionState(0, 1), list[int]()
    tables.policies[POLICY.policy_id] = POLICY
    for start in range(0, len(records), SLICE):
        metrics = [one for one in records[start : start + SLICE] if isinstance(one, ModelMetric)]
        piece, fates = _slice(metrics, start), BatchFates()
        outputs = fold_metrics(piece, piece.append_times, tables, CODEC, fates)
        assert not fates.refused, fates.refused[0]
        decided = [one.record for one in outputs if isinstance(one.record, Decision)]
        found += [one.evidence[-1].last_offset + 1 for one in decided if one.order == Order.RETRAIN]
    return found


def _slice(records: Sequence[ModelMetric], offset: int) -> Slice:
    """One slice of the log, appended all at once."""
    n = len(records)
    return Slice(
        METRICS,
        0,
        (),
        [CODEC.encode(record) for record in records],
        np.arange(offset, offset + n),
        np.full(n, max(record.occurred_at for record in records)),
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
