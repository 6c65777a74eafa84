"""How one metric of one experiment is judged, read off its experiment's frozen row: method, tally,
share and levels.
"""

from enum import IntEnum
from math import inf, log

import numpy as np

from agents.core.policies import EXPOSURE
from agents.experiments.plan.discovery_budget import alpha_part_of
from schemas.records import (
    EvidenceKind,
    ExperimentRow,
    ExperimentStatus,
    Frozen,
    MetricKind,
    MetricSpec,
    Order,
    Pair,
    Role,
    ShareStep,
)

SPLIT_LEVEL = log(100.0)  # a split is broken at e >= 100
NEVER = inf
INTERACTION = "INTERACTION"  # of Lack.kind
ALWAYS = int(np.iinfo(np.int64).max)


class Method(IntEnum):
    """How a treatment's row is compared with its control's."""

    NONE = 0
    COUNTS = 1
    MEANS = 2
    SPLIT = 3
    RATES = 4  # of units that hit or do not, by their totals
    RATES_IN_BLOCKS = 5
    MEANS_IN_BLOCKS = 6


# By Method. Of rates by their totals an exact test's e-value and a confidence sequence's p-value
# are both asked, each at its part of the level, and the larger of the two is no e-value.
EVIDENCE_KINDS = (
    EvidenceKind.UNKNOWN,
    EvidenceKind.E_VALUE,
    EvidenceKind.P_VALUE,
    EvidenceKind.E_VALUE,
    EvidenceKind.P_VALUE,
    EvidenceKind.E_VALUE,
    EvidenceKind.P_VALUE,
)


class Tally(IntEnum):
    """How a record adds to a row."""

    MEAN = 0
    RATE = 1
    COUNT = 2
    LATENCY = 3  # values above the limit are counted


def tally_of(spec: MetricSpec) -> Tally:
    return Tally[spec.kind] if spec.kind != MetricKind.UNKNOWN else Tally.MEAN


def plan_of(experiment: ExperimentRow, metric: str) -> MetricSpec:
    return next(spec for spec in experiment.metrics if spec.name == metric)


def frozen_of(experiment: ExperimentRow, metric: str) -> Frozen | None:
    return next((frozen for frozen in experiment.frozen if frozen.metric == metric), None)


def method_of(spec: MetricSpec, stated: bool, trusted: bool, ramp: bool) -> Method:
    """Of a treatment as a whole, whose units come one after the other.

    stated: whether its share of the traffic is; trusted: whether it still holds; ramp: whether
    there are several, each for its time.
    """
    if spec.name == EXPOSURE or ramp:
        return method_by_totals(spec, stated and trusted)
    if spec.kind in (MetricKind.RATE, MetricKind.LATENCY):
        return Method.RATES_IN_BLOCKS
    return method_by_totals(spec, trusted) if stated else Method.MEANS_IN_BLOCKS


def method_by_totals(spec: MetricSpec, stated: bool) -> Method:
    """Of a part of a treatment, and where totals are sent, which tell no order of units; stated:
    whether its share of the traffic is, and still holds.
    """
    if spec.name == EXPOSURE:
        return Method.SPLIT if stated else Method.NONE
    if stated and spec.kind != MetricKind.MEAN:
        return Method.COUNTS
    rate = spec.kind in (MetricKind.RATE, MetricKind.LATENCY)
    return Method.RATES if rate else Method.MEANS


def learns(experiment: ExperimentRow, spec: MetricSpec) -> bool:
    """Whether the control's first values fix something: the cap and spread of a MEAN, the limit of
    a LATENCY.
    """
    judged = spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
    wanting = spec.kind == MetricKind.MEAN or (
        spec.kind == MetricKind.LATENCY and spec.limit is None
    )
    return judged and wanting and frozen_of(experiment, spec.name) is None


def weighs_units(spec: MetricSpec) -> bool:
    """Whether what a unit sends again is measured; a RATE counts it once."""
    judged = spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
    return judged and spec.kind != MetricKind.RATE


def judged_before(experiment: ExperimentRow) -> int:
    """The moment from which on its results are late, ms; all of them are once it has ended."""
    if experiment.status == ExperimentStatus.ENDED:
        return 0
    return ALWAYS if experiment.ends_at is None else experiment.ends_at


def burns_in(spec: MetricSpec) -> bool:
    """Whether nothing of a metric is tested until the control's first values have fixed its cap or
    its limit.
    """
    judged = spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
    unstated = {MetricKind.MEAN: spec.cap is None, MetricKind.LATENCY: spec.limit is None}
    return judged and unstated.get(spec.kind, False)


def interacts(experiment: ExperimentRow) -> bool:
    """Whether it is held because its effects are others in the arms of another experiment."""
    return any(lack.kind == INTERACTION and lack.told_at >= 0 for lack in experiment.lacks)


def ramped(experiment: ExperimentRow) -> bool:
    return experiment.follows_rollout or len(experiment.share_steps) > 1


def steps_of(experiment: ExperimentRow) -> tuple[ShareStep, ...]:
    """The shares that it is judged by: as stated, or as reported, where none are known before the
    first report.
    """
    if experiment.follows_rollout:
        return ShareStep(shares=()), *experiment.rollout_steps
    return experiment.share_steps


def shares_of(experiment: ExperimentRow, variant: str) -> list[float]:
    """The treatment's share of the traffic of it and control in each step; 0 where none is
    stated.
    """
    return [_share(step, variant, experiment.control) for step in steps_of(experiment)]


Parts = dict[Pair, float]


def levels(
    experiment: ExperimentRow, pair: Pair, spec: MetricSpec, parts: tuple[Parts, Parts]
) -> tuple[float, float]:
    """log of the evidence that proves harm and gain of a pair that may command.

    parts: `level_parts` of the experiment. Of a gain alpha is the part of it that the subject's
    bound of false discoveries leaves (`discovery_budget`).
    """
    of_harm, of_gain = parts
    harm = -log(experiment.alpha * of_harm[pair])
    part = alpha_part_of(experiment)
    if spec.role != Role.GOAL or part <= 0.0:
        return harm, NEVER
    return harm, -log(experiment.alpha * part * of_gain[pair])


def level_parts(experiment: ExperimentRow) -> tuple[Parts, Parts]:
    """Which part of a level each pair has that may command: of harm, and of gain, where goals alone
    are hypotheses.
    """
    return _parts_of(experiment, (Role.GOAL, Role.GUARDRAIL)), _parts_of(experiment, (Role.GOAL,))


def _parts_of(experiment: ExperimentRow, roles: tuple[Role, ...]) -> Parts:
    """Even parts where a spec names all pairs of these roles, else 1 / (j (j + 1)) for the j-th."""
    named = {metric.name for metric in experiment.metrics if metric.role in roles}
    pairs = [pair for pair in experiment.pairs if pair.metric in named]
    if experiment.specified:
        return dict.fromkeys(pairs, 1.0 / max(1, len(pairs)))
    return {pair: 1.0 / (j * (j + 1)) for j, pair in enumerate(pairs, 1)}


def deployed(experiment: ExperimentRow) -> set[str]:
    """The treatments that a deployment is ordered of, and that are watched for harm since."""
    return {
        done.variant for done in experiment.decided if done.order == Order.DEPLOY and not done.open
    }


def moved(experiment: ExperimentRow) -> set[str]:
    """The treatments whose traffic a command may have moved: no stated share is taken for true of
    them any more.
    """
    return {done.variant for done in experiment.decided if done.moved} | deployed(experiment)


def may_command(experiment: ExperimentRow, spec: MetricSpec, variant: str) -> bool:
    if not compared(experiment, variant):
        return False
    return spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE


def compared(experiment: ExperimentRow, variant: str) -> bool:
    """Whether a variant is a treatment of the experiment."""
    return variant != experiment.control and (
        not experiment.treatments or variant in experiment.treatments
    )


def _share(step: ShareStep, variant: str, control: str) -> float:
    shares = {share.variant: share.share for share in step.shares}
    own, other = shares.get(variant, 0.0), shares.get(control, 0.0)
    return own / (own + other) if own and other else 0.0
