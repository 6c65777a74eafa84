"""Cases of guardrails that are worse by just what their margin allows, or by nothing."""

from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bench.case import Bar, Case, deployed, least, records_to_deploy, worst
from bench.experiments import CONVERSION, ERROR, experiment
from schemas.records import MetricKind, MetricSpec
from streams.operations.simulated_tests import MINUTE, NOON, FoundAfter, Records, judged

SHARES = (0.05, 0.25, 0.50)
GOAL = (0.2, 0.4)  # of control and treatment: proved within some hundred units
RUNS = 400


@dataclass(frozen=True, slots=True)
class Guarded:
    """A world with a goal that is truly better, and a guardrail.

    base: control's rate of errors, which goes evenly to `ends` times that. relative, absolute: the
    margin. worse: which part of the margin the treatment is worse by, as the larger of both. units:
    of both arms. ramp: whether the treatment's share grows, else it is a half; stated: whether a
    spec says so. kind: of the guardrail.
    """

    base: float
    relative: float
    absolute: float | None
    ends: float = 1.0
    worse: float = 1.0
    units: int = 10_000
    ramp: bool = False
    stated: bool = False
    kind: MetricKind = MetricKind.RATE

    def guardrail(self) -> MetricSpec:
        return replace(ERROR, kind=self.kind, margin=self.relative, absolute_margin=self.absolute)

    def allowed(self, control: NDArray[np.float64]) -> NDArray[np.float64]:
        """The treatment's rate of errors, of control's."""
        more = np.maximum(self.relative * control, self.absolute or 0.0)
        return control + self.worse * more


def guarded(rng: np.random.Generator, experiments: int, world: Guarded) -> FoundAfter:
    """Each unit sends whether it converted, and then whether it failed; a unit a minute."""
    shape = world.units, experiments
    part = np.arange(world.units) / world.units
    step = np.arange(world.units) * len(SHARES) // world.units
    share = np.array(SHARES)[step] if world.ramp else np.full(world.units, 0.5)
    treated = rng.random(shape) < share[:, None]
    control = world.base * (1.0 + (world.ends - 1.0) * part)[:, None]
    value = np.empty((2 * world.units, experiments))
    value[0::2] = rng.random(shape) < np.where(treated, GOAL[1], GOAL[0])
    value[1::2] = rng.random(shape) < np.where(treated, world.allowed(control), control)
    number = np.broadcast_to(np.arange(2 * world.units)[:, None], value.shape)
    records = Records(
        (CONVERSION.name, ERROR.name),
        np.repeat(treated, 2, axis=0),
        value,
        metric=number % 2,
        minute=number // 2,
        unit=number // 2,
    )
    steps: list[tuple[float, int | None]] = []
    if world.stated and world.ramp:
        starts = [int(np.argmax(step == at)) for at in range(len(SHARES))]
        steps = [(SHARES[at], NOON + MINUTE * starts[at]) for at in range(len(SHARES))]
    elif world.stated:
        steps = [(0.5, None)]
    spec = replace(experiment(CONVERSION, *steps), metrics=(CONVERSION, world.guardrail()))
    return judged(spec, records)


def _beyond_chance(found: FoundAfter) -> float:
    """The share deployed, less two standard errors of the promised rate."""
    return deployed(found) - 2.0 * sqrt(0.05 * 0.95 / len(found.deploy))


BASES = ((1e-4, 30_000), (0.01, 10_000), (0.1, 10_000), (0.5, 10_000))
# By base: the relative margin, the absolute one.
MARGINS = {1e-4: (1.0, 5e-4), 0.01: (0.5, 0.005), 0.1: (0.2, 0.02), 0.5: (0.1, 0.05)}


def _worlds(absolute: bool, ramp: bool, stated: bool) -> tuple[Guarded, ...]:
    """At each base; in a ramp it falls to a third. Not where nobody has failed yet and no absolute
    margin is stated: one in a hundred is allowed then, whatever the base may be.
    """
    worlds = []
    for base, units in BASES if absolute else BASES[1:]:
        relative, most = MARGINS[base]
        world = Guarded(base, 0.0, most) if absolute else Guarded(base, relative, None)
        ends = 1.0 / 3.0 if ramp else 1.0
        worlds.append(replace(world, ends=ends, units=units, ramp=ramp, stated=stated))
    return tuple(worlds)


def _case(name: str, worlds: tuple[Guarded, ...]) -> Case:
    return Case(
        name,
        tuple(partial(guarded, world=world) for world in worlds),
        (Bar("deployed beyond chance", 0.05, worst(_beyond_chance)),),
        RUNS,
    )


CASES = (
    *(
        _case(
            f"guardrail worse by its {'absolute' if absolute else 'relative'} margin, {told}",
            _worlds(absolute, ramp, stated),
        )
        for absolute in (False, True)
        for told, ramp, stated in (
            ("50/50", False, False),
            ("ramp by hand", True, False),
            ("ramp", True, True),
        )
    ),
    _case(
        "guardrail worse by its margin, relative and absolute alike",
        tuple(
            Guarded(0.01, 0.5, 0.005, ramp=ramp, stated=stated)
            for ramp, stated in ((False, False), (True, False), (True, True))
        ),
    ),
    _case(
        "guardrail worse by its margin, counted events",
        tuple(
            replace(world, stated=True, kind=MetricKind.COUNT)
            for world in (
                Guarded(0.02, 1.0, None),
                Guarded(0.05, 0.5, None),
                Guarded(0.02, 0.0, 0.01),
            )
        ),
    ),
    _case(
        "guardrail worse by its margin in a ramp, base falls to a tenth",
        tuple(
            replace(world, ends=0.1, ramp=True, stated=stated)
            for world in (Guarded(0.2, 0.3, None), Guarded(0.2, 0.0, 0.02))
            for stated in (False, True)
        ),
    ),
    # A judge that never finds a guardrail sound would pass all of the above.
    Case(
        "sound guardrail of 0.01 %, absolute margin of 0.1 %",
        (
            partial(guarded, world=Guarded(1e-4, 0.1, 1e-3, worse=0.0, units=20_000)),
            partial(guarded, world=Guarded(1e-4, 0.1, 1e-3, worse=0.0, units=40_000, ramp=True)),
        ),
        (Bar("deployed", 0.9, least(deployed), at_least=True),),
        100,
    ),
    Case(
        "sound guardrail of 1 % in a ramp, absolute margin of one point",
        (
            partial(
                guarded,
                world=Guarded(0.01, 0.1, 0.01, worse=0.0, units=20_000, ramp=True, stated=True),
            ),
        ),
        (Bar("deployed by 20 000 units", 0.9, least(deployed), at_least=True),),
        100,
    ),
    Case(
        "sound guardrail of 1 %, absolute margin of half a point",
        (partial(guarded, world=Guarded(0.01, 0.1, 0.005, worse=0.0, units=20_000)),),
        (Bar("median records to the deployment", 20_000, worst(records_to_deploy)),),
        100,
    ),
)
