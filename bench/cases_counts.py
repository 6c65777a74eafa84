"""Cases of counted events under a split that does not change: conversions, errors, assigned
units.
"""

from functools import partial

import numpy as np

from agents.core.policies import EXPOSURE
from bench.case import (
    Bar,
    Case,
    deployed,
    falsely_decided,
    held,
    records_to_hold,
    records_to_rollback,
    rolled_back,
    worst,
)
from bench.experiments import CONVERSION, ERROR, UP, experiment
from schemas.records import MetricKind, MetricSpec, Role
from streams.operations.simulated_tests import NEVER, FoundAfter, Records, judged

EVENTS = 20_000
CLICKS = MetricSpec("clicks", Role.GOAL, UP, MetricKind.COUNT)


def units(
    rng: np.random.Generator,
    experiments: int,
    metric: MetricSpec,
    rates: tuple[float, float],
    share: float = 0.5,
    planned: bool = True,
    events: int = EVENTS,
    grows: float = 1.0,
) -> FoundAfter:
    """Each unit falls to the treatment with chance `share`, as planned, and sends one record: 1
    with its arm's rate, else 0.

    rates: of control and treatment, at first; over the run both grow evenly to `grows` times that.
    Without `planned` the spec states no shares.
    """
    treated = rng.random((events, experiments)) < share
    grown = np.linspace(1.0, grows, events)[:, None]
    value = rng.random(treated.shape) < np.where(treated, rates[1], rates[0]) * grown
    steps = [(share, None)] if planned else []
    return judged(experiment(metric, *steps), Records((metric.name,), treated, value.astype(float)))


def late_fault(
    rng: np.random.Generator, experiments: int, healthy: int, rate: float, events: int = EVENTS
) -> FoundAfter:
    """Errors of 1 % in both arms at 50/50, as planned, until those of the treatment rise to `rate`
    after so many units. What is found is counted in records from then on, negative before.
    """
    treated = rng.random((healthy + events, experiments)) < 0.5
    is_late = np.arange(healthy + events)[:, None] >= healthy
    value = rng.random(treated.shape) < np.where(treated & is_late, rate, 0.01)
    spec = experiment(ERROR, (0.5, None))
    found = judged(spec, Records((ERROR.name,), treated, value.astype(float)))
    since = np.where(found.rollback < NEVER, found.rollback - healthy, NEVER)
    return FoundAfter(rollback=since, deploy=found.deploy, hold=found.hold)


def in_bursts(
    rng: np.random.Generator, experiments: int, rate: float, length: int, spread: float
) -> FoundAfter:
    """Errors whose rate is by a log-normal factor another for each `length` units of an arm, of
    either arm by itself; nothing is better or worse.
    """
    treated = rng.random((EVENTS, experiments)) < 0.5
    number = np.where(treated, np.cumsum(treated, axis=0), np.cumsum(~treated, axis=0)) // length
    factors = np.exp(spread * rng.standard_normal((2, EVENTS // length + 1, experiments)))
    of_unit = factors[treated.astype(int), number, np.arange(experiments)[None, :]]
    value = rng.random(treated.shape) < np.minimum(rate * of_unit, 0.95)
    return judged(experiment(ERROR), Records((ERROR.name,), treated, value.astype(float)))


def found_before(found: FoundAfter) -> float:
    """The share of experiments whose rollback came before their fault."""
    return float(np.mean(found.rollback <= 0))


def off_plan(
    rng: np.random.Generator, experiments: int, rate: float, share: float, events: int = 6_000
) -> FoundAfter:
    """An A/A test planned at 50/50 whose units really fall to the treatment with chance `share`.

    Each unit sends its `exposure`, then its outcome, 1 with chance `rate` in both arms. Units end
    where all are held.
    """
    treated = rng.random((events, experiments)) < share
    value = np.ones((2 * events, experiments))
    value[1::2] = rng.random(treated.shape) < rate
    metric = np.broadcast_to(np.arange(2 * events)[:, None] % 2, value.shape)
    unit = np.broadcast_to(np.arange(2 * events)[:, None] // 2, value.shape)
    records = Records(
        (EXPOSURE, CONVERSION.name), np.repeat(treated, 2, axis=0), value, metric, unit=unit
    )
    return judged(experiment(CONVERSION, (0.5, None)), records)


def assignments(rng: np.random.Generator, experiments: int, share: float) -> FoundAfter:
    """Nothing but the `exposure` of units, planned at 50/50, that really fall to the treatment with
    chance `share`.
    """
    treated = rng.random((EVENTS, experiments)) < share
    return judged(
        experiment(CONVERSION, (0.5, None)), Records((EXPOSURE,), treated, np.ones(treated.shape))
    )


FALSE = Bar("rollback or deployment", 0.05, worst(falsely_decided))


def clicks(
    rng: np.random.Generator, experiments: int, mean: float, over: float, factor: float = 1.0
) -> FoundAfter:
    """10 000 units, each with a negative binomial number of clicks whose variance is `over` times
    its mean, a Poisson number where that is 1; the treatment's mean is `factor` times as large.
    """
    treated = rng.random((EVENTS // 2, experiments)) < 0.5
    level = np.full(treated.shape, mean)
    if over > 1.0:
        level = rng.gamma(mean / (over - 1.0), over - 1.0, treated.shape)
    value = rng.poisson(level * np.where(treated, factor, 1.0)).astype(float)
    return judged(experiment(CLICKS, (0.5, None)), Records((CLICKS.name,), treated, value))


CASES = (
    Case(
        "clicks a unit, variance 1, 3 and 6 times the mean, A/A",
        tuple(
            partial(clicks, mean=mean, over=over) for mean in (0.2, 1.0) for over in (1.0, 3.0, 6.0)
        ),
        (Bar("rollback or deployment", 0.05, worst(falsely_decided)),),
        400,
    ),
    Case(
        "clicks a unit, variance 3 times the mean, +30 %",
        (partial(clicks, mean=1.0, over=3.0, factor=1.3),),
        (Bar("deployed by 10 000 events", 0.95, worst(deployed), at_least=True),),
        200,
    ),
    Case(
        "errors 1 -> 5 % after 20 000 and 100 000 healthy units",
        tuple(partial(late_fault, healthy=units_, rate=0.05) for units_ in (20_000, 100_000)),
        (
            Bar("median records to the rollback", 2_300, worst(records_to_rollback)),
            Bar("rolled back before", 0.05, worst(found_before)),
        ),
        100,
        20,
    ),
    Case(
        "errors in bursts of 20, 50 and 100 units of an arm, A/A",
        tuple(
            partial(in_bursts, rate=rate, length=length, spread=0.4)
            for rate in (0.02, 0.1, 0.3)
            for length in (20, 50, 100)
        ),
        (FALSE,),
        200,
    ),
    Case(
        "binary A/A, p 0.10, 50/50",
        (partial(units, metric=CONVERSION, rates=(0.1, 0.1)),),
        (FALSE,),
        4_000,
        200,
    ),
    Case(
        "5 % canary A/A, conversion 1 %",
        (partial(units, metric=CONVERSION, rates=(0.01, 0.01), share=0.05),),
        (FALSE,),
        1_000,
    ),
    # Without shares rates are compared as means, whose burn-in of 1 000 units is the treatment's
    # first 20 000 events.
    Case(
        "5 % canary A/A, conversion 1 %, no shares stated",
        (
            partial(
                units,
                metric=CONVERSION,
                rates=(0.01, 0.01),
                share=0.05,
                planned=False,
                events=2 * EVENTS,
            ),
        ),
        (FALSE,),
        1_000,
    ),
    Case(
        "A/A, p 0.01 0.10 0.50 and 0.05 to 0.20, 50/50 and 10 %, no shares stated",
        tuple(
            partial(
                units,
                metric=CONVERSION,
                rates=(rate, rate),
                share=share,
                planned=False,
                grows=grows,
            )
            for rate, grows in ((0.01, 1.0), (0.1, 1.0), (0.5, 1.0), (0.05, 4.0))
            for share in (0.5, 0.1)
        ),
        (FALSE,),
        1_500,  # the worst of eight worlds: at 500 runs chance alone lifts it over the bar
    ),
    Case(
        "errors 0 -> 100 %, 50/50 and 10 %, no shares stated",
        # The 100 units of the smaller arm, and some luck.
        tuple(
            partial(units, metric=ERROR, rates=(0.0, 1.0), share=share, planned=False)
            for share in (0.5, 0.1)
        ),
        (Bar("median events to the rollback", 1_100, worst(records_to_rollback)),),
        100,
    ),
    Case(
        "errors 1 -> 10 %, 50/50, no shares stated",
        # The mean sequence alone needs its burn-in of 2 000 events first.
        (partial(units, metric=ERROR, rates=(0.01, 0.10), planned=False),),
        (Bar("median events to the rollback", 700, worst(records_to_rollback)),),
        400,
    ),
    Case(
        "A/A assigned 55/45 against 50/50, p 0.1 0.5 0.9",
        # Which arm got too much decides which way a rate is mistaken, so either may be the worse.
        tuple(
            partial(off_plan, rate=rate, share=share)
            for rate in (0.1, 0.5, 0.9)
            for share in (0.55, 0.45)
        ),
        (Bar("rollback before the hold", 0.02, worst(rolled_back)),),
        1_000,
    ),
    Case(
        "errors 1 -> 2 %, 50/50",
        (partial(units, metric=ERROR, rates=(0.01, 0.02)),),
        (Bar("median events to the rollback", 4_700, worst(records_to_rollback)),),
        2_000,
    ),
    Case(
        "errors 1 -> 5 %, 50/50",
        (partial(units, metric=ERROR, rates=(0.01, 0.05)),),
        (Bar("median events to the rollback", 700, worst(records_to_rollback)),),
        2_000,
    ),
    Case(
        "conversion 20 -> 15 %, 50/50",
        (partial(units, metric=CONVERSION, rates=(0.20, 0.15)),),
        (
            Bar("rolled back within 20 000 events", 0.99, worst(rolled_back), at_least=True),
            Bar(
                "median events an arm to the rollback",
                1_300,
                worst(lambda found: records_to_rollback(found) / 2.0),
            ),
        ),
        2_000,
    ),
    Case(
        "sample ratio 55/45 against 50/50",
        (partial(assignments, share=0.55),),
        (Bar("median units to the hold", 1_200, worst(records_to_hold)),),
        2_000,
    ),
    Case(
        "sample ratio 50/50 as planned",
        (partial(assignments, share=0.5),),
        (Bar("held within 20 000 units", 0.01, worst(held)),),
        1_000,
    ),
)
