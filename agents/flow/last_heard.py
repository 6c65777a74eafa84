"""When each subject was heard last, worked out from rows after a restart: who fell silent before it
is told after it.
"""

import numpy as np

from schemas.records import ExperimentStatus
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables


def rebuild(experiments: ExperimentTables, drift: DriftTables, now: int) -> None:
    """Works out what is derived, after rows were restored; what a stopped experiment sent last is
    not missed.
    """
    heard: dict[str, int] = {}
    arms, count = experiments.arms, len(experiments.arms)
    last = np.full(len(experiments.index), -1, np.int64)
    np.maximum.at(last, arms.experiment_no[:count], arms.last_at[:count])
    for number, at in enumerate(last.tolist()):
        row = experiments.experiments.get(experiments.index.key(number))
        if row is not None and row.status != ExperimentStatus.STOPPED:
            heard[row.subject] = max(at, heard.get(row.subject, -1))
    for metric in drift.metrics.rows():
        at = max((version.seen_at for version in metric.versions), default=-1)
        heard[metric.subject] = max(at, heard.get(metric.subject, -1))
    experiments.silence.restored(heard, now)
