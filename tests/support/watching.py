"""What the tests of the watch share: a state with a policy, streams of records, and answers to
commands.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.core.effects import Output
from agents.flow.pipeline import fold
from schemas.catalog import METRICS, STATUS
from schemas.records import Autonomy, CommandStatus, Decision, MetricRow, Policy, Season, Status
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from tests.support.builders import CODEC, NOON, apply_policy, many, metric, piece, sent, tables

AUTO = Policy(
    event_id="auto",
    policy_id="all",
    retrain=Autonomy.AUTO,
    improve=Autonomy.AUTO,
    reference_count=1_000,
    false_alarm_records=1e4,
    season=Season.NONE,
)


def watched(**terms: Any) -> PartitionState:
    state = tables()
    apply_policy(CODEC.encode(replace(AUTO, **terms)), state, CODEC)
    return state


class Stream:
    """Feeds one subject's metric records of given rates."""

    def __init__(self, state: PartitionState, seed: int, **fields: Any) -> None:
        self.state, self.fields, self.offset = state, fields, 0
        self.rng = np.random.default_rng(seed)

    def send(self, n: int, *mix: tuple[str | None, float, float], **fields: Any) -> list[Output]:
        """n records; mix: (segment, share of them, rate of bad ones)."""
        segment = self.rng.choice(len(mix), n, p=[share for _, share, _ in mix])
        bad = self.rng.random(n) < np.array([rate for _, _, rate in mix])[segment]
        base = metric(**{**self.fields, **fields})
        good_is_one = base.metric == "accuracy"
        records = many(
            base,
            n,
            self.offset,
            sum=(bad != good_is_one).astype(float),
            segment=[mix[i][0] for i in segment],
        )
        self.offset += n
        return list(fold(piece(METRICS, records), self.state, CODEC).outputs)

    def values(self, values: NDArray[np.float64], **fields: Any) -> list[Output]:
        """One record of each value."""
        records = many(metric(**{**self.fields, **fields}), len(values), self.offset, sum=values)
        self.offset += len(values)
        return list(fold(piece(METRICS, records), self.state, CODEC).outputs)


def decisions(outputs: list[Output]) -> list[Decision]:
    return [one.record for one in outputs if isinstance(one.record, Decision)]


def row(state: PartitionState, segment: str | None = None, name: str = "error") -> MetricRow:
    found = state.drift.metrics.get(row_key("bot", name, segment))
    assert found is not None
    return found


def completed(
    state: PartitionState, decision: Decision, status: Status = Status.COMPLETED, **fields: Any
) -> None:
    assert decision.command_id is not None
    report = CommandStatus(
        event_id=f"{decision.command_id} {status}",
        command_id=decision.command_id,
        subject="bot",
        status=status,
        fencing_token=1,
        reported_at=NOON,
        reporter="trainer",
    )
    fold(piece(STATUS, sent([replace(report, **fields)])), state, CODEC)
