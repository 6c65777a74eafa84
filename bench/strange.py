"""Draws strange worlds in which nothing is better or worse: of the ways in which people send
results, each at random.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from bench.experiments import DOWN, UP, experiment
from schemas.records import ExperimentSpec, MetricKind, MetricSpec, Role
from streams.operations.simulated_tests import MINUTE, NOON, Records

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RECORDS = 20_000
DAY_MINUTES = 1_440
BURST_LOG = 0.3  # standard deviation of the logarithm of a burst's factor
RAMP = (0.05, 0.25, 0.5)  # the treatment's shares, each for a third of the time
KINDS = (MetricKind.RATE, MetricKind.MEAN, MetricKind.LATENCY)


@dataclass(frozen=True, slots=True)
class StrangeWorld:
    """How results of an experiment come about.

    kind: of its metric. rate: of a RATE. tail: the standard deviation of the logarithm of a value.
    share: of the treatment. ramp: whether its share grows; stated: whether a spec says so. season:
    by what share the level moves with the hour of the day. trend: the level at the end, to that at
    the beginning. lag: records by which the treatment's log is behind. summed: units to a record.
    hosts: that take turns; memory: correlation of a host's value with the one before. days: that it
    runs. burst: records of an arm for which a RATE is by a factor of its own, 0 where it is not.
    """

    kind: MetricKind
    rate: float
    tail: float
    share: float
    ramp: bool
    stated: bool
    season: float
    trend: float
    lag: int
    summed: int
    hosts: int
    memory: float
    days: float
    burst: int


TRAITS = tuple(StrangeWorld.__dataclass_fields__)


def drawn(rng: np.random.Generator) -> StrangeWorld:
    """One at random; what is rare in ordinary life is frequent here."""
    kind = KINDS[rng.integers(len(KINDS))]
    return StrangeWorld(
        kind=kind,
        rate=exp(rng.uniform(log(0.002), log(0.6))),
        tail=float(rng.uniform(0.2, 2.0)),
        share=float(rng.choice([0.01, 0.05, 0.2, 0.5, 0.5, 0.8])),
        ramp=bool(rng.random() < 0.3),
        stated=bool(rng.random() < 0.5),
        season=float(rng.choice([0.0, 0.0, 0.1, 0.3, 0.5])),
        trend=float(rng.choice([1.0, 1.0, 0.33, 3.0])),
        lag=int(rng.choice([0, 0, 0, 100, 1_000])),
        summed=int(rng.choice([1, 1, 1, 20])) if kind == MetricKind.RATE else 1,
        hosts=int(rng.choice([1, 5, 20])),
        memory=float(rng.choice([0.0, 0.0, 0.5, 0.9])) if kind != MetricKind.RATE else 0.0,
        days=float(rng.choice([0.2, 2.0, 10.0])),
        burst=int(rng.choice([0, 0, 0, 20, 100])) if kind == MetricKind.RATE else 0,
    )


def spec_of(world: StrangeWorld) -> ExperimentSpec:
    role = Role.GUARDRAIL if world.kind == MetricKind.LATENCY else Role.GOAL
    metric = MetricSpec("outcome", role, DOWN if role == Role.GUARDRAIL else UP, world.kind)
    if not world.stated:
        return experiment(metric)
    if not world.ramp:
        return experiment(metric, (world.share, None))
    starts = [None, *(_moment(world, third / 3.0) for third in (1, 2))]
    return experiment(metric, *zip(RAMP, starts, strict=True))


def _moment(world: StrangeWorld, part: float) -> int:
    return NOON + MINUTE * round(part * world.days * DAY_MINUTES)


def records_of(world: StrangeWorld, rng: np.random.Generator) -> Records:
    """One experiment's records, each array of the shape (n, 1)."""
    part = np.arange(RECORDS) / RECORDS
    minute = np.floor(part * world.days * DAY_MINUTES).astype(np.int64)
    share = np.full(RECORDS, world.share)
    if world.ramp:
        thirds = np.searchsorted(
            [_moment(world, 1 / 3), _moment(world, 2 / 3)], NOON + MINUTE * minute, "right"
        )
        share = np.array(RAMP)[thirds]
    treated = rng.random(RECORDS) < share
    level = world.trend**part * (1.0 + world.season * np.cos(2.0 * np.pi * minute / DAY_MINUTES))
    value, count = _values(world, rng, treated, level)
    order = np.argsort(np.arange(RECORDS) + np.where(treated, world.lag, 0), kind="stable")
    return Records(
        ("outcome",),
        treated[order, None],
        value[order, None],
        minute=minute[order, None],
        count=count[order, None],
    )


def _values(
    world: StrangeWorld, rng: np.random.Generator, treated: Flags, level: Floats
) -> tuple[Floats, Ints]:
    """(the sum of each record, its count), each of the shape (n,)."""
    if world.kind == MetricKind.RATE:
        count = (
            np.maximum(1, rng.poisson(world.summed, RECORDS))
            if world.summed > 1
            else np.ones(RECORDS, np.int64)
        )
        rate = world.rate * level / max(1.0, world.trend)
        rate = np.minimum(rate * _of_bursts(world, rng, treated), 0.95)
        return rng.binomial(count, rate).astype(np.float64), count
    logs = _of_hosts(world, rng, treated)
    return level * np.exp(world.tail * logs), np.ones(RECORDS, np.int64)


def _of_bursts(world: StrangeWorld, rng: np.random.Generator, treated: Flags) -> Floats:
    """By which factor the rate of each record is another: log-normal, of either arm by itself."""
    factors = np.ones(RECORDS)
    if world.burst == 0:
        return factors
    for arm in (False, True):
        of_arm = np.flatnonzero(treated == arm)
        logs = BURST_LOG * rng.standard_normal(len(of_arm) // world.burst + 1)
        factors[of_arm] = np.exp(np.repeat(logs, world.burst)[: len(of_arm)])
    return factors


def _of_hosts(world: StrangeWorld, rng: np.random.Generator, treated: Flags) -> Floats:
    """Values of variance 1; each arm has hosts of its own, which take turns."""
    logs = rng.standard_normal(RECORDS)
    keep = world.memory
    if keep == 0.0:
        return logs
    for arm in (False, True):
        of_arm = np.flatnonzero(treated == arm)
        for host in range(world.hosts):
            own = of_arm[host :: world.hosts]
            for before, at in pairwise(own.tolist()):
                logs[at] = keep * logs[before] + (1.0 - keep * keep) ** 0.5 * logs[at]
    return logs
