"""Holds an experiment whose split is broken, and lets it go once the split is as planned.

A split that is broken at first may be one of the start: an arm that was late, a log that lagged, a
ramp step that a deployer took later than planned. Units are counted anew from there on (Fabijan
et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019, leave out
such a start), a thousand of them, then twice as many with each time that they do not fit the plan:
a split that is broken for good is let go in few of a hundred cases, and found again.
"""

from dataclasses import replace

from agents.core.policies import EXPOSURE
from agents.experiments.plan.terms import shares_of
from agents.statistics.special import chi_square_limit
from schemas.records import ExperimentRow, SplitStart
from state.arms_table import ArmsTable
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

WINDOW = 1_000  # units of the first window
_CHANCE = 0.2  # of a sound split to be held for another window


def held_for_split(
    experiment: ExperimentRow, offset: int, tables: ExperimentTables
) -> ExperimentRow:
    """The row of an experiment that is held from an offset on, with the first window begun."""
    return replace(
        experiment,
        split_offset=offset,
        split_starts=_standing(experiment, tables),
        split_window=WINDOW,
    )


def after_window(experiment: ExperimentRow, tables: ExperimentTables) -> tuple[ExperimentRow, bool]:
    """(the row after a look at its present window, whether the split is as planned); the same row
    while the window is not full.
    """
    now = _standing(experiment, tables)
    before = {one.variant: one for one in experiment.split_starts}
    since = [_since(one, before.get(one.variant)) for one in now]
    if not since or min(one.units for one in since) < experiment.split_window:
        return experiment, False
    limit = chi_square_limit(1, _CHANCE / len(since))
    if all(one.excess**2 <= limit * one.variance for one in since):
        return replace(experiment, split_offset=-1, split_starts=(), split_window=0), True
    return replace(experiment, split_starts=now, split_window=2 * experiment.split_window), False


def _standing(experiment: ExperimentRow, tables: ExperimentTables) -> tuple[SplitStart, ...]:
    """Where each treatment stands that has exposures, all steps of the shares together."""
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        return ()
    index = tables.index[number]
    variants = index.arms.get(EXPOSURE, {}).keys() - {experiment.control}
    standing = (_of_treatment(experiment, one, index, tables.arms) for one in sorted(variants))
    return tuple(one for one in standing if one.variance > 0.0)


def _of_treatment(
    experiment: ExperimentRow, variant: str, index: ExperimentArms, arms: ArmsTable
) -> SplitStart:
    shares = shares_of(experiment, variant)
    units, excess, variance = 0, 0.0, 0.0
    for step, share in enumerate(shares):
        group = index.of(EXPOSURE, None, str(step) if len(shares) > 1 else None)
        own, other = (
            int(arms.count[group[arm]]) if arm in group else 0
            for arm in (variant, experiment.control)
        )
        if 0.0 < share < 1.0:
            units += own + other
            excess += own - (own + other) * share
            variance += (own + other) * share * (1.0 - share)
    return SplitStart(variant, units, excess, variance)


def _since(now: SplitStart, before: SplitStart | None) -> SplitStart:
    if before is None:
        return now
    return SplitStart(
        now.variant,
        now.units - before.units,
        now.excess - before.excess,
        now.variance - before.variance,
    )
