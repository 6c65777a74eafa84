"""When each subject was heard last, worked out from rows after a restart: who fell silent before it
is told after it.
"""

import numpy as np

from schemas.records import ExperimentStatus
from state.partition.partition_state import PartitionState


def rebuild(state: PartitionState) -> None:
    """What is derived, after rows were restored; what a stopped experiment sent last is not
    missed.
    """
    heard: dict[str, int] = {}
    arms, count = state.experiments.arms, len(state.experiments.arms)
    last = np.full(len(state.experiments.index), -1, np.int64)
    np.maximum.at(last, arms.experiment_no[:count], arms.last_at[:count])
    for number, at in enumerate(last.tolist()):
        row = state.experiments.experiments.get(state.experiments.index.key(number))
        if row is not None and row.status != ExperimentStatus.STOPPED:
            heard[row.subject] = max(at, heard.get(row.subject, -1))
    for metric in state.drift.metrics.rows():
        at = max((version.seen_at for version in metric.versions), default=-1)
        heard[metric.subject] = max(at, heard.get(metric.subject, -1))
    state.experiments.silence.restored(heard, state.now)
