"""Cases of means with a covariate: what was known of a unit before it was exposed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from agents.experiments.oversight.missing_data import LackKind, lacks_of
from bench.case import Bar, Case, Measure, falsely_decided, worst
from bench.experiments import UP, experiment
from schemas.records import MetricKind, MetricSpec, Role
from state.partition.partition_state import PartitionState
from streams.operations.simulated_tests import NEVER, FoundAfter, Looks, Records, judged

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SPEND = MetricSpec("spend", Role.GOAL, UP, MetricKind.MEAN)
CAPPED = MetricSpec("spend", Role.GOAL, UP, MetricKind.MEAN, cap=1e6)
CAPPED_TAIL = MetricSpec("spend", Role.GOAL, UP, MetricKind.MEAN, cap=105.0)  # its 99th percentile
MEAN, SPREAD = 10.0, 5.0  # of a value; the coefficient of variation is one half
SIGMA = 2.0  # of the log-normals
POWER, LEVEL = 0.8, 0.05


def pairs(
    rng: np.random.Generator, experiments: int, rho: float, events: int
) -> tuple[Floats, Floats]:
    """(covariates, values) before any effect, standard normal, of correlation rho, shape (events,
    experiments).
    """
    covariate = rng.standard_normal((events, experiments))
    noise = rng.standard_normal(covariate.shape)
    return covariate, rho * covariate + np.sqrt(1.0 - rho * rho) * noise


def known_before(
    rng: np.random.Generator,
    experiments: int,
    rho: float,
    stated: bool,
    metric: MetricSpec = CAPPED,
    share: float = 0.5,
    lift: float = 0.0,
    missing: float = 0.0,
    drift: float = 0.0,
    again: bool = False,
    events: int = 20_000,
) -> FoundAfter:
    """Values of mean 10 and standard deviation 5, the treatment's larger by `lift` of the mean,
    with a covariate of correlation rho.

    missing: the part of the units whose covariate is not known; drift: by how many of its standard
    deviations the covariate, and not the value, grows from the first record to the last; again:
    2 000 units come in a random order, each with its covariate, a half of what remains of the
    variance is the unit's.
    """
    unit = None
    covariate, value = pairs(rng, experiments, rho, 2_000 if again else events)
    treated = rng.random(covariate.shape) < share
    if again:
        unit = rng.integers(0, len(covariate), (events, experiments))
        covariate, value = (np.take_along_axis(of, unit, axis=0) for of in (covariate, value))
        treated = np.take_along_axis(treated, unit, axis=0)
        value = np.sqrt(0.5) * (value + rng.standard_normal(value.shape))
    covariate += drift * np.arange(events)[:, None] / events
    value = MEAN + SPREAD * value + np.where(treated, lift * MEAN, 0.0)
    covariate[rng.random(covariate.shape) < missing] = nan
    return _judged(metric, share if stated else None, treated, value, covariate, unit)


def heavy_tails(
    rng: np.random.Generator, experiments: int, rho: float, metric: MetricSpec, share: float = 0.5
) -> FoundAfter:
    """Values and covariates are log-normal of sigma 2, their logarithms of correlation rho."""
    covariate, value = pairs(rng, experiments, rho, 40_000)
    treated = rng.random(covariate.shape) < share
    return _judged(metric, share, treated, np.exp(SIGMA * value), np.exp(SIGMA * covariate), None)


def by_hand(
    rng: np.random.Generator, experiments: int, rho: float, drift: float, events: int = 20_000
) -> FoundAfter:
    """A ramp to 5, 25 and 50 % that nobody stated, while covariate and value go up with the time
    of day.
    """
    covariate, value = pairs(rng, experiments, rho, events)
    share = np.array([0.05, 0.25, 0.5])[np.arange(events) * 3 // events][:, None]
    treated = rng.random(covariate.shape) < share
    wave = drift * np.sin(2.0 * np.pi * np.arange(events) / events)[:, None]
    return _judged(CAPPED, None, treated, MEAN + SPREAD * (value + wave), covariate + wave, None)


@dataclass(frozen=True, slots=True)
class Broken:
    """What was decided of experiments whose units were not assigned by chance, and of how many the
    split was told to be broken, shape (experiments,).
    """

    found: FoundAfter
    told: Flags


LOOKS = tuple(range(1_000, 20_001, 1_000))


def broken_split(
    rng: np.random.Generator, experiments: int, rho: float, apart: float, after: bool = False
) -> Broken:
    """The treatment's units had covariates that are higher by so many standard deviations, and
    values by rho times that. after: the covariate is measured after the exposure, which moves it
    and not the value.
    """
    covariate, value = pairs(rng, experiments, rho, LOOKS[-1])
    treated = rng.random(covariate.shape) < 0.5
    covariate += np.where(treated, apart, 0.0)
    if not after:
        value += np.where(treated, rho * apart, 0.0)
    told = np.zeros(experiments, np.bool_)

    def look(tables: PartitionState, _: int) -> None:
        for row in tables.experiments.experiments.rows():
            lacks = lacks_of(row, tables.experiments, 0, 1)
            if any(one.kind == LackKind.COVARIATE for one in lacks):
                told[int(row.subject.removeprefix("simulated-"))] = True

    looks = Looks(LOOKS, look, lambda _number, _decision: None)
    value = MEAN + SPREAD * value
    return Broken(_judged(CAPPED, 0.5, treated, value, covariate, None, looks), told)


def _judged(
    metric: MetricSpec,
    share: float | None,
    treated: Flags,
    value: Floats,
    covariate: Floats,
    unit: NDArray[np.int64] | None,
    looks: Looks | None = None,
) -> FoundAfter:
    spec = experiment(metric, (share, None)) if share is not None else experiment(metric)
    sent = Records((metric.name,), treated, value, unit=unit, covariate=covariate)
    return judged(spec, sent, looks)


def fixed_size(lift: float) -> float:
    """Units of both arms that a one-sided test of fixed size needs without the covariate, for a
    power of 80 % at 5 %.
    """
    z = float(norm.ppf(1.0 - LEVEL) + norm.ppf(POWER))
    return 4.0 * (z * SPREAD / (lift * MEAN)) ** 2


def _n80(lift: float) -> Measure:
    """The largest of the worlds: units by which four of five are found, over the fixed size."""
    return lambda worlds: max(
        float(np.quantile(_ends(batches), POWER, method="higher")) / fixed_size(lift)
        for batches in worlds
    )


def _n80_error(lift: float) -> Measure:
    """Its standard error, by half the distance of the order statistics one standard error of their
    number away.
    """

    def error(worlds: Sequence[Sequence[Any]]) -> float:
        errors = []
        for batches in worlds:
            ends = np.sort(_ends(batches))
            width = np.sqrt(POWER * (1.0 - POWER) * len(ends))
            at = np.array([POWER * len(ends) - width, POWER * len(ends) + width]).astype(int)
            low, high = ends[np.clip(at, 0, len(ends) - 1)]
            errors.append(0.5 * (high - low) / fixed_size(lift))
        return float(max(errors))

    return error


def _ends(batches: Sequence[FoundAfter]) -> Floats:
    found = FoundAfter.joined(list(batches))
    return np.minimum(found.rollback, found.deploy).astype(np.float64)


def _of_broken(measure: Callable[[Broken], Floats]) -> Callable[[bool], Measure]:
    """The worst of the worlds' means, the highest or the lowest."""

    def worst_of(highest: bool) -> Measure:
        pick = max if highest else min
        return lambda worlds: pick(
            float(np.concatenate([measure(batch) for batch in batches]).mean())
            for batches in worlds
        )

    return worst_of


def _false(broken: Broken) -> Floats:
    ends = np.minimum(broken.found.rollback, broken.found.deploy)
    return (ends < NEVER).astype(np.float64)


def _told(broken: Broken) -> Floats:
    return broken.told.astype(np.float64)


def _share_error(worlds: Sequence[Sequence[FoundAfter]]) -> float:
    """The standard error of a share of 5 %, of as many experiments as each world has."""
    return max(float(np.sqrt(LEVEL * (1.0 - LEVEL) / len(_ends(batches)))) for batches in worlds)


RUNS = 400
# The promise and two standard errors of it.
AT_MOST = LEVEL + 2.0 * float(np.sqrt(LEVEL * (1.0 - LEVEL) / RUNS))
FALSE = Bar("rollback or deployment", AT_MOST, worst(falsely_decided))
ERROR = Bar("standard error of 5 %", 0.011, _share_error)
_BOTH = (True, False)

CASES = (
    Case(
        "covariates of correlation 0, 0.3, 0.7 and 0.95, A/A",
        tuple(
            partial(known_before, rho=rho, stated=stated, metric=metric)
            for rho in (0.0, 0.3, 0.7, 0.95)
            for stated, metric in ((True, CAPPED), (False, CAPPED), (True, SPEND))
        ),
        (FALSE, ERROR),
        RUNS,
        50,
    ),
    Case(
        "covariates and values with heavy tails, A/A",
        tuple(
            partial(heavy_tails, rho=rho, metric=metric, share=share)
            for rho in (0.0, 0.7, 0.95)
            for metric, share in ((SPEND, 0.5), (CAPPED_TAIL, 0.5), (CAPPED_TAIL, 0.05))
        ),
        (FALSE, ERROR),
        RUNS,
        50,
    ),
    Case(
        "covariates that drift, are missing of half of the units, of units that come again, A/A",
        tuple(
            partial(world, stated=stated)
            for stated in _BOTH
            for world in (
                partial(known_before, rho=0.7, drift=3.0),
                partial(known_before, rho=0.95, drift=3.0),
                partial(known_before, rho=0.7, missing=0.5),
                partial(known_before, rho=0.7, again=True),
                partial(known_before, rho=0.7, share=0.05),
            )
        ),
        (FALSE, ERROR),
        RUNS,
        50,
    ),
    Case(
        "covariates in a ramp by hand with a daily season, A/A",
        tuple(
            partial(by_hand, rho=rho, drift=drift) for rho in (0.3, 0.95) for drift in (0.5, 2.0)
        ),
        (FALSE, ERROR),
        RUNS,
        50,
    ),
    Case(
        "covariates that differ between the arms, because the split is broken",
        tuple(
            partial(broken_split, rho=rho, apart=apart)
            for rho in (0.3, 0.7, 0.95)
            for apart in (0.1, 0.3)
        ),
        (
            Bar("rollback or deployment", AT_MOST, _of_broken(_false)(True)),
            Bar("told that it is broken", 0.95, _of_broken(_told)(False), at_least=True),
        ),
        RUNS,
        50,
    ),
    Case(
        "covariates that the treatment moves, because they are measured after the exposure",
        tuple(
            partial(broken_split, rho=rho, apart=apart, after=True)
            for rho in (0.3, 0.7)
            for apart in (0.2, 0.3)
        ),
        (
            Bar("rollback or deployment", AT_MOST, _of_broken(_false)(True)),
            Bar("told that it is broken", 0.95, _of_broken(_told)(False), at_least=True),
        ),
        RUNS,
        50,
    ),
    *(
        Case(
            f"covariates of correlation 0.7, {lift:+.0%}",
            tuple(
                partial(known_before, rho=0.7, stated=stated, metric=CAPPED, lift=lift)
                for stated in _BOTH
            ),
            (
                Bar("units by which 80 % are found, over the fixed size", 1.1, _n80(abs(lift))),
                Bar("its standard error", 0.1, _n80_error(abs(lift))),
            ),
            RUNS,
            50,
        )
        for lift in (-0.05, -0.03)
    ),
)
