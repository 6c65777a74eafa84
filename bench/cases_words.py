"""Cases of what people are told beside a verdict: how large an effect is, and how many units more a
test needs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from agents.experiments.verdicts.published_rows import refresh
from bench.case import Bar, Case, Measure
from bench.experiments import CONVERSION, ERROR, UP, experiment
from schemas.records import Decision, MetricKind, MetricSpec, Role
from state.partition.partition_state import PartitionState
from streams.operations.simulated_tests import (
    NEVER,
    Flags,
    Floats,
    FoundAfter,
    Ints,
    Looks,
    Records,
    judged,
)

REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=1_000.0)
SEEMS = 0.2  # an effect is what it seems if what is shown differs by no more of it


@dataclass(frozen=True, slots=True)
class Said:
    """Of each experiment what its verdict said of the effect, by the true one, shape (E,), NaN
    where there was none; what was said at each look, shape (looks, E): the effect by the true one,
    and the units of both arms by then, still expected, and really needed.
    """

    shown: Floats
    likely: Floats
    effects: Floats
    units: Floats
    expected: Floats
    needed: Floats


def rates(
    rng: np.random.Generator,
    experiments: int,
    metric: MetricSpec,
    of: tuple[float, float],
    units: int,
    together: int,
    looks: tuple[int, ...] = (),
) -> Said:
    """So many units in turn of control and treatment, with these rates, `together` in a record;
    looks: units after which the rows are read.
    """
    treated = _in_turn(units // together, experiments)
    value = rng.binomial(together, np.where(treated, of[1], of[0])).astype(float)
    return _said(metric, treated, value, of[1] - of[0], looks, together)


def means(
    rng: np.random.Generator,
    experiments: int,
    lift: float,
    units: int,
    looks: tuple[int, ...] = (),
) -> Said:
    """The same of values that are gamma distributed, with a mean of 10 and a standard deviation of
    5; the treatment's are larger by `lift`.
    """
    treated = _in_turn(units, experiments)
    value = rng.gamma(4.0, 2.5, treated.shape) * np.where(treated, 1.0 + lift, 1.0)
    return _said(REVENUE, treated, value, 10.0 * lift, looks, 1)


def _in_turn(records: int, experiments: int) -> Flags:
    return np.broadcast_to((np.arange(records) % 2 == 1)[:, None], (records, experiments))


def _said(
    metric: MetricSpec,
    treated: Flags,
    value: Floats,
    true: float,
    looks: tuple[int, ...],
    together: int,
) -> Said:
    """What is said of experiments whose true effect is this; together: units in a record."""
    experiments = value.shape[1]
    count = np.full(value.shape, together)
    after = tuple(look // together for look in looks)
    shown, likely = np.full(experiments, np.nan), np.full(experiments, np.nan)
    effects, expected = np.full((2, len(looks), experiments), np.nan)

    def decided(number: int, decision: Decision) -> None:
        proof = decision.evidence[0]
        shown[number], likely[number] = proof.estimate / true, (proof.likely or 0.0) / true

    def look(tables: PartitionState, start: int) -> None:
        refresh(tables.experiments)
        arms, at = tables.experiments.arms, after.index(start)
        for row in range(len(arms)):
            subject, _, _, variant, _, _ = arms.keys[row]
            if variant == "treatment" and arms.harm_offset[row] < 0 > arms.gain_offset[row]:
                number = int((subject or "").removeprefix("simulated-"))
                effects[at, number] = arms.effect[row] / true
                expected[at, number] = arms.expected_more[row]

    sent = Records((metric.name,), treated, value, count=count, named=False)
    found = judged(experiment(metric), sent, Looks(after, look, decided))
    seen = np.array(looks, float)[:, None]
    needed = _ends(found, together)[None, :] - seen
    return Said(shown, likely, effects, np.broadcast_to(seen, needed.shape), expected, needed)


def _ends(found: FoundAfter, together: int) -> Floats:
    records: Ints = np.minimum(found.rollback, found.deploy)
    return np.where(records < NEVER, records * float(together), np.inf)


def _each(worlds: Sequence[Sequence[Said]], of: Callable[[Said], Floats]) -> list[Floats]:
    """The values of each world that there are."""
    joined = [np.concatenate([of(batch).ravel() for batch in batches]) for batches in worlds]
    return [values[~np.isnan(values)] for values in joined]


def _farthest(of: Callable[[Said], Floats]) -> Measure:
    """How many times the mean is from 1 at most, either way."""
    return lambda worlds: max(
        max(float(values.mean()), 1.0 / float(values.mean())) for values in _each(worlds, of)
    )


def _error(of: Callable[[Said], Floats]) -> Measure:
    return lambda worlds: max(
        float(values.std(ddof=1) / np.sqrt(len(values))) for values in _each(worlds, of)
    )


def _within(of: Callable[[Said], Floats]) -> Measure:
    """The least share of the worlds that is within a factor of 2."""
    return lambda worlds: min(
        float(np.mean((values >= 0.5) & (values <= 2.0))) for values in _each(worlds, of)
    )


def _share_error(of: Callable[[Said], Floats]) -> Measure:
    return lambda worlds: max(0.5 / len(values) ** 0.5 for values in _each(worlds, of))


def shown(said: Said) -> Floats:
    return said.shown


def likely(said: Said) -> Floats:
    return said.likely


def of_all(said: Said) -> Floats:
    """The units at the verdict by those that were expected at it, of open tests whose effect is
    what it seems; infinite where there was no verdict.
    """
    is_so = np.abs(said.effects - 1.0) <= SEEMS
    return np.where(is_so, (said.units + said.needed) / (said.units + said.expected), np.nan)


def of_rest(said: Said) -> Floats:
    """The same of the units that were still missing."""
    return np.where(np.abs(said.effects - 1.0) <= SEEMS, said.needed / said.expected, np.nan)


ANY = float("inf")  # measured to be seen beside the others
RISES_BY_10 = partial(
    rates,
    metric=CONVERSION,
    of=(0.1, 0.11),
    units=120_000,
    together=10,
    looks=(5_000, 10_000, 15_000, 20_000),
)
RISES_BY_20 = partial(
    rates,
    metric=CONVERSION,
    of=(0.1, 0.12),
    units=40_000,
    together=4,
    looks=(2_000, 4_000, 6_000),
)
MEAN_BY_5 = partial(means, lift=0.05, units=30_000, looks=(3_000, 4_000, 5_000))

CASES = (
    Case(
        "effect at a verdict, +5, +10, +20 % of 10 %, errors 1 -> 2 %, a mean +5 %",
        (
            partial(rates, metric=CONVERSION, of=(0.1, 0.105), units=480_000, together=40),
            RISES_BY_10,
            RISES_BY_20,
            partial(rates, metric=ERROR, of=(0.01, 0.02), units=24_000, together=1),
            MEAN_BY_5,
        ),
        (
            Bar("mean of the effect shown by the true one, farthest from 1", ANY, _farthest(shown)),
            Bar("the same of the likely effect", 1.25, _farthest(likely)),
            Bar("its standard error", 0.15, _error(likely)),
        ),
        800,
        200,
    ),
    Case(
        "units expected of open tests, +10 and +20 % of 10 %, a mean +5 %",
        (
            RISES_BY_10,
            RISES_BY_20,
            MEAN_BY_5,
        ),
        (
            Bar("units at the verdict within a factor of 2", 0.8, _within(of_all), at_least=True),
            Bar("its standard error", 0.03, _share_error(of_all)),
            Bar("units still missing within a factor of 2", 0.5, _within(of_rest), at_least=True),
        ),
        600,
        200,
    ),
)
