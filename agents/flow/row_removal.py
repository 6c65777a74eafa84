"""Lets rows go whose time is over, at a tick and so many at most, so that tables hold what is and
not all that ever was.
"""

from typing import Any

from agents.alerts import alert_metrics
from agents.alerts.raising import observe_subject
from agents.core.effects import Output
from agents.core.provenance import Provenance
from agents.experiments.oversight.periodic_checks import lasting
from agents.experiments.removal import leave
from agents.experiments.verdicts.reopening import unserved_of
from agents.flow.reopened_verdicts import unserved
from agents.flow.subject_removal import forget, left
from agents.trust import fold_outcomes as trust
from schemas.records import ExperimentRow
from state.partition.alert_tables import AlertTables
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.partition_state import PartitionState
from state.storage.keyed_table import KeyedTable
from state.storage.table import row_key

LEAVE_MAX = (
    1_000  # of one table at one tick; a tick is a second, and each is a record of a changelog
)


def tick(place: Provenance, state: PartitionState) -> list[Output]:
    """Returns what follows where rows leave: of an agent that is forgotten, that it is heard as any
    other; of an experiment, that what was told to be wrong with it is over.
    """
    unseen = state.drift.metrics.expire(place.now, LEAVE_MAX)
    for row in unseen:
        if row.segment is None:
            state.drift.rules_applied.pop(row_key(row.subject, row.metric), None)
    gone = [row.subject for row in unseen]
    gone += [row.subject for row in state.commands.commands.expire(place.now, LEAVE_MAX)]
    by_clock: tuple[KeyedTable[Any], ...] = (
        state.commands.budgets,
        state.alerts.alerts,
        state.failures.sightings,
        state.learning.lessons,
        state.learning.tenants,
    )
    for table in by_clock:
        table.expire(place.now, LEAVE_MAX)
    experiments = leave(place.now, state.experiments)
    over = [
        out
        for row in experiments
        for out in _over(row, place, state.experiments, state.drift, state.alerts)
    ]
    left([*gone, *(row.subject for row in experiments)], state.subjects)
    forget(LEAVE_MAX, state.subjects)
    by_event_time: tuple[KeyedTable[Any], ...] = (state.failures.patterns, state.failures.signals)
    for table in by_event_time:
        table.expire(state.failures.event_time, LEAVE_MAX)
    return over + [
        out
        for row in state.trust.trust.expire(place.now, LEAVE_MAX)
        for out in trust.forget(row, place, state.trust)
    ]


def _over(
    row: ExperimentRow,
    place: Provenance,
    experiments: ExperimentTables,
    drift: DriftTables,
    alerts: AlertTables,
) -> list[Output]:
    """Returns what follows for the alerts of an experiment's subject, where the experiment has
    left.
    """
    values = list[tuple[alert_metrics.AlertMetric, int]]()
    if any(lack.told_at >= 0 for lack in row.lacks):
        values += [
            (alert_metrics.LACKS[kind], count)
            for kind, count in lasting(row.subject, experiments).items()
        ]
    if unserved_of(row):
        values.append((alert_metrics.UNSERVED, unserved(row.subject, experiments, drift)))
    return [
        output
        for metric, value in values
        for output in observe_subject(metric, row.subject, float(value), place, alerts)
    ]
