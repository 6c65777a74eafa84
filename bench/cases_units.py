"""Cases of units that come again: users with several orders, clients of many requests, pods."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.case import Bar, Case, falsely_decided, rolled_back, worst
from bench.experiments import DOWN, UP, experiment
from schemas.records import MetricKind, MetricSpec, Role
from streams.operations.simulated_tests import FoundAfter, Records, judged

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SPEND = MetricSpec("spend", Role.GOAL, UP, MetricKind.MEAN)
LOAD = MetricSpec("load", Role.GUARDRAIL, DOWN, MetricKind.MEAN)
CLICKS = MetricSpec("clicks", Role.GOAL, UP, MetricKind.COUNT)
LATENCY = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY)
P90 = float(np.exp(1.2815515655446004))  # of a log-normal of sigma 1
LATENCY_AT_P90 = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY, limit=P90)
ZIPF = 0.7  # the n-th unit sends in proportion to n^-0.7


def users(
    rng: np.random.Generator,
    experiments: int,
    metric: MetricSpec,
    number: int,
    stated: bool,
    icc: float = 0.5,
    share: float = 0.5,
    heavy: bool = False,
    shift: float = 0.0,
    events: int = 20_000,
) -> FoundAfter:
    """So many users, each in one arm, send records in a random order; a share `icc` of the variance
    of a record is that of its user. Heavy: some send far more than others.

    A MEAN is 10 and normal with standard deviation 5, a LATENCY log-normal of sigma 1, a COUNT
    Poisson around a log-normal rate. shift: what the treatment has more, in standard deviations of
    a record, of the logarithm of a LATENCY or of a rate.
    """
    chance = np.arange(1, number + 1, dtype=np.float64) ** -ZIPF if heavy else np.ones(number)
    unit = rng.choice(number, (events, experiments), p=chance / chance.sum())
    treated = rng.random((number, experiments)) < share
    own = np.take_along_axis(rng.standard_normal((number, experiments)), unit, axis=0)
    each = np.sqrt(icc) * own + np.sqrt(1.0 - icc) * rng.standard_normal(unit.shape)
    arm = np.take_along_axis(treated, unit, axis=0)
    each += np.where(arm, shift, 0.0)
    value = _values(rng, metric.kind, each, own, icc, np.where(arm, shift, 0.0))
    spec = experiment(metric, (share, None)) if stated else experiment(metric)
    return judged(spec, Records((metric.name,), arm, value, unit=unit))


def _values(
    rng: np.random.Generator, kind: MetricKind, each: Floats, own: Floats, icc: float, shift: Floats
) -> Floats:
    if kind == MetricKind.LATENCY:
        return np.asarray(np.exp(each))
    if kind == MetricKind.COUNT:
        return rng.poisson(0.5 * np.exp(icc * own + shift)).astype(np.float64)
    return np.asarray(10.0 + 5.0 * each)


def pods(
    rng: np.random.Generator, experiments: int, metric: MetricSpec, events: int = 20_000
) -> FoundAfter:
    """Two of ten pods have the treatment; the mean of a pod varies by a tenth of what its records
    do.
    """
    unit = rng.integers(0, 10, (events, experiments))
    own = np.take_along_axis(rng.standard_normal((10, experiments)), unit, axis=0)
    each = 0.1 * own + rng.standard_normal(unit.shape)
    value = np.exp(each) if metric.kind == MetricKind.LATENCY else 10.0 + 5.0 * each
    return judged(experiment(metric), Records((metric.name,), unit < 2, value, unit=unit))


def one_client(
    rng: np.random.Generator, experiments: int, stated: bool, events: int = 20_000
) -> FoundAfter:
    """Each request is of another client, but 200 in a row of one client, whose network is slow."""
    unit = np.tile(np.arange(events)[:, None], (1, experiments))
    treated = rng.random(unit.shape) < 0.5
    value = np.exp(rng.standard_normal(unit.shape))
    slow = slice(10_000, 10_200)
    unit[slow] = events
    treated[slow], value[slow] = True, 50.0
    spec = experiment(LATENCY, (0.5, None)) if stated else experiment(LATENCY)
    return judged(spec, Records((LATENCY.name,), treated, value, unit=unit))


def _both(world: Callable[..., FoundAfter], **given: Any) -> tuple[partial[FoundAfter], ...]:
    """With a stated share, and without."""
    return tuple(partial(world, stated=stated, **given) for stated in (True, False))


FALSE = Bar("rollback or deployment", 0.05, worst(falsely_decided))
FOUND = Bar("rolled back", 0.95, worst(rolled_back), at_least=True)

CASES = (
    Case(
        "2 000 users, 10 orders each, A/A", _both(users, metric=SPEND, number=2_000), (FALSE,), 400
    ),
    Case(
        "1 000 users of whom some send far more, mean, A/A",
        _both(users, metric=SPEND, number=1_000, heavy=True, icc=0.2),
        (FALSE,),
        400,
    ),
    Case(
        "1 000 users of whom some send far more, latency, A/A",
        (
            *_both(users, metric=LATENCY, number=1_000, heavy=True),
            *_both(users, metric=LATENCY_AT_P90, number=1_000, heavy=True),
            *_both(users, metric=LATENCY_AT_P90, number=200, heavy=True),
        ),
        (FALSE,),
        400,
    ),
    Case(
        "2 000 users, 10 counts each, A/A",
        _both(users, metric=CLICKS, number=2_000),
        (FALSE,),
        400,
    ),
    Case(
        "2 of 10 pods, A/A",
        (partial(pods, metric=LOAD), partial(pods, metric=LATENCY_AT_P90)),
        (FALSE,),
        400,
    ),
    Case("one client with 200 slow requests", _both(one_client), (FALSE,), 200),
    Case(
        "2 000 users, 10 requests each, half a standard deviation slower",
        (
            *_both(users, metric=LATENCY, number=2_000, icc=0.2, shift=0.5),
            *_both(users, metric=LOAD, number=2_000, icc=0.2, shift=0.5),
        ),
        (FOUND,),
        200,
    ),
)
