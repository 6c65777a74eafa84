"""Synthetic series of what operators watch, with anomalies put into them: machines, networks,
requests, mentions, traffic, temperatures, prices, rides, sizes of groups, keystrokes, signals.

Nothing in them is taken from a published series: the kinds are those of public benchmarks, every
number is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.cases_watch import autoregressive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Random = np.random.Generator

MINUTES_5, MINUTES_30, HOUR = 300_000, 1_800_000, 3_600_000  # ms
DAY = 24 * HOUR
_BEGIN = 1_390_000_000_000  # some moment, ms
POINTS = 4_032  # of a fortnight, at one each five minutes


@dataclass(frozen=True, slots=True)
class Series:
    """occurred_at: ms; values: both shape (n,). anomalies: where each begins."""

    kind: str
    occurred_at: Ints
    values: Floats
    anomalies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """When points come, and where the anomalies are to be.

    at: ms; days: the same in days; is_weekend: of each point.
    """

    rng: Random
    at: Ints
    anomalies: tuple[int, ...]

    @property
    def n(self) -> int:
        return len(self.at)

    @property
    def days(self) -> Floats:
        return self.at / DAY

    @property
    def is_weekend(self) -> NDArray[np.bool_]:
        return np.asarray((self.days + 3.0) % 7.0 >= 5.0)

    def span(self, first: int, least: int, most: int) -> slice:
        """So many points from one on, as far as there are."""
        return slice(first, min(self.n, first + int(self.rng.integers(least, most))))

    def noise(self, correlation: float) -> Floats:
        """Values of variance 1 that follow each other."""
        return autoregressive(self.rng, self.n, 1, correlation)[:, 0]

    def chance(self) -> float:
        return float(self.rng.random())

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))


def of_day(frame: Frame) -> Floats:
    """A curve over the day with two waves, about 0, some 1 from the lowest to the highest."""
    first, second = frame.chance(), frame.chance()
    wave = 0.5 * np.cos(2.0 * np.pi * (frame.days - first))
    return np.asarray(
        wave + 0.5 * frame.between(0.0, 0.4) * np.cos(4.0 * np.pi * (frame.days - second))
    )


def pulse(frame: Frame) -> Floats:
    """1 for some hours of each day, else 0."""
    begin, width = frame.between(0.2, 0.5), frame.between(0.25, 0.5)
    return ((frame.days - begin) % 1.0 < width).astype(np.float64)


def rush(frame: Frame) -> Floats:
    """Two peaks in each day."""
    morning, evening, hour = frame.between(0.28, 0.36), frame.between(0.68, 0.76), frame.days % 1.0
    return np.asarray(
        np.exp(-(((hour - morning) / 0.05) ** 2)) + 0.8 * np.exp(-(((hour - evening) / 0.06) ** 2))
    )


def machine_load(frame: Frame) -> Floats:
    """The load of a machine: a level, little noise, spikes of routine."""
    rng, base = frame.rng, frame.between(1.5, 60.0)
    spread = base * frame.between(0.005, 0.12)
    values = base + spread * frame.noise(frame.between(0.0, 0.7))
    if frame.chance() < 0.6:
        height, every = base * frame.between(0.3, 3.0), int(rng.integers(40, 400))
        gaps = rng.integers(every // 2, 2 * every, frame.n // every + 1)
        spikes = np.cumsum(gaps if frame.chance() < 0.5 else np.full(len(gaps), every))
        spikes = spikes[spikes < frame.n]
        values[spikes] += height * rng.lognormal(0.0, 0.25, len(spikes))
    if frame.chance() < 0.4:
        values += base * frame.between(0.02, 0.15) * np.cos(2.0 * np.pi * frame.days)
    usual = max(float(np.quantile(values, 0.995) - np.median(values)), 3.0 * spread)
    for at in frame.anomalies:
        _load_anomaly(frame, values, at, (base, spread, usual))
    if frame.chance() < 0.4:  # what nobody calls an anomaly
        values[frame.span(int(rng.integers(0, frame.n)), 1, 3)] += usual * frame.between(0.7, 1.5)
    digits = int(rng.integers(1, 4))
    return np.asarray(np.round(np.maximum(values, 0.0), digits))


def _load_anomaly(
    frame: Frame, values: Floats, at: int, scales: tuple[float, float, float]
) -> None:
    (base, spread, usual), kind = scales, frame.chance()
    if kind < 0.35:
        up = frame.rng.choice([1.0, 1.0, 1.0, -0.6])
        values[frame.span(at, 1, 6)] += up * usual * frame.between(1.2, 3.5)
    elif kind < 0.65:
        shift = max(spread * frame.between(3.0, 12.0), base * frame.between(0.05, 0.6))
        values[frame.span(at, 150, 3_000)] += frame.rng.choice([1.0, -0.7]) * shift
    elif kind < 0.8:
        values[frame.span(at, 20, 300)] = values.min() * frame.between(0.2, 0.9)
    elif kind < 0.9:
        span = frame.span(at, 60, 400)
        values[span] = base + (values[span] - base) * frame.between(3.0, 6.0)
    else:
        span = frame.span(at, 100, 800)
        rise = frame.between(4.0, 12.0) * max(spread, 0.2 * usual)
        values[span] += np.linspace(0.0, rise, span.stop - span.start)


def bytes_moved(frame: Frame) -> Floats:
    """Bytes in, or written: a heavy tail, and often nothing at all."""
    rng = frame.rng
    values = 1e5 * np.exp(frame.between(0.3, 1.2) * frame.noise(frame.between(0.0, 0.6)))
    if frame.chance() < 0.4:
        values[rng.random(frame.n) < frame.between(0.3, 0.8)] = 0.0
    if frame.chance() < 0.5:
        many = rng.random(frame.n) < frame.between(0.002, 0.02)
        values[many] *= rng.lognormal(2.0, 0.6, int(many.sum()))
    for at in frame.anomalies:
        kind = frame.chance()
        if kind < 0.45:
            values[frame.span(at, 1, 8)] = values.max() * frame.between(1.2, 4.0)
        elif kind < 0.75:
            span, more = frame.span(at, 50, 600), np.median(values) * frame.between(0.5, 2.0)
            values[span] = values[span] * frame.between(2.0, 6.0) + more
        else:
            values[frame.span(at, 60, 400)] = np.quantile(values, 0.05)
    return np.asarray(np.round(values))


def requests(frame: Frame) -> Floats:
    """Requests to a load balancer, which follow the day."""
    rate = 1.0 + frame.between(0.3, 1.6) * of_day(frame)
    weekend = np.where(frame.is_weekend, frame.between(0.6, 1.0), 1.0)
    rate = frame.between(10.0, 300.0) * np.maximum(0.05, rate) * weekend
    for at in frame.anomalies:
        kind = frame.chance()
        if kind < 0.4:
            rate[frame.span(at, 1, 6)] += rate.max() * frame.between(0.8, 3.0)
        elif kind < 0.7:
            rate[frame.span(at, 30, 300)] *= frame.between(1.8, 3.0)
        else:
            rate[frame.span(at, 20, 300)] *= frame.between(0.0, 0.3)
    return _counts(frame, rate, frame.between(0.05, 0.3))


def _counts(frame: Frame, rate: Floats, spread: float) -> Floats:
    """Counts at these rates, more spread than those of independent events."""
    shape = 1.0 / spread**2
    return frame.rng.poisson(rate * frame.rng.gamma(shape, 1.0 / shape, frame.n)).astype(float)


def mentions(frame: Frame) -> Floats:
    """How often something is mentioned, with the bursts of every day."""
    rng, base = frame.rng, frame.between(3.0, 60.0)
    rate = np.maximum(0.1, 1.0 + frame.between(0.4, 1.2) * of_day(frame))
    rate *= base * np.where(frame.is_weekend, frame.between(0.6, 0.9), 1.0)
    rate *= np.exp(0.25 * frame.noise(0.98))
    everyday = rng.integers(0, frame.n, rng.poisson(frame.n / 800))
    bursts = [(int(at), (3, 30), (0.3, 0.6)) for at in everyday]
    bursts += [(at, (5, 40), (2.3, 0.6)) for at in frame.anomalies]
    for at, lasts, height in bursts:
        fades = np.exp(-np.arange(min(200, frame.n - at)) / int(rng.integers(*lasts)))
        rate[at : at + len(fades)] += base * rng.lognormal(*height) * fades
    return _counts(frame, rate, 0.5)


def traffic(frame: Frame) -> Floats:
    """How full, how fast or how long a road is, with its rush hours."""
    rng, base = frame.rng, frame.between(5.0, 70.0)
    weekend = np.where(frame.is_weekend, 0.3, 1.0)
    values = base * (1.0 + weekend * frame.between(0.3, 2.0) * rush(frame))
    values *= np.exp(frame.between(0.08, 0.3) * frame.noise(0.5))
    if frame.chance() < 0.4:
        values = 2.0 * base / (1.0 + values / base)
    odd = rng.random(frame.n) < 0.004
    values[odd] *= rng.lognormal(0.5, 0.4, int(odd.sum()))
    for at in frame.anomalies:
        if frame.chance() < 0.6:
            times = rng.choice([frame.between(2.0, 4.0), frame.between(0.1, 0.4)])
            values[frame.span(at, 2, 20)] *= times
        else:
            values[frame.span(at, 1, 4)] = values.max() * frame.between(1.2, 2.5)
    return np.asarray(np.round(values, int(rng.integers(0, 2))))


def machine_temperature(frame: Frame) -> Floats:
    """A temperature that wanders, and falls where the machine fails."""
    values = frame.between(60.0, 95.0) + frame.between(3.0, 9.0) * frame.noise(0.9985)
    values += frame.between(0.5, 1.5) * frame.noise(0.8)
    values += frame.between(0.0, 4.0) * np.cos(2.0 * np.pi * frame.days)
    for at in frame.anomalies:
        kind, fall = frame.chance(), frame.between(15.0, 60.0)
        if kind < 0.6:
            lasts = int(frame.rng.integers(60, 400))
            places = np.arange(max(0, at - lasts // 3), min(frame.n, at + lasts))
            shape = np.interp(places, [at - lasts / 3, at, at + lasts], [0.0, 1.0, 0.0])
            values[places] -= fall * shape
        elif kind < 0.8:
            values[frame.span(at, 3, 60)] -= fall
        else:
            values[frame.span(at, 50, 400)] = values[at]
    return values


def room_temperature(frame: Frame) -> Floats:
    """A temperature that follows day and year."""
    values = 70.0 + frame.between(1.0, 5.0) * np.cos(2.0 * np.pi * frame.days)
    values += frame.between(1.0, 3.0) * frame.noise(0.97)
    values += 4.0 * np.cos(2.0 * np.pi * frame.days / 300.0)
    for at in frame.anomalies:
        if frame.chance() < 0.6:
            shift = frame.rng.choice([-1.0, 1.0]) * frame.between(8.0, 16.0)
            values[frame.span(at, 20, 120)] += shift
        else:
            span = frame.span(at, 48, 200)
            middle = float(np.mean(values[span]))
            values[span] = middle + 0.3 * (values[span] - middle)
    return values


def price(frame: Frame) -> Floats:
    """What a click costs, by the hour."""
    rng = frame.rng
    values = frame.between(0.05, 5.0) * (1.0 + frame.between(0.0, 0.4) * of_day(frame))
    values *= np.exp(frame.between(0.15, 0.5) * frame.noise(frame.between(0.0, 0.6)))
    odd = rng.random(frame.n) < 0.01
    values[odd] *= rng.lognormal(0.7, 0.5, int(odd.sum()))
    for at in frame.anomalies:
        if frame.chance() < 0.7:
            values[frame.span(at, 1, 4)] = values.max() * frame.between(1.1, 3.0)
        else:
            times = rng.choice([frame.between(1.8, 3.0), frame.between(0.2, 0.5)])
            values[frame.span(at, 24, 100)] *= times
    return values


def rides(frame: Frame) -> Floats:
    """Rides in a town by the half hour, with days that are not like others."""
    workday = 1.0 + 1.1 * of_day(frame)
    shape = np.where(frame.is_weekend, 1.0 + 0.9 * of_day(frame), workday)
    wander = np.cumsum(frame.rng.standard_normal(frame.n)) / np.sqrt(frame.n)
    values = 15_000.0 * (1.0 + 0.08 * wander) * np.maximum(0.1, shape)
    values *= np.exp(0.05 * frame.noise(0.9))
    for at in frame.anomalies:
        low = frame.chance() < 0.6
        values[frame.span(at, 24, 72)] *= (
            frame.between(0.3, 0.7) if low else frame.between(1.3, 1.7)
        )
    return np.asarray(values)


def group_size(frame: Frame) -> Floats:
    """How many machines a group has: steps."""
    rng = frame.rng
    levels = np.full(frame.n, float(rng.integers(10, 40)))
    if frame.chance() < 0.5:
        levels = np.repeat(rng.integers(10, 40, frame.n // 100 + 1), 100)[: frame.n].astype(float)
    values = levels + frame.between(0.1, 1.0) * rng.standard_normal(frame.n)
    for at in frame.anomalies:
        values[frame.span(at, 30, 400)] = rng.choice([0.0, 1.8 * levels.max()])
    return np.asarray(values)


def keystrokes(frame: Frame) -> Floats:
    """What a person does at a keyboard: nothing at night."""
    hour = frame.days % 1.0
    at_work = (hour > 0.35) & (hour < 0.75) & ~frame.is_weekend
    rate = np.where(at_work, frame.between(0.5, 4.0), 0.003)
    for at in frame.anomalies:
        rate[frame.span(at, 4, 60)] = frame.between(3.0, 12.0)
    return _counts(frame, rate, 1.2) * frame.between(0.1, 1.0)


def made_day(frame: Frame) -> Floats:
    """A made signal over the day, of which one day is another's."""
    rng = frame.rng
    wave = frame.between(20.0, 60.0) * (pulse(frame) if frame.chance() < 0.5 else of_day(frame))
    values = 20.0 + wave + frame.between(0.5, 4.0) * rng.standard_normal(frame.n)
    for at in frame.anomalies:
        day, kind = slice(at, min(frame.n, at + 288)), frame.chance()
        noise = rng.standard_normal(day.stop - day.start)
        if kind < 0.25:
            values[day] = 20.0 + 1.5 * wave[day] + noise
        elif kind < 0.5:
            values[day] = 20.0 + 0.3 * wave[day] + noise
        elif kind < 0.75:
            values[day] = 20.0 + wave.min() + noise
        else:
            values[day] = 20.0 + np.roll(wave[day], 96) + noise
    return np.asarray(values)


def made_spikes(frame: Frame) -> Floats:
    """A made signal of spikes, which come more often, or not at all."""
    rng, often = frame.rng, frame.between(0.02, 0.08)
    chance = np.full(frame.n, often)
    for at in frame.anomalies:
        chance[frame.span(at, 200, 300)] = rng.choice([min(1.0, 6.0 * often), 0.0])
    values = 20.0 + frame.between(0.0, 1.0) * rng.standard_normal(frame.n)
    spikes = rng.random(frame.n) < chance
    values[spikes] += rng.uniform(40.0, 70.0, int(spikes.sum()))
    return np.asarray(values)


def made_quiet(frame: Frame) -> Floats:
    """A made signal in which nothing is unusual: a constant, noise, or days that are alike."""
    kind = frame.chance()
    if kind < 0.3:
        return np.full(frame.n, 45.0)
    if kind < 0.6:
        return 18.0 + 3.0 * frame.rng.random(frame.n)
    noise = frame.rng.standard_normal(frame.n) if frame.chance() < 0.5 else 0.0
    return 20.0 + 60.0 * pulse(frame) + noise


def with_gaps(frame: Frame) -> Floats:
    """A gauge, of which stretches are missing; see `series_of`."""
    values = frame.between(10.0, 50.0) + frame.between(1.0, 5.0) * frame.noise(0.6)
    return np.asarray(values + frame.between(0.0, 8.0) * np.cos(2.0 * np.pi * frame.days))


KINDS: dict[str, tuple[Callable[[Frame], Floats], int]] = {  # and how many of each
    "machine load": (machine_load, 14),
    "bytes moved": (bytes_moved, 8),
    "requests": (requests, 3),
    "mentions": (mentions, 10),
    "traffic": (traffic, 7),
    "machine temperature": (machine_temperature, 2),
    "room temperature": (room_temperature, 2),
    "price": (price, 6),
    "rides": (rides, 1),
    "group size": (group_size, 1),
    "keystrokes": (keystrokes, 2),
    "made day": (made_day, 5),
    "made spikes": (made_spikes, 1),
    "made quiet": (made_quiet, 3),
    "gaps": (with_gaps, 2),
}
_LENGTHS = {  # of points and ms between them, where they are not those of a fortnight
    "rides": (5_000, 10_321, MINUTES_30),
    "price": (1_500, 7_268, HOUR),
    "room temperature": (1_500, 7_268, HOUR),
    "machine temperature": (8_000, 22_696, MINUTES_5),
    "mentions": (8_000, 22_696, MINUTES_5),
    "traffic": (1_100, 2_500, MINUTES_5),
}


def series_of(kind: str, rng: Random, quiet: bool = False) -> Series:
    """One series of a kind; quiet: nothing is put into it."""
    least, most, step = _LENGTHS.get(kind, (POINTS, POINTS + 1, MINUTES_5))
    n = int(rng.integers(least, most))
    at = _BEGIN + int(rng.integers(0, 2_000)) * MINUTES_5 + step * np.arange(n)
    if kind == "traffic":  # which comes irregularly
        gaps = rng.choice([1, 1, 2, 3], n) * np.where(rng.random(n) < 0.01, 12, 1)
        at = at[0] + MINUTES_5 * np.cumsum(gaps)
    count = 0 if quiet or kind == "made quiet" else int(rng.choice([0, 1, 1, 2, 2, 3]))
    count = min(count, 1 if kind.startswith("made") else 2 if n < 3_000 else 3)
    frame = Frame(rng, at.astype(np.int64), _places(rng, n, count))
    values = KINDS[kind][0](frame)
    if kind == "gaps":
        return _cut(frame, values)
    return Series(kind, frame.at, values, frame.anomalies)


def corpus(seed: int, times: int = 1, quiet: bool = False) -> list[Series]:
    """So many times the series of all kinds, of a seed of their own each."""
    return [
        series_of(kind, np.random.default_rng((seed, number, one)), quiet)
        for number, (kind, (_, count)) in enumerate(KINDS.items())
        for one in range(count * times)
    ]


def _places(rng: Random, n: int, count: int) -> tuple[int, ...]:
    """Where anomalies begin, well apart from each other and after what is left out."""
    while count:
        places = np.sort(rng.integers(int(0.17 * n), int(0.95 * n), count))
        if count == 1 or np.diff(places).min() > 0.08 * n:
            return tuple(places.tolist())
    return ()


def _cut(frame: Frame, values: Floats) -> Series:
    """The series without the points of some stretches; an anomaly is the first point after one."""
    stays = np.ones(frame.n, np.bool_)
    for at in frame.anomalies:
        stays[frame.span(at, 24, 200)] = False
    places = np.cumsum(stays)
    last = int(stays.sum()) - 1
    anomalies = tuple(min(last, int(places[at])) for at in frame.anomalies)
    return Series("gaps", frame.at[stays], values[stays], anomalies)
