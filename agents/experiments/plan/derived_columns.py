"""What an experiment's frozen row says of its arms, as the hot table's columns take it."""

from functools import lru_cache

import numpy as np

from agents.core.policies import EXPOSURE
from agents.experiments.plan.terms import (
    NEVER,
    SPLIT_LEVEL,
    Method,
    compared,
    deployed,
    interacts,
    judged_before,
    learns,
    level_parts,
    levels,
    method_by_totals,
    method_of,
    moved,
    ramped,
    shares_of,
    tally_of,
    weighs_units,
)
from agents.statistics.multinomial import prior_masses
from schemas.records import (
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricSpec,
    Order,
    Pair,
)

OF_EXPERIMENT = ("alpha", "min_count", "stepped", "ends_at", "started_offset")
OF_METRIC = (
    "tally",
    "sign",
    "limit",
    "cap",
    "margin",
    "absolute_margin",
    "inflation",
    "weighs_units",
    "in_burn_in",
    "coefficient",
    "covariate_mean",
    "covariate_least",
    "covariate_most",
)
OF_ARM = (
    "method",
    "totals_method",
    "share",
    "harm_level",
    "gain_level",
    "ramped",
    "randomized",
    "prior_wide",
    "prior_narrow",
)


class Reading:
    """One experiment's row, read once for all of its arms."""

    def __init__(self, experiment: ExperimentRow) -> None:
        self.experiment = experiment
        # Of several with one name the first counts.
        self._specs = {spec.name: spec for spec in reversed(experiment.metrics)}
        self._frozen = {frozen.metric: frozen for frozen in reversed(experiment.frozen)}
        names = [spec.name for spec in experiment.metrics]
        self._adjustments = {names[one.metric]: one for one in experiment.adjustments}
        self._pairs = {(pair.variant, pair.metric) for pair in experiment.pairs}
        self._parts = level_parts(experiment)
        self._settled = {done.variant for done in experiment.decided if not done.open}
        self._deployed, self._moved = deployed(experiment), moved(experiment)
        # Since then control, which may have few units or none, sent at other times of day.
        self._served = {
            done.variant
            for done in experiment.decided
            if done.served and done.order == Order.DEPLOY
        }
        self._ramped = ramped(experiment)
        self._interacts = interacts(experiment)
        self._over = experiment.status in (ExperimentStatus.STOPPED, ExperimentStatus.ENDED)
        self._of_variant: dict[
            str, tuple[bool, list[float], bool]
        ] = {}  # is a treatment, its shares, one is stated

    def of_experiment(self) -> tuple[float, int, bool, int, int]:
        """OF_EXPERIMENT."""
        one = self.experiment
        return one.alpha, one.min_count, self._ramped, judged_before(one), one.started_offset

    def of_metric(
        self, metric: str
    ) -> tuple[int, int, float, float, float, float, float, bool, bool, float, float, float, float]:
        """OF_METRIC, before it is known whether the metric is made of snapshots."""
        spec, frozen = self._specs[metric], self._frozen.get(metric)
        limit = frozen.limit if frozen is not None and spec.limit is None else spec.limit
        cap = frozen.cap if frozen is not None and spec.cap is None else spec.cap
        return (
            tally_of(spec),
            1 if spec.direction == Direction.HIGHER_IS_BETTER else -1,
            limit if limit is not None else NEVER,
            cap if cap is not None else NEVER,
            spec.margin,
            spec.absolute_margin if spec.absolute_margin is not None else np.nan,
            frozen.inflation if frozen is not None else 1.0,
            weighs_units(spec),
            learns(self.experiment, spec),
            *self._line(metric),
        )

    def _line(self, metric: str) -> tuple[float, float, float, float]:
        """How the covariate of a metric is used; a coefficient of 0 where it is not."""
        one = self._adjustments.get(metric)
        if one is None:
            return 0.0, 0.0, 0.0, 0.0
        return one.coefficient, one.mean, one.least, one.most

    def of_arm(
        self, metric: str, variant: str, step: str | None
    ) -> tuple[Method, Method, float, float, float, bool, bool, float, float]:
        """OF_ARM; the levels are those of the arm as a whole, and parts of it have none.

        Where a command may have moved the traffic of a treatment no stated share holds, and it is
        compared without.
        """
        spec = self._specs[metric]
        terms = self._of_variant.get(variant)
        if terms is None:
            shares = shares_of(self.experiment, variant)
            stated = self.experiment.follows_rollout or any(0.0 < share < 1.0 for share in shares)
            terms = compared(self.experiment, variant), shares, stated
            self._of_variant[variant] = terms
        treatment, shares, stated = terms
        # The split is shown against its plan for good; it is held to it only as long as nothing
        # moves it.
        trusted = (
            self.experiment.follows_rollout or variant not in self._moved or metric == EXPOSURE
        )
        method, by_totals = Method.NONE, Method.NONE
        if treatment:
            method = by_totals = method_by_totals(spec, stated and trusted)
            if variant not in self._served:
                method = method_of(spec, stated, trusted, self._ramped)
        share = shares[int(step or 0)] if shares else 0.0
        if step is not None:
            counted = by_totals if 0.0 < share < 1.0 else Method.NONE
            return counted, counted, share, NEVER, NEVER, False, True, *_priors(share)
        levels_of_both = self._levels(metric, variant, spec, method)
        flags = self._ramped and trusted, variant not in self._moved
        return method, by_totals, share, *levels_of_both, *flags, *_priors(share)

    def _levels(
        self, metric: str, variant: str, spec: MetricSpec, method: Method
    ) -> tuple[float, float]:
        """Of harm and gain: what is deployed is watched for harm only, by what was not spent on the
        gain.
        """
        watched = variant in self._deployed
        broken = self.experiment.split_offset >= 0 and variant not in self._moved
        if self._over or (variant in self._settled and not watched):
            return NEVER, NEVER
        if (variant, metric) in self._pairs:
            harm, gain = levels(self.experiment, Pair(variant, metric), spec, self._parts)
            if broken or self._interacts:
                # A treatment that fails may well lose its exposures, and is to go all the same.
                return harm, NEVER
            return harm, NEVER if watched else gain
        tested = method == Method.SPLIT and variant not in self._moved and not broken
        return SPLIT_LEVEL if tested else NEVER, NEVER


@lru_cache(maxsize=1_024)  # few experiments state shares that no other has
def _priors(share: float) -> tuple[float, float]:
    return prior_masses(share)
