"""Takes an experiment's spec: whole before its first result, afterwards only its end."""

from dataclasses import replace
from typing import Any

import numpy as np

from agents.core.policies import policy_for
from agents.experiments.plan.frozen_plan import new_experiment, vigilant
from agents.experiments.plan.terms import NEVER
from agents.experiments.verdicts.discovery_refunds import end
from schemas.records import Direction, ExperimentRow, ExperimentSpec, ExperimentStatus, Pair, Role
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import rested
from state.storage.table import row_key


def apply_spec(spec: ExperimentSpec, now: int, tables: ExperimentTables) -> str | None:
    """Applies a spec; returns why its terms were ignored, or None.

    What is judged must not change under the data: after the first result only `status` is taken.
    """
    key = row_key(spec.subject, spec.experiment_id)
    row = tables.experiments.get(key)
    if row is not None and row.started_offset >= 0:
        return _end(spec, row, key, now, tables)
    policy = policy_for(spec.subject, tables.policies)
    judged = [metric.name for metric in spec.metrics if metric.role in (Role.GOAL, Role.GUARDRAIL)]
    taken = replace(
        new_experiment(spec.subject, spec.experiment_id, policy),
        **_terms(spec),
        specified=True,
        rollout_steps=row.rollout_steps
        if row is not None and spec.follows_rollout
        else (),  # told, not stated
        status=spec.status,
        pairs=tuple(Pair(treatment, metric) for treatment in spec.treatments for metric in judged),
        begun_at=row.begun_at if row is not None and row.begun_at >= 0 else now,
        lacks=row.lacks if row is not None else (),
        late=row.late if row is not None else 0,
        leaves_at=rested(now) if spec.status == ExperimentStatus.STOPPED else -1,
    )
    tables.experiments.put(vigilant(taken, now, tables))
    return None


def in_force(spec: ExperimentSpec, row: ExperimentRow) -> bool:
    """Whether an experiment is judged, or was ended, as this spec says."""
    if spec.status == ExperimentStatus.STOPPED == row.status:
        return True
    return spec.status == row.status and row.specified and _same_terms(spec, row)


def _terms(spec: ExperimentSpec) -> dict[str, Any]:
    """What a spec fixes for good."""
    return {
        "control": spec.control,
        "alpha": spec.alpha,
        "min_count": spec.min_count,
        "share_steps": spec.share_steps,
        "treatments": spec.treatments,
        "metrics": spec.metrics,
        "autonomy": spec.autonomy,
        "candidate_version": spec.candidate_version,
        "baseline_version": spec.baseline_version,
        "environment": spec.environment,
        "follows_rollout": spec.follows_rollout,
        "ends_at": spec.ends_at,
    }


def _end(
    spec: ExperimentSpec, row: ExperimentRow, key: str, now: int, tables: ExperimentTables
) -> str | None:
    if spec.status == ExperimentStatus.STOPPED and row.status != ExperimentStatus.STOPPED:
        end(row, tables)
        tables.experiments.put(replace(row, status=ExperimentStatus.STOPPED, leaves_at=rested(now)))
        trial = tables.index.number(key)
        groups = tables.index[trial].arms.values() if trial is not None else ()
        rows = np.array([arm for group in groups for arm in group.values()], np.int64)
        tables.arms.harm_level[rows] = NEVER
        tables.arms.gain_level[rows] = NEVER
        tables.pending.discard(-1 if trial is None else trial)
        return None
    if in_force(spec, row):
        return None
    ended = ", and it has ended" if row.status == ExperimentStatus.ENDED else ""
    return (
        f"{spec.subject}/{spec.experiment_id} has results already: its terms stand{ended}; "
        "start a new experiment_id"
    )


def _same_terms(spec: ExperimentSpec, row: ExperimentRow) -> bool:
    # A metric that no spec named has no direction, and a spec's always has one.
    named = tuple(metric for metric in row.metrics if metric.direction != Direction.UNKNOWN)
    return row == replace(row, **{**_terms(spec), "metrics": row.metrics}) and named == spec.metrics
