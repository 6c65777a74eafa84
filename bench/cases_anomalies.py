"""Cases of the watch of anomalies: synthetic series with anomalies and without, and series whose
level changes. Real records in, real decisions and rows out.

What others do with the same worlds (`python -m bench.anomalies` prints it): a window of 400 values
taken for normal scores below 40, alarms by chance below 10.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from bench.anomalies.change_points import f1
from bench.anomalies.detected import changes, unusual
from bench.anomalies.levels import alternating, steady_or_stepping
from bench.anomalies.nab_score import Judged, scored
from bench.anomalies.worlds import KINDS, series_of
from bench.case import Bar, Case

_KINDS = [kind for kind, (_, count) in KINDS.items() for _ in range(count)]


def anomalous(rng: np.random.Generator, runs: int, quiet: bool) -> list[Judged]:
    """So many series of each kind, as many as a kind has."""
    found = []
    for _ in range(runs):
        for kind in _KINDS:
            series = series_of(kind, rng, quiet)
            alarms = unusual(series.occurred_at, series.values)
            found.append(Judged(len(series.values), series.anomalies, tuple(alarms)))
    return found


def stepping(rng: np.random.Generator, runs: int, is_alternating: bool) -> list[float]:
    """The F1 of the changes found in each series."""
    found = []
    for _ in range(runs):
        values, changed = (alternating if is_alternating else steady_or_stepping)(rng)
        found.append(f1([changed], changes(values))[0])
    return found


def _score(worlds: Sequence[Sequence[Sequence[Judged]]]) -> float:
    return scored(one for batch in worlds[0] for one in batch).normal


def _false(worlds: Sequence[Sequence[Sequence[Judged]]]) -> float:
    return scored(one for batch in worlds[0] for one in batch).false_per_100_000


def _mean(worlds: Sequence[Sequence[Sequence[float]]]) -> float:
    return float(np.mean([one for batch in worlds[0] for one in batch]))


CASES: tuple[Case, ...] = (
    Case(
        "anomalies of 15 kinds",
        (partial(anomalous, quiet=False),),
        (Bar("score of NAB", 60.0, _score, at_least=True),),
        runs=6,
        batch=1,
    ),
    Case(
        "the same kinds, quiet",
        (partial(anomalous, quiet=True),),
        (Bar("false alarms in 100 000 points", 40.0, _false),),
        runs=6,
        batch=1,
    ),
    Case(
        "levels that hold or change",
        (partial(stepping, is_alternating=False),),
        (Bar("F1", 0.9, _mean, at_least=True),),
        runs=300,
        batch=50,
    ),
    Case(
        "levels that alternate",
        (partial(stepping, is_alternating=True),),
        (Bar("F1", 0.8, _mean, at_least=True),),
        runs=300,
        batch=50,
    ),
)
