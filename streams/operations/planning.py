"""Forecasts how many units an experiment will need: simulated tests go through the judge itself, so
that no formula of its levels and looks is repeated here.

Of a small effect or a rare event that takes millions of units, which would have to be folded a
hundred times. The judge needs about as many times the units of a test with a fixed horizon whatever
the effect is, so a larger effect, or a less rare event, is simulated in its place, and the forecast
is that multiple of the fixed size of what was asked (`Simulated.instead`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from schemas.records import (
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)
from streams.operations.fixed_size import fixed_size, smallest_difference
from streams.operations.simulated_tests import NEVER, Records, judged
from streams.runtime.errors import MendstreamError

Floats = NDArray[np.float64]

TESTS = 200  # simulated; the standard error of their median is then some 5 %
_TOGETHER = 20  # of them folded at a time
# Units of a test with a fixed horizon, at most, of what is simulated.
_FIXED_MOST = 12_000.0
# Times the fixed size after which a simulated test ends without a verdict.
_LONGEST = 5.0
_RAREST = 0.05  # rate of what is simulated in place of a rarer event
_STEPS = 30  # by which the smallest effect is closed in


@dataclass(frozen=True, slots=True)
class Planned:
    """What is planned to be compared. base: of control, a unit, of a RATE as a share; spread: the
    standard deviation of a unit's value, of a MEAN or COUNT (absent of a COUNT: Poisson's); lift:
    by which part of the base the treatment's is another; share: of the treatment, of both arms'
    units; stated: whether a spec says so; correlation: of a MEAN with a covariate that is sent;
    pairs: of metrics and treatments that share alpha.
    """

    kind: MetricKind
    base: float
    lift: float
    spread: float | None = None
    share: float = 0.5
    stated: bool = True
    direction: Direction = Direction.HIGHER_IS_BETTER
    alpha: float = 0.05
    min_count: int = 100
    correlation: float = 0.0
    pairs: int = 1

    @property
    def is_gain(self) -> bool:
        """Whether the treatment is better, so that a deployment is what is waited for."""
        return (self.lift * self.base > 0.0) == (self.direction == Direction.HIGHER_IS_BETTER)

    def variances(self) -> tuple[float, float]:
        """Of one unit of control and of the treatment."""
        treated = self.base * (1.0 + self.lift)
        if self.kind == MetricKind.RATE:
            return self.base * (1.0 - self.base), treated * (1.0 - treated)
        if self.kind == MetricKind.COUNT and self.spread is None:
            return self.base, treated
        spread = self.spread or 0.0
        return spread**2, spread**2

    def fixed(self) -> float:
        """Units of both arms of a one-sided test with a fixed horizon."""
        alpha = self.alpha / self.pairs
        return fixed_size(self.variances(), self.base * self.lift, self.share, alpha)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Units of both arms with which half of the simulated tests and four in five have their
    verdict, by the fixed size of what was simulated; inf where fewer have one. instead: what was
    simulated in place of what was planned, absent: that itself.
    """

    half: float
    most: float
    tests: int
    instead: Planned | None


def checked(plan: Planned) -> Planned:
    """Raises MendstreamError where such a metric cannot be."""
    treated = plan.base * (1.0 + plan.lift)
    if plan.lift == 0.0 or plan.base == 0.0:
        raise _impossible("an effect of nothing is never proved", "Name another --effect or --base")
    if plan.kind == MetricKind.RATE and not (0.0 < plan.base < 1.0 and 0.0 < treated < 1.0):
        raise _impossible(
            f"rates of {plan.base:g} and {treated:g} are no shares of units",
            "Give --base as a share, 0.1 for 10 %, and an --effect that keeps it below 1",
        )
    if plan.kind == MetricKind.COUNT and min(plan.base, treated) < 0.0:
        raise _impossible("counts below 0 are none", "Give a positive --base")
    if plan.kind == MetricKind.MEAN and not (plan.spread or 0.0) > 0.0:
        raise _impossible(
            "how much the values of a MEAN vary from unit to unit is not known",
            "Give --spread, their standard deviation, or --like SUBJECT/EXPERIMENT",
        )
    if not 0.0 < plan.share < 1.0:
        raise _impossible(f"a share of {plan.share:g} is none", "Give one between 0 and 1")
    return plan


def simulated(
    plan: Planned, tests: int, seed: int, told: Callable[[int, int], None] | None = None
) -> Simulated:
    """Runs simulated tests; told: how many of how many are done."""
    world = _in_reach(plan)
    rng = np.random.default_rng(seed)
    found = list[Floats]()
    for done in range(0, tests, _TOGETHER):
        found.append(_units_to_verdict(world, rng, min(_TOGETHER, tests - done)))
        if told is not None:
            told(min(tests, done + _TOGETHER), tests)
    units = np.concatenate(found) / world.fixed()
    half, most = (float(np.quantile(units, part, method="higher")) for part in (0.5, 0.8))
    return Simulated(half, most, tests, None if world is plan else world)


def smallest_lift(plan: Planned, found: Simulated, units: float) -> float:
    """The smallest lift of this sign that four tests in five prove with so many units of both
    arms; inf where none does.
    """
    fixed = units / found.most
    if not fixed > 0.0:
        return float("inf")
    alpha, sign = plan.alpha / plan.pairs, 1.0 if plan.lift > 0.0 else -1.0
    lift = abs(plan.lift)
    for _ in range(_STEPS):  # the variance of a share moves with it
        variances = replace(plan, lift=sign * lift).variances()
        if min(variances) <= 0.0:
            return float("inf")
        lift = smallest_difference(variances, fixed, plan.share, alpha) / abs(plan.base)
    return sign * lift


def _impossible(what: str, remedy: str) -> MendstreamError:
    return MendstreamError(f"{what[0].upper()}{what[1:]}.", f"{remedy}.")


def _in_reach(plan: Planned) -> Planned:
    """What is simulated in its place: itself where a test takes few enough units."""
    if plan.fixed() <= _FIXED_MOST:
        return plan
    world = plan
    if plan.kind == MetricKind.RATE and plan.base < _RAREST:
        world = replace(plan, base=min(_RAREST, plan.base * plan.fixed() / _FIXED_MOST))
    if world.kind == MetricKind.COUNT and world.spread is None and world.base < 1.0:
        world = replace(world, base=min(1.0, world.base * world.fixed() / _FIXED_MOST))
    times = sqrt(max(1.0, world.fixed() / _FIXED_MOST))
    most = 0.5 if world.kind == MetricKind.RATE else float("inf")
    lift = min(abs(world.lift) * times, max(most, abs(world.lift)))
    return replace(world, lift=lift if world.lift > 0.0 else -lift)


def _units_to_verdict(plan: Planned, rng: np.random.Generator, tests: int) -> Floats:
    """Shape (tests,); inf where there was no verdict in time."""
    length = int(_LONGEST * plan.fixed()) + 2 * plan.min_count
    treated = rng.random((length, tests)) < plan.share
    value, covariate = _values(plan, rng, treated)
    records = Records(("planned",), treated, value, covariate=covariate)
    found = judged(_spec(plan), records)
    records_of = found.deploy if plan.is_gain else found.rollback
    return np.where(records_of < NEVER, records_of.astype(np.float64), np.inf)


def _values(
    plan: Planned, rng: np.random.Generator, treated: NDArray[np.bool_]
) -> tuple[Floats, Floats | None]:
    level = np.where(treated, plan.base * (1.0 + plan.lift), plan.base)
    if plan.kind == MetricKind.RATE:
        return (rng.random(treated.shape) < level).astype(np.float64), None
    if plan.kind == MetricKind.COUNT:
        return _counts(plan, rng, level), None
    covariate = rng.standard_normal(treated.shape)
    rest = sqrt(1.0 - plan.correlation**2) * rng.standard_normal(treated.shape)
    value = level + (plan.spread or 0.0) * (plan.correlation * covariate + rest)
    return value, covariate if plan.correlation != 0.0 else None


def _counts(plan: Planned, rng: np.random.Generator, level: Floats) -> Floats:
    """Poisson, or a negative binomial where more varies than that."""
    more = (plan.spread or 0.0) ** 2 - plan.base
    if more <= 0.0:
        return rng.poisson(level).astype(np.float64)
    size = plan.base**2 / more
    return rng.poisson(rng.gamma(size, level / size)).astype(np.float64)


def _spec(plan: Planned) -> ExperimentSpec:
    shares = Share("control", 1.0 - plan.share), Share("treatment", plan.share)
    role = Role.GOAL if plan.is_gain else Role.GUARDRAIL
    return ExperimentSpec(
        event_id="planned",
        experiment_id="planned",
        subject="planned",
        control="control",
        treatments=("treatment",),
        share_steps=(ShareStep(shares=shares),) if plan.stated else (),
        metrics=(MetricSpec("planned", role, plan.direction, plan.kind),),
        alpha=plan.alpha / plan.pairs,
        min_count=plan.min_count,
    )
