"""Cases of a ramp: the treatment's share grows in steps while the base rate grows too."""

from functools import partial

import numpy as np

from bench.case import Bar, Case, falsely_decided, rolled_back, worst
from bench.experiments import CONVERSION, experiment
from streams.operations.simulated_tests import MINUTE, NOON, FoundAfter, Records, judged

SHARES = (0.01, 0.05, 0.10, 0.25, 0.50)
STEP = 4_000  # minutes, and as many units
BASE, GROWN = 0.04, 0.12


def ramp(rng: np.random.Generator, experiments: int, kept: float) -> FoundAfter:
    """A unit a minute for 20 000 minutes; the treatment's share is 1, 5, 10, 25, 50 % for 4 000 of
    them each.

    Conversion grows evenly from 4 to 12 % over the run; the treatment keeps `kept` of it. Who does
    not convert says so at once; a conversion comes after a log-normal delay (sigma 1.5, median 800
    minutes: 14 % take longer than a step), and all come in. A record says when its unit was
    assigned.
    """
    units = len(SHARES) * STEP
    assigned = np.broadcast_to(np.arange(units)[:, None], (units, experiments))
    treated = rng.random(assigned.shape) < np.array(SHARES)[assigned // STEP]
    rate = (BASE + (GROWN - BASE) * assigned / units) * np.where(treated, kept, 1.0)
    converted = rng.random(assigned.shape) < rate
    delay = 800.0 * np.exp(1.5 * rng.standard_normal(assigned.shape))
    minute = assigned + np.where(converted, np.ceil(delay), 0.0).astype(np.int64)
    order = np.argsort(minute, axis=0, kind="stable")
    inputs = (treated, converted.astype(float), minute, assigned)
    treated, value, minute, assigned = (np.take_along_axis(each, order, axis=0) for each in inputs)
    steps = [(share, NOON + MINUTE * STEP * number) for number, share in enumerate(SHARES)]
    records = Records(
        (CONVERSION.name,), treated, value, minute=minute, assigned=assigned, unit=assigned
    )
    return judged(experiment(CONVERSION, *steps), records)


def by_hand(
    rng: np.random.Generator,
    experiments: int,
    rates: tuple[float, float],
    kept: float = 1.0,
    shares: tuple[float, ...] = (0.05, 0.25, 0.50),
) -> FoundAfter:
    """A ramp that nobody stated: a unit a minute for 20 000 minutes, who says at once whether it
    converted; the treatment's share grows by even steps, and the rate of both arms goes evenly from
    the first to the second of `rates`; the treatment keeps `kept` of it.
    """
    units = len(SHARES) * STEP
    step = np.arange(units) * len(shares) // units
    treated = rng.random((units, experiments)) < np.array(shares)[step][:, None]
    rate = np.linspace(*rates, units)[:, None] * np.where(treated, kept, 1.0)
    value = (rng.random(treated.shape) < rate).astype(float)
    minute = np.broadcast_to(np.arange(units)[:, None], treated.shape)
    return judged(
        experiment(CONVERSION), Records((CONVERSION.name,), treated, value, minute=minute)
    )


CASES = (
    Case(
        "ramp by hand that nobody stated, base rate triples or falls to a third, A/A",
        tuple(
            partial(by_hand, rates=rates, shares=shares)
            for rates in ((0.04, 0.12), (0.12, 0.04), (0.02, 0.04))
            for shares in ((0.05, 0.25, 0.5), (0.1, 0.5))
        ),
        (Bar("rollback or deployment", 0.05, worst(falsely_decided)),),
        400,
    ),
    Case(
        "ramp by hand that nobody stated, base rate triples, 40 % lost",
        (partial(by_hand, rates=(BASE, GROWN), kept=0.6),),
        (Bar("rolled back", 0.95, worst(rolled_back), at_least=True),),
        200,
    ),
    Case(
        "ramp 1 to 50 %, base rate triples, conversions delayed, A/A",
        (partial(ramp, kept=1.0),),
        (Bar("rollback or deployment", 0.05, worst(falsely_decided)),),
        1_000,
    ),
    # A judge that is silent on ramps would pass the case above.
    Case(
        "ramp 1 to 50 %, base rate triples, conversions delayed, 40 % lost",
        (partial(ramp, kept=0.6),),
        (Bar("rolled back", 0.95, worst(rolled_back), at_least=True),),
        200,
    ),
)
