"""What an experiment lacks to be judged: arms, control, metrics, squares, a plan that names what it
sends.

Each lack is found from the rows alone, whenever the experiment is looked at; since when, the row
remembers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

import numpy as np

from agents.core.policies import EXPOSURE
from agents.experiments.evidence.covariate_balance import (
    APART_LEVEL,
    covariates_apart,
    log_apart,
)
from agents.experiments.evidence.repeated_units import FEWEST, worth_of_units
from agents.experiments.plan.frozen_plan import CONTROL
from agents.experiments.plan.terms import Tally, compared, ramped
from agents.experiments.verdicts.interactions import interactions_of, other_of
from schemas.ids import target_of
from schemas.records import ExperimentRow, Order, Role
from state.experiment_arms import ExperimentArms
from state.pairs.unit_buckets import NO_BUCKETS
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

STOPPED_GAPS = (
    20  # mean gaps between the records of an arm: in a Poisson stream one in 5e8 gaps is so long
)
CROSSED_MAX = (
    0.01  # of the units; where more are in two arms, the arms are not what they are called
)
CROSSED_MIN = 10  # units; fewer are a few people with two devices


class LackKind(StrEnum):
    """What is missing; the words of `Lack.kind`."""

    RESULT = "RESULT"
    CONTROL = "CONTROL"
    ARM = "ARM"
    METRIC = "METRIC"
    STOPPED = "STOPPED"
    SQUARES = "SQUARES"
    PLAN = "PLAN"
    UNITS = "UNITS"
    COVARIATE = "COVARIATE"
    CLUSTERS = "CLUSTERS"
    MIXED = "MIXED"
    INTERACTION = "INTERACTION"


CERTAIN = frozenset(
    {
        LackKind.SQUARES,
        LackKind.UNITS,
        LackKind.COVARIATE,
        LackKind.MIXED,
        LackKind.INTERACTION,
    }
)  # no later record mends it, so nothing is waited for
# The arms do not part their units as they should: verdict SPLIT, by these rules.
OF_SPLIT = {
    LackKind.UNITS: "units in several arms",
    LackKind.COVARIATE: "covariate of the arms differs",
}


@dataclass(frozen=True, slots=True)
class Found:
    """Something an experiment lacks. since: when it began, ms; why: a sentence that says what would
    end it.

    units: of the other arms by now; lasting: so many more of theirs show that it lasts.
    """

    kind: LackKind
    name: str
    since: int
    why: str
    variant: str | None = None
    metric: str = ""
    units: int = 0
    lasting: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """An arm that sent results. units: in the metric that has most; last_at: when its last record
    was appended, ms; newest: of its snapshots, complete or not, the latest moment that one is of,
    ms, -1 where there are none.
    """

    units: int
    last_at: int
    newest: int


def lacks_of(
    experiment: ExperimentRow, tables: ExperimentTables, now: int, wait_ms: int
) -> list[Found]:
    """What an experiment lacks by now; wait_ms: how long an arm is silent at least before it is
    said to have stopped.
    """
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        why = (
            f"no result came since {'its spec' if experiment.specified else 'it began'}: is its "
            "producer running?"
        )
        return [Found(LackKind.RESULT, "", experiment.begun_at, why)]
    trial = tables.index[number]
    senders = _senders(experiment, trial, tables)
    found = [
        *_mixed(experiment, now),
        *_squares(experiment, trial, tables, now),
        *_crossed(experiment, trial, tables, now),
        *_covariates(experiment, trial, tables, now),
        *_interacting(experiment, tables, now),
    ]
    if max(sender.units for sender in senders.values()) >= experiment.min_count:
        found += [*_arms(experiment, senders), *_metrics(experiment, trial, senders, tables)]
        found += [
            *_few_units(experiment, trial, tables, now),
            *_unplanned(experiment, senders, now),
            *_stopped(experiment, senders, now, wait_ms),
        ]
    return found


def _senders(
    experiment: ExperimentRow, trial: ExperimentArms, tables: ExperimentTables
) -> dict[str, Sender]:
    """The arms that sent results, by name in order; of snapshots also those whose sets are not
    complete.
    """
    arms, senders = tables.arms, dict[str, Sender]()

    def add(variant: str, units: int, last_at: int, newest: int = -1) -> None:
        had = senders.get(variant, Sender(0, -1, -1))
        senders[variant] = Sender(
            max(had.units, units), max(had.last_at, last_at), max(had.newest, newest)
        )

    for metric, group in trial.arms.items():
        for variant, row in group.items():
            add(variant, int(arms.count[row]), int(arms.last_at[row]))
        snapshots = tables.snapshots.get(
            row_key(experiment.subject, experiment.experiment_id, metric)
        )
        for part in snapshots.parts if snapshots is not None else ():
            add(part.variant, part.count, -1, part.occurred_at)
    return dict(sorted(senders.items()))


def _arms(experiment: ExperimentRow, senders: dict[str, Sender]) -> Iterator[Found]:
    named, since = " and ".join(senders), experiment.begun_at
    if experiment.control not in senders:
        mend = (
            f"send results of {experiment.control!r}, or a spec of a new experiment_id that "
            "names the control"
        )
        why = f"no arm is {experiment.control!r}, its control, while {named} sends: {mend}"
        yield Found(LackKind.CONTROL, experiment.control, since, why, experiment.control)
    for variant in experiment.treatments:
        if variant not in senders:
            why = (
                f"{variant!r} is planned and sends nothing, while {named} sends: send its "
                "results, or stop the experiment"
            )
            yield Found(LackKind.ARM, variant, since, why, variant)
    if not experiment.treatments and senders.keys() == {CONTROL}:
        why = "control sends and no treatment does: send results of what it is compared with"
        yield Found(LackKind.ARM, "", since, why)


def _judged(experiment: ExperimentRow) -> list[str]:
    roles = (Role.GOAL, Role.GUARDRAIL)
    return [
        metric.name
        for metric in experiment.metrics
        if metric.role in roles and metric.name != EXPOSURE
    ]


def _metrics(
    experiment: ExperimentRow,
    trial: ExperimentArms,
    senders: dict[str, Sender],
    tables: ExperimentTables,
) -> Iterator[Found]:
    for metric in _judged(experiment):
        group = trial.arms.get(metric, {})
        if not group:
            why = (
                f"{metric!r} is to be judged and no arm sends it: send it, or leave it out of a "
                "new experiment's spec"
            )
            yield Found(LackKind.METRIC, metric, experiment.begun_at, why, metric=metric)
            continue
        if max(int(tables.arms.count[row]) for row in group.values()) < experiment.min_count:
            continue
        for variant in senders:
            if variant not in group and (
                variant == experiment.control or compared(experiment, variant)
            ):
                others = " and ".join(sorted(group))
                why = f"{variant!r} sends no {metric!r}, while {others} does: send it of both"
                yield Found(
                    LackKind.METRIC,
                    f"{metric} of {variant}",
                    experiment.begun_at,
                    why,
                    variant,
                    metric,
                )


def _unplanned(experiment: ExperimentRow, senders: dict[str, Sender], now: int) -> Iterator[Found]:
    planned = (experiment.control, *experiment.treatments)
    for variant, sender in senders.items():
        if (
            experiment.treatments
            and variant not in planned
            and sender.units >= experiment.min_count
        ):
            why = (
                f"{variant!r} sent {sender.units} units and the spec plans {', '.join(planned)}: "
                "it is compared with nothing"
            )
            yield Found(
                LackKind.PLAN, variant, now, f"{why}; is its name spelt as in the spec?", variant
            )


def _stopped(
    experiment: ExperimentRow, senders: dict[str, Sender], now: int, wait_ms: int
) -> Iterator[Found]:
    """Arms that sent nothing for long, while others went on for half of it at least; of what was
    decided it is what is to be expected.
    """
    settled = {done.variant for done in experiment.decided if not done.open}
    open_arms = [name for name in senders if name not in settled and compared(experiment, name)]
    for variant in [experiment.control, *open_arms] if open_arms else []:
        sender = senders.get(variant)
        others = [one for name, one in senders.items() if name != variant]
        if sender is None or sender.last_at < 0 or not sender.units:
            continue
        # Of snapshots only whole sets are applied, and those of the others wait: their own moments
        # tell.
        behind = max(
            (one.newest - sender.newest for one in others if min(one.newest, sender.newest) >= 0),
            default=0,
        )
        behind = max(behind, max((one.last_at for one in others), default=-1) - sender.last_at)
        mean_gap = (sender.last_at - experiment.begun_at) / sender.units
        if now - sender.last_at >= max(wait_ms, STOPPED_GAPS * mean_gap) and behind >= wait_ms // 2:
            why = (
                f"{variant!r} has stopped sending, while others go on: no verdict can come "
                "before it sends again"
            )
            # Traffic that ebbs, or comes arm by arm, leaves gaps that are long for the mean: the
            # others' units tell. Those of
            # a snapshot's others wait for its own.
            units = sum(one.units for one in others)
            lasting = ceil(STOPPED_GAPS * units / sender.units) if sender.newest < 0 else 0
            yield Found(
                LackKind.STOPPED,
                variant,
                sender.last_at,
                why,
                variant,
                units=units,
                lasting=lasting,
            )


def _squares(
    experiment: ExperimentRow, trial: ExperimentArms, tables: ExperimentTables, now: int
) -> Iterator[Found]:
    arms = tables.arms
    for metric in _judged(experiment):
        for variant, row in sorted(trial.arms.get(metric, {}).items()):
            if arms.missing_squares[row] and arms.tally[row] == Tally.MEAN:
                why = (
                    f"records of {variant!r} add up several values of {metric!r} without "
                    "sum_squares"
                )
                mend = "without them there is no spread to judge by: send them, in a new experiment"
                yield Found(
                    LackKind.SQUARES,
                    f"{metric} of {variant}",
                    now,
                    f"{why}; {mend}",
                    variant,
                    metric,
                )


def _few_units(
    experiment: ExperimentRow, trial: ExperimentArms, tables: ExperimentTables, now: int
) -> Iterator[Found]:
    """Arms whose many records come of a few units, which prove nothing however often they send."""
    arms = tables.arms
    for metric in _judged(experiment):
        for variant, row in sorted(trial.arms.get(metric, {}).items()):
            slot = int(arms.bucket_slot[row])
            if slot == NO_BUCKETS or arms.count[row] < experiment.min_count:
                continue
            units = worth_of_units(arms.buckets.values, slot)
            if units < FEWEST:
                why = (
                    f"{int(arms.count[row])} records of {metric!r} of {variant!r} weigh as some "
                    f"{max(1, round(units))} units, because units come again"
                )
                mend = f"fewer than some {FEWEST:.0f} prove nothing: give the arm more units"
                name = f"{metric} of {variant}"
                yield Found(LackKind.CLUSTERS, name, now, f"{why}; {mend}", variant, metric)


def _mixed(experiment: ExperimentRow, now: int) -> Iterator[Found]:
    if experiment.mixed:
        why = (
            f"{experiment.mixed} records were refused: their metric has observations, and they "
            "are snapshots, or the reverse"
        )
        yield Found(LackKind.MIXED, "", now, f"{why}; send one kind")


def _crossed(
    experiment: ExperimentRow, trial: ExperimentArms, tables: ExperimentTables, now: int
) -> Iterator[Found]:
    """Metrics whose units are in several arms, but for what a ramp brings over, and where no
    command has moved the units.
    """
    arms, grows = tables.arms, ramped(experiment)
    for metric, group in sorted(trial.arms.items()):
        rows = np.array(
            [row for name, row in group.items() if not grows or name == experiment.control],
            np.int64,
        )
        crossed, units = int(arms.crossed[rows].sum()), int(arms.count[rows].sum())
        many = crossed >= CROSSED_MIN and crossed > CROSSED_MAX * (crossed + units)
        if many and not _units_moved(experiment, tables):
            share = (
                f"{crossed} of {crossed + units} records of {metric!r} are of units that were "
                "in another arm before"
            )
            why = (
                f"{share}: the arms do not part the units; held for good: assign each unit once, "
                "in a new experiment"
            )
            yield Found(LackKind.UNITS, metric, now, why, metric=metric)


def _covariates(
    experiment: ExperimentRow, trial: ExperimentArms, tables: ExperimentTables, now: int
) -> Iterator[Found]:
    """Treatments whose units differ from control's in what was known of them beforehand, where no
    command has moved the units.
    """
    rows, pairs, used = tables.arms.records, tables.pairs, tables.arms.coefficient
    adjusted = {experiment.metrics[one.metric].name for one in experiment.adjustments}
    for metric in sorted(adjusted & trial.arms.keys()):
        for variant, row in sorted(trial.arms[metric].items()):
            if tables.arms.control[row] < 0 or used[row] == 0.0 or not tables.arms.randomized[row]:
                continue
            if log_apart(rows, pairs, row) < APART_LEVEL or _units_moved(experiment, tables):
                continue
            z = covariates_apart(rows, pairs, row)
            why = (
                f"the covariate of {metric!r} of {variant!r} is {abs(z):.1f} standard errors "
                f"{'above' if z > 0.0 else 'below'} control's: it was not known before the units "
                "were exposed, or chance did not assign them; held for good: mend either in a new "
                "experiment"
            )
            yield Found(
                LackKind.COVARIATE, f"{metric} of {variant}", now, why, variant, metric=metric
            )


def _interacting(experiment: ExperimentRow, tables: ExperimentTables, now: int) -> Iterator[Found]:
    """Experiments in whose arms its effects differ, or whose effects differ in its own."""
    for one in interactions_of(experiment, tables):
        yield Found(
            LackKind.INTERACTION, other_of(experiment, one), now, one.sentence(), metric=one.metric
        )


def _units_moved(experiment: ExperimentRow, tables: ExperimentTables) -> bool:
    """Whether a rollback or a deployment may have brought units from one arm into another, which is
    its purpose.
    """
    target = target_of(experiment.subject, experiment.environment)
    return bool(experiment.decided) or any(
        row.target == target
        and row.order in (Order.ROLLBACK, Order.DEPLOY)
        and (experiment.follows_rollout or row.issued_at >= experiment.begun_at)
        for row in tables.commands.rows_of(experiment.subject)
    )
