"""Synthetic series whose level holds, or changes."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.cases_watch import autoregressive

Floats = NDArray[np.float64]
Made = tuple[Floats, list[int]]  # the values, and where levels begin

_LEAST = 14  # points of a level


def steady_or_stepping(rng: np.random.Generator) -> Made:
    """Up to seven changes of level or spread; or none, but a season and a trend, or a walk."""
    n = int(rng.integers(100, 600))
    count = min(int(rng.choice([0, 0, 1, 2, 4, 7])), n // 40)
    changed = _apart(rng, n, count)
    correlation = float(rng.choice([0.0, 0.0, 0.3, 0.6, 0.8]))
    noise = autoregressive(rng, n, 1, correlation)[:, 0]
    if rng.random() < 0.3:  # stray values
        noise += rng.choice([2.0, 4.0]) * rng.standard_t(2.5, n) * (rng.random(n) < 0.03)
    values, level, spread, how = noise.copy(), 0.0, 1.0, rng.random()
    for first, last in zip([0, *changed], [*changed, n], strict=True):
        if first and how < 0.7:
            level += rng.choice([-1.0, 1.0]) * rng.uniform(2.5, 8.0) * (1.0 + 1.5 * correlation)
        elif first and how < 0.85:
            level = rng.uniform(4.0, 8.0) if level == 0.0 else 0.0
        elif first:
            spread = rng.uniform(3.0, 6.0) if spread == 1.0 else 1.0
        values[first:last] = level + spread * noise[first:last]
    other = rng.random()
    if not changed and other < 0.4:
        season = rng.uniform(2.0, 6.0) * np.sin(2.0 * np.pi * np.arange(n) / 12.0)
        values += season + np.linspace(0.0, rng.uniform(0.0, 30.0), n)
    elif not changed and other > 0.8:
        values = np.cumsum(noise)
    return _of_any_scale(rng, values), changed


def alternating(rng: np.random.Generator) -> Made:
    """Two levels in turn, values that follow each other, and often a begin that has to settle."""
    n, changed, at = int(rng.integers(150, 500)), list[int](), int(rng.integers(20, 70))
    while at < n - 15:
        changed.append(at)
        at += int(rng.integers(16, 70))
    noise = autoregressive(rng, n, 1, rng.uniform(0.0, 0.8))[:, 0]
    values, height = noise.copy(), rng.uniform(3.0, 8.0)
    for number, (first, last) in enumerate(zip([0, *changed], [*changed, n], strict=True)):
        values[first:last] = height * (number % 2) + noise[first:last] * rng.uniform(0.6, 1.5)
    if rng.random() < 0.5:
        settles = int(rng.integers(3, 8))
        values[:settles] += rng.uniform(5.0, 25.0) * np.exp(-np.arange(settles) / 1.5)
    if rng.random() < 0.3:
        values[rng.integers(0, n, 3)] += rng.uniform(5.0, 15.0)
    return _of_any_scale(rng, values), changed


def _apart(rng: np.random.Generator, n: int, count: int) -> list[int]:
    while True:
        places = np.sort(rng.integers(15, n - 12, count)).tolist()
        if all(b - a >= _LEAST for a, b in pairwise(places)):
            return list(places)


def _of_any_scale(rng: np.random.Generator, values: Floats) -> Floats:
    return np.asarray(values * 10.0 ** rng.uniform(-3, 5) + 10.0 ** rng.uniform(-3, 5))
