"""Cases of the watch of live metrics: seasons, bursts and hosts that are no drift, and drifts that
are.

Each stream brings 20 000 records a day and begins on a Monday at 6:00. What a detector without a
notion of the hour does with the same worlds: a rate that moves by 30 % with the hour is a false
alarm within a day, bursts within some 35 000 records, hosts within some 7 000.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from bench.case import Bar, Case
from bench.watching import Stream, first_alarm
from schemas.records import Policy, Season
from streams.operations.simulated_tests import NEVER

Floats = NDArray[np.float64]
Rates = Callable[[np.random.Generator, Floats], Floats]  # of records at these days

POLICY = Policy(event_id="simulated", policy_id="all")
PER_DAY = 20_000
RATE = 0.02
LONG = 1_000_000  # records
BURST = 100  # records of one burst
HOSTS = 10


def seasonal(_: np.random.Generator, days: Floats, hours: float, peak: float = 0.0) -> Floats:
    """The rate moves by that share with the hour; peak: of the day, 0 to 1, at which it is
    highest.
    """
    return RATE * (1.0 + hours * np.cos(2.0 * np.pi * (days - peak)))


def weekend(_: np.random.Generator, days: Floats, more: float) -> Floats:
    """On Saturdays and Sundays the rate is higher by that share."""
    return RATE * np.where(days % 7.0 >= 5.0, 1.0 + more, 1.0)


def bursts(rng: np.random.Generator, days: Floats, ar: float, sigma: float) -> Floats:
    """The log of the rate of each hundred records follows the one before, with this spread."""
    logs = autoregressive(rng, len(days) // BURST + 1, 1, ar)[:, 0] * sigma
    return RATE * np.exp(np.repeat(logs, BURST)[: len(days)] - sigma * sigma / 2.0)


def autoregressive(rng: np.random.Generator, n: int, series: int, ar: float) -> Floats:
    """Values of variance 1 that follow each other, shape (n, series)."""
    steps = rng.standard_normal((n, series)) * sqrt(1.0 - ar * ar)
    steps[0] = rng.standard_normal(series)
    for row in range(1, n):
        steps[row] += ar * steps[row - 1]
    return steps


def constant(_: np.random.Generator, days: Floats) -> Floats:
    return np.full(len(days), RATE)


def moments(records: int) -> Floats:
    return 0.25 + np.arange(records) / PER_DAY


def errors(
    rng: np.random.Generator, runs: int, rates: Rates, records: int = LONG, policy: Policy = POLICY
) -> list[int]:
    """The first alarm of each run of errors at these rates."""
    days = moments(records)
    found = []
    for _ in range(runs):
        bad = rng.random(records) < rates(rng, days)
        found.append(first_alarm(policy, Stream("error", days, bad.astype(np.float64))))
    return found


def batches(rng: np.random.Generator, runs: int, size: int, icc: float) -> list[int]:
    """Records of several units each, whose rates differ from record to record."""
    found, n = [], LONG // size
    days = 0.25 + np.arange(n) * size / PER_DAY
    weight = 1.0 / icc - 1.0
    for _ in range(runs):
        rates = rng.beta(RATE * weight, (1.0 - RATE) * weight, n)
        sums = rng.binomial(size, rates).astype(np.float64)
        counts = np.full(n, size, np.int64)
        found.append(first_alarm(POLICY, Stream("error", days, sums, counts)))
    return found


def latencies(rng: np.random.Generator, runs: int, ar: float) -> list[int]:
    """Log-normal latencies of ten hosts that take turns, each of which follows its own before."""
    found = []
    for _ in range(runs):
        logs = autoregressive(rng, LONG // HOSTS, HOSTS, ar).ravel()
        values = np.exp(0.5 * logs)
        stream = Stream("latency", moments(LONG), values)
        found.append(first_alarm(POLICY, stream))
    return found


def seasonal_latency(rng: np.random.Generator, runs: int, hours: float) -> list[int]:
    """Log-normal latencies that are longer by that share at the peak of the day."""
    days, found = moments(LONG), []
    for _ in range(runs):
        level = 1.0 + hours * np.cos(2.0 * np.pi * days)
        values = level * np.exp(0.5 * rng.standard_normal(LONG))
        found.append(first_alarm(POLICY, Stream("latency", days, values)))
    return found


def drift(
    rng: np.random.Generator,
    runs: int,
    to: float,
    healthy: int,
    rates: Rates = constant,
    policy: Policy = POLICY,
) -> list[int]:
    """Records from the begin of a fault, which multiplies the rate, to its alarm."""
    records = healthy + 120_000

    def faulty(rng: np.random.Generator, days: Floats) -> Floats:
        times = np.where(np.arange(records) < healthy, 1.0, to)
        return rates(rng, days) * times

    found = errors(rng, runs, faulty, records, policy)
    return [one - healthy if one < NEVER else NEVER for one in found]


def small_segment(rng: np.random.Generator, runs: int) -> list[int]:
    """Records of a segment of one in 200 from the begin of a fault there, 1 % to 20 %."""
    healthy, records = 80_000, 320_000
    days, found = moments(records), []
    for _ in range(runs):
        inside = rng.random(records) < 0.005
        rate = np.where(inside & (np.arange(records) >= healthy), 0.2, 0.01)
        sums = (rng.random(records) < rate).astype(np.float64)
        stream = Stream("error", days, sums, segments=inside.astype(np.int64))
        at = first_alarm(POLICY, stream)
        found.append(int(inside[healthy:at].sum()) if healthy < at < NEVER else NEVER)
    return found


def poisoned(rng: np.random.Generator, runs: int, to: float) -> list[int]:
    """Records from the begin of a fault, half of the first 500 records being an outage."""
    healthy, records = 240_000, 360_000
    days, found = moments(records), []
    for _ in range(runs):
        rate = np.where(np.arange(records) < healthy, 0.01, 0.01 * to)
        rate[:500] = 0.5
        bad = rng.random(records) < rate
        at = first_alarm(POLICY, Stream("error", days, bad.astype(np.float64)))
        found.append(at - healthy if healthy < at < NEVER else NEVER)
    return found


def _joined(batches: Sequence[Sequence[int]]) -> list[int]:
    return [one for batch in batches for one in batch]


def _alarmed(worlds: Sequence[Sequence[Sequence[int]]]) -> float:
    """The mean number of runs that end in an alarm, of the worst world."""
    return max(float(np.mean([one < NEVER for one in _joined(world)])) for world in worlds)


def _delay(worlds: Sequence[Sequence[Sequence[int]]]) -> float:
    return max(float(np.median(_joined(world))) for world in worlds)


ONE_IN_A_MILLION = Bar("false alarms in 1 000 000 records", 1.0 - 1.0 / np.e, _alarmed)
PLAIN = Policy(event_id="plain", policy_id="all", season=Season.NONE)


def _calm(name: str, *worlds: Callable[[np.random.Generator, int], list[int]]) -> Case:
    return Case(name, worlds, (ONE_IN_A_MILLION,), 20, 2)


def _found(name: str, bar: float, *worlds: Callable[[np.random.Generator, int], list[int]]) -> Case:
    return Case(name, worlds, (Bar("median records to the alarm", bar, _delay),), 40, 10)


CASES = (
    _calm("errors 2 %, nothing changes", partial(errors, rates=constant)),
    *(
        _calm(
            f"errors 2 % that follow the hour by {hours:.0%}",
            *(
                partial(errors, rates=partial(seasonal, hours=hours, peak=peak))
                for peak in (0.0, 0.25, 0.5, 0.75)
            ),
        )
        for hours in (0.3, 0.5)
    ),
    _calm(
        "errors 2 %, a quarter more or less at weekends",
        partial(errors, rates=partial(weekend, more=0.25)),
        partial(errors, rates=partial(weekend, more=-0.25)),
    ),
    _calm(
        "errors 2 % in bursts",
        partial(errors, rates=partial(bursts, ar=0.9, sigma=0.3)),
        partial(errors, rates=partial(bursts, ar=0.5, sigma=0.5)),
    ),
    _calm("errors 2 % in batches of 50 with ICC 0.02", partial(batches, size=50, icc=0.02)),
    _calm(
        "latency of ten hosts in turn, AR(1) 0.95 and 0.5",
        partial(latencies, ar=0.95),
        partial(latencies, ar=0.5),
    ),
    _calm(
        "latency that follows the hour by 5 and 10 %",
        partial(seasonal_latency, hours=0.05),
        partial(seasonal_latency, hours=0.1),
    ),
    _found("errors 2 -> 4 % after 12 days", 3_100, partial(drift, to=2.0, healthy=240_000)),
    _found("errors 2 -> 3 % after 12 days", 11_800, partial(drift, to=1.5, healthy=240_000)),
    _found(
        "errors 2 -> 4 % after 12 days, which follow the hour by 30 %",
        8_000,
        partial(drift, to=2.0, healthy=240_000, rates=partial(seasonal, hours=0.3)),
    ),
    _found(
        "errors 2 -> 4 % after 12 000 records, where none follow the hour",
        4_000,
        partial(drift, to=2.0, healthy=12_000, policy=PLAIN),
    ),
    _found("errors 2 -> 20 % after 1 000 records", 700, partial(drift, to=10.0, healthy=1_000)),
    _found("errors 1 -> 20 % in a segment of one in 200", 400, small_segment),
    _found("errors 1 -> 2 % after an outage in the reference", 6_000, partial(poisoned, to=2.0)),
)
