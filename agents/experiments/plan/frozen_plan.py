"""The frozen row of an experiment: made at its first result, by its spec or by the policy where
there is none.
"""

from dataclasses import dataclass, replace

from agents.core.policies import EXPOSURE, metric_spec, policy_for
from agents.experiments.plan.discovery_budget import begun
from agents.experiments.plan.terms import judged_before
from schemas.records import (
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
    SubjectRow,
)
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import rested
from state.storage.table import row_key

REST_MS = 60_000  # between two looks at what an experiment lacks
CONTROL = "control"  # the control arm where no spec names one


def new_experiment(subject: str, experiment_id: str, policy: Policy) -> ExperimentRow:
    """An experiment nobody specified: `control` against all others, levels by the policy."""
    return ExperimentRow(
        subject=subject,
        experiment_id=experiment_id,
        ordinal=0,
        discoveries=0,
        control=CONTROL,
        specified=False,
        status=ExperimentStatus.RUNNING,
        alpha=policy.alpha,
        min_count=policy.min_count,
        share_steps=(),
        treatments=(),
        metrics=(),
        pairs=(),
        frozen=(),
        autonomy=None,
        candidate_version=None,
        baseline_version=None,
        policy_id=policy.policy_id,
        started_offset=-1,
        split_offset=-1,
        decided=(),
    )


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """How a metric is judged; whether it has rows already, and these are made of snapshots."""

    spec: MetricSpec
    begun: bool
    snapshots: bool
    ends_at: int  # results from this moment on are late, ms


def plan_of_experiment(tables: ExperimentTables, subject: str, experiment_id: str) -> ExperimentRow:
    """The experiment's row, or what it would be if its first result came now."""
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    if experiment is None:
        experiment = new_experiment(subject, experiment_id, policy_for(subject, tables.policies))
    return experiment


def plan(tables: ExperimentTables, subject: str, experiment_id: str, metric: str) -> MetricPlan:
    """How a metric of an experiment is judged, or would be if its first result came now."""
    key = row_key(subject, experiment_id)
    experiment = plan_of_experiment(tables, subject, experiment_id)
    trial = tables.index.number(key)
    return MetricPlan(
        _spec_of(experiment, metric, tables),
        trial is not None and metric in tables.index[trial].arms,
        tables.snapshots.get(row_key(subject, experiment_id, metric)) is not None,
        judged_before(experiment),
    )


def started(
    tables: ExperimentTables,
    subject: str,
    experiment_id: str,
    offset: int,
    occurred_at: int,
    now: int,
) -> ExperimentRow:
    """The experiment's row; its first result, at `offset`, freezes its place among the subject's
    experiments.
    """
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    if experiment is None:
        policy = policy_for(subject, tables.policies)
        experiment = new_experiment(subject, experiment_id, policy)
    if experiment.started_offset < 0:
        row = tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, 0, {})
        row, part = begun(row)
        tables.subjects.put(row)
        experiment = replace(
            experiment,
            started_offset=offset,
            started_at=occurred_at,
            begun_at=now,
            ordinal=row.experiments,
            discoveries=row.discoveries,
            alpha_part=part,
            leaves_at=experiment.leaves_at if experiment.specified else rested(now),
        )
        experiment = vigilant(experiment, now, tables)
        tables.experiments.put(experiment)
    return experiment


def vigilant(experiment: ExperimentRow, now: int, tables: ExperimentTables) -> ExperimentRow:
    """The row with the moment at which it is looked at for what it lacks, which is put down."""
    policy = policy_for(experiment.subject, tables.policies)
    # What was told is looked at again soon: it may be over.
    due_at = (
        now + REST_MS
        if experiment.lacks
        else max(now, experiment.begun_at + policy.missing_after_ms)
    )
    if experiment.ends_at is not None:
        due_at = min(due_at, max(now, experiment.ends_at))
    tables.lack_checks.put(row_key(experiment.subject, experiment.experiment_id), due_at)
    return replace(experiment, due_at=due_at)


def hastened(experiment: ExperimentRow, now: int, tables: ExperimentTables) -> ExperimentRow:
    """The row with a look at what it lacks within a minute, which is put down unless one is due
    sooner.
    """
    due_at = now + REST_MS
    if due_at >= experiment.due_at:
        return experiment
    tables.lack_checks.put(row_key(experiment.subject, experiment.experiment_id), due_at)
    return replace(experiment, due_at=due_at)


def hasten(tables: ExperimentTables, number: int, now: int) -> None:
    """Has an experiment, by its number, looked at within a minute for what it lacks."""
    experiment = tables.experiments.get(tables.index.key(number))
    assert experiment is not None
    sooner = hastened(experiment, now, tables)
    if sooner is not experiment:
        tables.experiments.put(sooner)


def with_metric(experiment: ExperimentRow, metric: str, tables: ExperimentTables) -> ExperimentRow:
    """The row with the metric's terms in it, which stand from then on."""
    if any(spec.name == metric for spec in experiment.metrics):
        return experiment
    spec = _spec_of(experiment, metric, tables)
    return replace(experiment, metrics=(*experiment.metrics, spec))


def _spec_of(experiment: ExperimentRow, metric: str, tables: ExperimentTables) -> MetricSpec:
    """How a metric of an experiment is judged, or would be if it came now."""
    for spec in experiment.metrics:
        if spec.name == metric:
            return spec
    if experiment.specified or metric == EXPOSURE:
        # A spec is whole: what it does not name is looked at and never judged.
        kind = MetricKind.COUNT if metric == EXPOSURE else MetricKind.MEAN
        return MetricSpec(metric, Role.SIGNAL, Direction.UNKNOWN, kind)
    return metric_spec(metric, (), policy_for(experiment.subject, tables.policies))
