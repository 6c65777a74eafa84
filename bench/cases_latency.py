"""Cases of latency: a few requests that become much slower."""

from functools import partial

import numpy as np

from bench.case import Bar, Case, falsely_decided, records_to_rollback, worst
from bench.experiments import DOWN, experiment
from schemas.records import MetricKind, MetricSpec, Role
from streams.operations.simulated_tests import FoundAfter, Records, judged

SIGMA = 0.5
P99 = float(np.exp(SIGMA * 2.3263478740408408))
STATED = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY, limit=P99)
LEARNED = MetricSpec("latency", Role.GUARDRAIL, DOWN, MetricKind.LATENCY)


def requests(
    rng: np.random.Generator, experiments: int, metric: MetricSpec, slow: float, events: int
) -> FoundAfter:
    """Requests fall to the arms at 50/50, as planned; a latency is log-normal with sigma 0.5.

    Of the treatment's, the share `slow` takes 4 times as long. A stated limit is control's true
    99th percentile.
    """
    treated = rng.random((events, experiments)) < 0.5
    value = np.exp(SIGMA * rng.standard_normal(treated.shape))
    value *= np.where(treated & (rng.random(treated.shape) < slow), 4.0, 1.0)
    return judged(experiment(metric, (0.5, None)), Records((metric.name,), treated, value))


SOON = Bar("median events to the rollback", 4_500, worst(records_to_rollback))

CASES = (
    Case(
        "2 % of requests 4 times slower, limit stated",
        (partial(requests, metric=STATED, slow=0.02, events=20_000),),
        (SOON,),
        1_000,
    ),
    Case(
        "2 % of requests 4 times slower, no limit stated",
        (partial(requests, metric=LEARNED, slow=0.02, events=20_000),),
        (SOON,),
        1_000,
    ),
    Case(
        "requests A/A, no limit stated",
        (partial(requests, metric=LEARNED, slow=0.0, events=20_000),),
        (Bar("rollback or deployment", 0.05, worst(falsely_decided)),),
        1_000,
    ),
)
