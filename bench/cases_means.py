"""Cases of means: heavy tails, small canaries, and gauges that remember."""

from functools import partial

import numpy as np
from scipy.signal import lfilter

from bench.case import Bar, Case, deployed, falsely_decided, rolled_back, worst
from bench.experiments import DOWN, UP, experiment
from schemas.records import MetricKind, MetricSpec, Role
from streams.operations.simulated_tests import FoundAfter, Records, judged

SIGMA = 2.0
P99 = float(np.exp(SIGMA * 2.3263478740408408))  # of a log-normal
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN)
CAPPED = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=P99)
LATENCY = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.MEAN)
SLOW = MetricSpec("wait", Role.GUARDRAIL, DOWN, MetricKind.LATENCY)
GAUGE = MetricSpec("load", Role.GUARDRAIL, DOWN, MetricKind.MEAN)


def revenue(
    rng: np.random.Generator,
    experiments: int,
    metric: MetricSpec,
    share: float,
    factor: float,
    events: int,
) -> FoundAfter:
    """Each unit falls to the treatment with chance `share`, as planned, and sends one log-normal
    value of sigma 2.

    The treatment's values are multiplied by `factor`. A stated cap is control's true 99th
    percentile.
    """
    treated = rng.random((events, experiments)) < share
    value = np.exp(SIGMA * rng.standard_normal(treated.shape)) * np.where(treated, factor, 1.0)
    return judged(experiment(metric, (share, None)), Records((metric.name,), treated, value))


def gauges(
    rng: np.random.Generator, experiments: int, phi: float, shift: float, minutes: int = 20_000
) -> FoundAfter:
    """A minute is one value of control and then one of the treatment, without the name of a unit.

    Each arm is a process x' = phi x + noise of its own, normal, stationary, mean 100, standard
    deviation 10; the treatment's is higher by `shift` standard deviations. Two weeks are long
    enough for a judge that waits for the worth of a hundred independent values, 3 900 minutes at
    0.95 and more where that is not known exactly.
    """
    noise = rng.standard_normal((2, minutes, experiments)) * np.sqrt(1.0 - phi * phi)
    noise[:, 0] /= np.sqrt(1.0 - phi * phi)
    value = np.empty((2 * minutes, experiments))
    value[0::2], value[1::2] = 100.0 + 10.0 * lfilter([1.0], [1.0, -phi], noise, axis=1)
    value[1::2] += 10.0 * shift
    treated = np.broadcast_to(np.arange(2 * minutes)[:, None] % 2 == 1, value.shape)
    minute = np.broadcast_to(np.arange(2 * minutes)[:, None] // 2, value.shape)
    return judged(
        experiment(GAUGE), Records((GAUGE.name,), treated, value, minute=minute, named=False)
    )


def hosts_in_turn(
    rng: np.random.Generator,
    experiments: int,
    metric: MetricSpec,
    stated: bool,
    hosts: int = 5,
    phi: float = 0.95,
    shift: float = 0.0,
    events: int = 30_000,
) -> FoundAfter:
    """So many hosts of each arm send a value in turn, control and treatment alternately; each host
    is a process x' = phi x + noise of its own, normal; a LATENCY is its exponential. shift: what
    the treatment has more, in standard deviations.
    """
    rounds = events // (2 * hosts)
    noise = rng.standard_normal((rounds, 2 * hosts, experiments)) * np.sqrt(1.0 - phi * phi)
    noise[0] /= np.sqrt(1.0 - phi * phi)
    value = lfilter([1.0], [1.0, -phi], noise, axis=0).reshape(-1, experiments)
    treated = np.broadcast_to(np.arange(len(value))[:, None] % 2 == 1, value.shape)
    value = value + np.where(treated, shift, 0.0)
    value = np.exp(value) if metric.kind == MetricKind.LATENCY else 100.0 + 10.0 * value
    spec = experiment(metric, (0.5, None)) if stated else experiment(metric)
    return judged(spec, Records((metric.name,), treated, value, named=False))


def season(
    rng: np.random.Generator, experiments: int, factor: float, hours: int = 18, events: int = 20_000
) -> FoundAfter:
    """A latency that goes up and down by 30 % in a day, log-normal of sigma 0.5, during a ramp by
    hand to 5, 25 and 50 % that nobody stated and that takes so many hours; the treatment's is
    `factor` times as long.
    """
    share = np.array([0.05, 0.25, 0.5])[np.arange(events) * 3 // events]
    treated = rng.random((events, experiments)) < share[:, None]
    at = np.arange(events) / events * hours
    base = 100.0 * (1.0 + 0.3 * np.sin(2.0 * np.pi * at / 24.0))[:, None]
    value = base * np.exp(0.5 * rng.standard_normal(treated.shape))
    value *= np.where(treated, factor, 1.0)
    minute = np.broadcast_to((60.0 * at).astype(np.int64)[:, None], treated.shape)
    return judged(experiment(LATENCY), Records((LATENCY.name,), treated, value, minute=minute))


FALSE = Bar("rollback or deployment", 0.05, worst(falsely_decided))
GAINED = Bar("deployed by 20 000 events", 0.90, worst(deployed), at_least=True)

CASES = (
    Case(
        "ramp by hand that nobody stated, latency with a daily season, A/A",
        tuple(partial(season, factor=1.0, hours=hours) for hours in (6, 18, 30)),
        (FALSE,),
        400,
    ),
    Case(
        "ramp by hand that nobody stated, latency with a daily season, +10 %",
        (partial(season, factor=1.1),),
        (Bar("rolled back", 0.95, worst(rolled_back), at_least=True),),
        200,
    ),
    # The treatment's 1 000 units of burn-in are the first 20 000 events; twice that lets it be
    # looked at.
    Case(
        "5 % canary A/A, log-normal sigma 2, cap stated",
        (partial(revenue, metric=CAPPED, share=0.05, factor=1.0, events=40_000),),
        (FALSE,),
        1_000,
    ),
    Case(
        "5 % canary A/A, log-normal sigma 2, no cap stated",
        (partial(revenue, metric=REVENUE, share=0.05, factor=1.0, events=40_000),),
        (FALSE,),
        1_000,
    ),
    Case(
        "+20 % in log-normal sigma 2, cap stated",
        (partial(revenue, metric=CAPPED, share=0.5, factor=1.2, events=20_000),),
        (GAINED,),
        2_000,
    ),
    Case(
        "+20 % in log-normal sigma 2, no cap stated",
        (partial(revenue, metric=REVENUE, share=0.5, factor=1.2, events=20_000),),
        (GAINED,),
        2_000,
    ),
    Case("gauges AR(1) 0.8, A/A", (partial(gauges, phi=0.8, shift=0.0),), (FALSE,), 600),
    Case("gauges AR(1) 0.95, A/A", (partial(gauges, phi=0.95, shift=0.0),), (FALSE,), 600),
    Case(
        "hosts in turn that remember, A/A",
        tuple(
            partial(hosts_in_turn, metric=metric, stated=stated, hosts=hosts, phi=phi)
            for metric in (GAUGE, SLOW)
            for stated in (True, False)
            for hosts, phi in ((5, 0.95), (20, 0.9))
        ),
        (FALSE,),
        200,
        50,
    ),
    Case(
        "hosts in turn that remember, a standard deviation more",
        tuple(
            partial(hosts_in_turn, metric=metric, stated=stated, phi=0.9, shift=1.0)
            for metric in (GAUGE, SLOW)
            for stated in (True, False)
        ),
        (Bar("not rolled back", 0.10, worst(lambda found: 1.0 - rolled_back(found))),),
        100,
        50,
    ),
    # A judge that is silent on such gauges would pass the two cases above.
    Case(
        "gauges AR(1) 0.8 and 0.95, a standard deviation more",
        (partial(gauges, phi=0.8, shift=1.0), partial(gauges, phi=0.95, shift=1.0)),
        (Bar("not rolled back", 0.10, worst(lambda found: 1.0 - rolled_back(found))),),
        100,
        50,
    ),
)
