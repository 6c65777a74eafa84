"""Opens and links the rows of the hot table, and works out how each is judged from its experiment's frozen row."""

from dataclasses import replace
from enum import IntEnum

import numpy as np

from agents.policy import EXPOSURE, metric_spec, policy_for
from schemas.records import (
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Pair,
    Policy,
    Role,
    SubjectRow,
)
from state.table import row_key
from state.tables import STATES, Tables, Trial

CONTROL = "control"  # the control arm where no spec names one
SPLIT_LEVEL = float(np.log(100.0))  # a split is broken at e >= 100
NEVER = float(np.inf)
WAIT = STATES.index("WAIT")
NONE_YET, SEVERAL = -1, -2  # in column `treatment`, of a control row


class Method(IntEnum):
    """How a treatment's row is compared with its control's."""

    NONE = 0
    COUNTS = 1
    MEANS = 2
    SPLIT = 3


class Tally(IntEnum):
    """How a record adds to a row."""

    MEAN = 0
    RATE = 1
    COUNT = 2
    LATENCY = 3  # values above the limit are counted


def new_experiment(subject: str, experiment_id: str, policy: Policy) -> ExperimentRow:
    """An experiment nobody specified: `control` against all others, levels by the policy."""
    return ExperimentRow(
        subject=subject,
        experiment_id=experiment_id,
        ordinal=0,
        control=CONTROL,
        specified=False,
        status=ExperimentStatus.RUNNING,
        alpha=policy.alpha,
        min_count=policy.min_count,
        shares=(),
        ramped=False,
        treatments=(),
        metrics=(),
        pairs=(),
        autonomy=None,
        candidate_version=None,
        baseline_version=None,
        policy_id=policy.policy_id,
        started_offset=-1,
        split_offset=-1,
        decided=(),
    )


def open_arm(tables: Tables, hashed: int, key: tuple[str, str, str, str, str | None], offset: int) -> int:
    """Makes the row of an arm first seen at `offset`, and starts its experiment if this is its first result."""
    subject, experiment_id, metric, variant, segment = key
    experiment = _started(tables, subject, experiment_id, offset)
    experiment = _with_metric(experiment, metric, tables)
    spec = _plan(experiment, metric)
    pair = Pair(variant, metric)
    commands = segment is None and _commands(experiment, spec, variant)
    if commands and pair not in experiment.pairs:
        experiment = replace(experiment, pairs=(*experiment.pairs, pair))
    if experiment is not tables.experiments.get(row_key(subject, experiment_id)):
        tables.experiments.put(experiment)
    row = tables.arms.add(hashed, key)
    for column in ("base_offset", "harm_offset", "gain_offset"):
        tables.arms[column][row] = -1
    for column in ("effect", "low", "high"):
        tables.arms[column][row] = np.nan
    tables.arms["first_offset"][row] = offset
    tables.arms["state"][row] = WAIT
    link(tables, row)
    return row


def plan(tables: Tables, subject: str, experiment_id: str, metric: str) -> MetricSpec:
    """How a metric of an experiment is judged, or would be if its first result came now."""
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    if experiment is None:
        experiment = new_experiment(subject, experiment_id, policy_for(subject, tables.policies.values()))
    return _plan(_with_metric(experiment, metric, tables), metric)


def tally_of(spec: MetricSpec) -> Tally:
    return Tally[spec.kind] if spec.kind != MetricKind.UNKNOWN else Tally.MEAN


def rebuild(tables: Tables) -> None:
    """Works out everything derived, after the stored columns were restored."""
    tables.trials.clear()
    tables.trial_of.clear()
    tables.pending.clear()
    arms, n = tables.arms, len(tables.arms)
    # In the order in which arms first came, as when they were opened: it is the order of several findings of one record.
    for row in np.argsort(arms["first_offset"][:n], kind="stable"):
        link(tables, int(row))
    latched = (arms["harm_offset"][:n] >= 0) | (arms["gain_offset"][:n] >= 0)
    still_open = np.isfinite(np.minimum(arms["harm_level"][:n], arms["gain_level"][:n]))
    tables.pending.update(int(trial) for trial in np.unique(arms["trial"][:n][latched & still_open]))


def link(tables: Tables, row: int) -> None:
    """Fills a row's derived columns and ties it to its control or treatments."""
    subject, experiment_id, metric, variant, segment = tables.arms.keys[row]
    assert subject is not None
    assert experiment_id is not None
    assert metric is not None
    assert variant is not None
    key = row_key(subject, experiment_id)
    experiment = tables.experiments.get(key)
    assert experiment is not None, f"arm {tables.arms.keys[row]} without its experiment's row"
    trial = tables.trial_of.get(key)
    if trial is None:
        trial = tables.trial_of[key] = len(tables.trials)
        tables.trials.append(Trial(key))
    _derive(tables, row, trial, experiment, metric, variant, segment)
    if segment is None:
        group = tables.trials[trial].arms.setdefault(metric, {})
        group[variant] = row
        _tie(tables, row, group, experiment.control, variant)


def _tie(tables: Tables, row: int, group: dict[str, int], control: str, variant: str) -> None:
    arms = tables.arms
    if variant == control:
        others = [other for other in group.values() if other != row]
        arms["control"][others] = row
        arms["treatment"][row] = SEVERAL if len(others) > 1 else others[0] if others else NONE_YET
    elif control in group:
        above = group[control]
        arms["control"][row] = above
        arms["treatment"][above] = row if arms["treatment"][above] == NONE_YET else SEVERAL
        if arms["base_offset"][row] == -1:
            arms["base_offset"][row] = arms["base_offset"][above]


def _derive(
    tables: Tables, row: int, trial: int, experiment: ExperimentRow, metric: str, variant: str, segment: str | None
) -> None:
    spec = _plan(experiment, metric)
    share = _share(experiment, variant)
    commands = segment is None and Pair(variant, metric) in experiment.pairs
    decided = any(done.variant == variant for done in experiment.decided)
    closed = decided or experiment.split_offset >= 0 or experiment.status == ExperimentStatus.STOPPED
    harm, gain = _levels(experiment, Pair(variant, metric), spec) if commands and not closed else (NEVER, NEVER)
    method = _method(experiment, spec, variant, share)
    if method == Method.SPLIT and not closed:
        harm = SPLIT_LEVEL
    values = {
        "trial": trial,
        "is_control": segment is None and variant == experiment.control,
        "control": -1,
        "treatment": NONE_YET,
        "method": method,
        "tally": tally_of(spec),
        "sign": 1 if spec.direction == Direction.HIGHER_IS_BETTER else -1,
        "share": share,
        "harm_level": harm,
        "gain_level": gain,
        "alpha": experiment.alpha,
        "min_count": experiment.min_count,
        "limit": spec.limit if spec.limit is not None else NEVER,
        "cap": spec.cap if spec.cap is not None else NEVER,
        "margin": spec.margin,
    }
    for column, value in values.items():
        tables.arms[column][row] = value


def _method(experiment: ExperimentRow, spec: MetricSpec, variant: str, share: float) -> Method:
    if variant == experiment.control or (experiment.treatments and variant not in experiment.treatments):
        return Method.NONE
    if spec.name == EXPOSURE:
        return Method.SPLIT if share > 0.0 else Method.NONE
    if experiment.ramped or (spec.kind == MetricKind.LATENCY and spec.limit is None):
        return Method.NONE
    if spec.kind == MetricKind.MEAN or share == 0.0:
        return Method.MEANS
    return Method.COUNTS


def _share(experiment: ExperimentRow, variant: str) -> float:
    """The treatment's share of the traffic of it and control; 0 where no fixed share is stated."""
    if experiment.ramped:
        return 0.0
    shares = {share.variant: share.share for share in experiment.shares}
    own, control = shares.get(variant, 0.0), shares.get(experiment.control, 0.0)
    return own / (own + control) if own and control else 0.0


def _levels(experiment: ExperimentRow, pair: Pair, spec: MetricSpec) -> tuple[float, float]:
    """log of the evidence that proves harm and gain (statistics: m/alpha in a spec, alpha/(j(j+1)) without one)."""
    j = experiment.pairs.index(pair) + 1
    if experiment.specified:
        judged = sum(metric.role in (Role.GOAL, Role.GUARDRAIL) for metric in experiment.metrics)
        hypotheses = float(max(1, judged * len(experiment.treatments)))
    else:
        hypotheses = float(j * (j + 1))
    harm = float(np.log(hypotheses / experiment.alpha))
    if spec.role != Role.GOAL:
        return harm, NEVER
    # Over the experiments of a subject the levels alpha/(i(i+1)) sum to alpha, whatever depends on what.
    return harm, harm + float(np.log(experiment.ordinal * (experiment.ordinal + 1.0)))


def _commands(experiment: ExperimentRow, spec: MetricSpec, variant: str) -> bool:
    if variant == experiment.control or (experiment.treatments and variant not in experiment.treatments):
        return False
    return spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE


def _plan(experiment: ExperimentRow, metric: str) -> MetricSpec:
    return next(spec for spec in experiment.metrics if spec.name == metric)


def _with_metric(experiment: ExperimentRow, metric: str, tables: Tables) -> ExperimentRow:
    if any(spec.name == metric for spec in experiment.metrics):
        return experiment
    if experiment.specified or metric == EXPOSURE:
        # A spec is whole: what it does not name is looked at and never judged.
        kind = MetricKind.COUNT if metric == EXPOSURE else MetricKind.MEAN
        spec = MetricSpec(metric, Role.SIGNAL, Direction.UNKNOWN, kind)
    else:
        spec = metric_spec(metric, (), policy_for(experiment.subject, tables.policies.values()))
    return replace(experiment, metrics=(*experiment.metrics, spec))


def _started(tables: Tables, subject: str, experiment_id: str, offset: int) -> ExperimentRow:
    experiment = tables.experiments.get(row_key(subject, experiment_id))
    if experiment is None:
        policy = policy_for(subject, tables.policies.values())
        experiment = new_experiment(subject, experiment_id, policy)
    if experiment.started_offset < 0:
        row = tables.subjects.get(row_key(subject)) or SubjectRow(subject, 0, {})
        row = replace(row, experiments=row.experiments + 1)
        tables.subjects.put(row)
        experiment = replace(experiment, started_offset=offset, ordinal=row.experiments)
        tables.experiments.put(experiment)
    return experiment
