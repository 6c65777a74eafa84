"""Lets experiments go that are over, with all that was kept of them, and joins what stays as a
restart would.

An experiment is over where a person stopped it or its `ends_at` has passed, and so is one that no
spec names once it is silent. It leaves once nothing came of it for 30 days, and nothing in the
tables needs it: no command of it is open or put a version in service, and no verdict of it waits
for a command. A verdict on a subject that nobody vouched for waits no longer than that: without
results nothing is ordered by it, and whoever makes up names would keep their rows for ever. Its
place among its subject's experiments stays counted as long as the subject's row is there. A result
that comes later begins a new experiment.
"""

from dataclasses import replace

import numpy as np

from agents.experiments.arms.arms import rebuild
from agents.experiments.verdicts.discovery_refunds import end
from agents.experiments.verdicts.reopening import unserved_of
from schemas.records import ExperimentRow, ExperimentStatus
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import DAY_MS, EXPERIMENT_MS, OPEN, rested, served
from state.storage.table import row_key

LOOKED_AT_MAX = 500  # experiments at one tick
# of arms at one tick, a record of the changelog each; an experiment that has more goes whole
ROWS_MAX = 10_000


def leave(now: int, tables: ExperimentTables) -> list[ExperimentRow]:
    """Drops the experiments that are due, and returns them; where there are any, the work grows
    with all rows of arms.

    They are due at full hours, so that this is done once in an hour, but where more are due than go
    at one tick.
    """
    rows, gone = list[int](), list[ExperimentRow]()
    for _ in range(LOOKED_AT_MAX):
        experiment = tables.experiments.ready(now) if len(rows) < ROWS_MAX else None
        if experiment is None:
            break
        trial = _trial(experiment, tables)
        stays_until = _stays_until(experiment, trial, now, tables)
        if stays_until > now:
            tables.experiments.put(replace(experiment, leaves_at=stays_until))
        else:
            rows += _rows(trial)
            end(experiment, tables)
            _drop(experiment, tables)
            gone.append(experiment)
    if rows:
        tables.silence.moved(tables.arms.drop(np.array(rows, np.int64)))
        rebuild(tables)
    return gone


def _stays_until(
    experiment: ExperimentRow, trial: ExperimentArms | None, now: int, tables: ExperimentTables
) -> int:
    """When it is looked at again, ms; not after `now` where it may go.

    Of one that is running and tells no moment, an older Mendstream may not have kept when its arms
    sent last.
    """
    if experiment.status == ExperimentStatus.RUNNING and experiment.leaves_at < 0:
        return rested(now)
    last = max(
        [
            experiment.begun_at,
            experiment.ended_at,
            *(int(tables.arms.last_at[row]) for row in _rows(trial)),
        ]
    )
    if last + EXPERIMENT_MS > now:
        return rested(last)
    return rested(now - EXPERIMENT_MS + DAY_MS) if _needed(experiment, tables) else now


def _needed(experiment: ExperimentRow, tables: ExperimentTables) -> bool:
    running = experiment.status == ExperimentStatus.RUNNING  # it is looked after for ever
    subject = tables.subjects.get(row_key(experiment.subject))
    made_up = running and subject is not None and subject.new_since >= 0
    return (
        (unserved_of(experiment) > 0 and not made_up)
        or (experiment.due_at >= 0 and not running)
        or any(
            row.experiment_id == experiment.experiment_id and (row.phase in OPEN or served(row))
            for row in tables.commands.rows_of(experiment.subject)
        )
    )


def _trial(experiment: ExperimentRow, tables: ExperimentTables) -> ExperimentArms | None:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    return tables.index[number] if number is not None else None


def _rows(trial: ExperimentArms | None) -> list[int]:
    """All rows of its arms, of the whole and of parts."""
    groups = [*trial.arms.values(), *trial.parts.values()] if trial is not None else []
    return [row for group in groups for row in group.values()]


def _drop(experiment: ExperimentRow, tables: ExperimentTables) -> None:
    subject, experiment_id = experiment.subject, experiment.experiment_id
    for metric in experiment.metrics:
        tables.snapshots.drop(row_key(subject, experiment_id, metric.name))
        tables.burn_ins.drop(tables.burn_ins.of(subject, experiment_id, metric.name))
    key = row_key(subject, experiment_id)
    tables.experiments.drop(key)
    tables.lack_checks.drop(key)
    tables.reopenings.drop(key)
