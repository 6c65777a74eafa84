"""Lets rows go whose time is over, at a tick and so many at most, so that tables hold what is and
not all that ever was; and forgets subjects that nobody vouched for, once nothing of them is left:
their names are made up, and places are few.

Such a subject goes with the last of its rows: its live metrics leave 30 days after their last
record, its experiments likewise (nobody planned them), its commands 90 days after they ended. So no
moment of its own need be kept.

What is forgotten with it is how many experiments it had, how many gains were proved in them, and
what they left of the bound of false discoveries. That bound is one of the experiments a subject is
known by. While one of them is in the tables, running or not, all that were before it stay counted,
so that its level is never that of an earlier place. When the last has left, the family is closed:
no decision of it is open, none was ever carried out, for a command that was would vouch for the
subject, and no later level is taken from it. The name that comes back begins a family of its own,
with a budget of its own, a month of silence later at the earliest; who wants one budget for good
names the subject in a spec.

Fencing tokens are never forgotten, for a target remembers the last: a subject that has some, or is
frozen, keeps its row and takes no place from then on. So many rows stay as newcomers' budget issues
commands.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agents.alerts import alert_metrics
from agents.alerts.raising import observe_subject
from agents.core.effects import Output
from agents.core.provenance import Provenance
from agents.experiments.oversight.periodic_checks import lasting
from agents.experiments.removal import leave
from agents.experiments.verdicts.reopening import unserved_of
from agents.flow.reopened_verdicts import unserved
from agents.flow.unusual_points import over_with
from agents.trust import fold_outcomes as trust
from schemas.ids import tenant_of
from schemas.records import ExperimentRow, SubjectRow
from state.partition.alert_tables import AlertTables
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.partition_state import PartitionState
from state.partition.subject_tables import SubjectTables
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
    silent = state.anomalies.series.expire(place.now, LEAVE_MAX)
    no_more = [out for row in silent for out in over_with(row, place, state.alerts)]
    gone = [row.subject for row in unseen]
    gone += [row.subject for row in state.commands.commands.expire(place.now, LEAVE_MAX)]
    by_clock: tuple[KeyedTable[Any], ...] = (
        state.commands.budgets,
        state.alerts.alerts,
        state.failures.sightings,
        state.trust.days,
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
    return (
        over
        + no_more
        + [
            out
            for row in state.trust.trust.expire(place.now, LEAVE_MAX)
            for out in trust.forget(row, place, state.trust)
        ]
    )


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


def left(subjects: Iterable[str], tables: SubjectTables) -> None:
    """Rows of these subjects have left: those of which none is there any more are to be
    forgotten.
    """
    for name in subjects:
        row = tables.subjects.get(row_key(name))
        if row is not None and _is_over(row, tables):
            tables.without_rows.put(name, 0)


def forget(most: int, tables: SubjectTables) -> None:
    """Lets at most so many subjects go, by name."""
    for _ in range(most):
        first = tables.without_rows.pop(0)
        if first is None:
            return
        row = tables.subjects.get(row_key(first[1]))
        if row is not None and _is_over(row, tables):
            tables.newcomers.drop(tenant_of(row.subject), row.new_since)
            if row.tokens or row.frozen_by or row.locks:
                tables.subjects.put(replace(row, new_since=-1))
            else:
                tables.subjects.drop(row_key(row.subject))


def rebuild_subjects(tables: SubjectTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.without_rows.rebuild(
        (row.subject, 0) for row in tables.subjects.rows() if _is_over(row, tables)
    )


def _is_over(row: SubjectRow, tables: SubjectTables) -> bool:
    """Returns whether nobody vouched for a subject of which no row is left."""
    counts = (table.count(row.subject) for table in tables.counted)
    return row.new_since >= 0 and not any(counts)
