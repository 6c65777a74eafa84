"""Of several treatments that are better than control one is deployed, the best of those proved."""

import numpy as np
import pytest

from schemas.catalog import DECISIONS, RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentResult,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    Status,
    Verdict,
)
from tests.support.builders import result, spec
from tests.support.life import Life

CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
THREE = spec(metrics=(CONVERSION,), share_steps=(), treatments=("b", "c"))
AUTO = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)


def alive() -> Life:
    life = Life(AUTO)
    life.send(SPECS, [THREE])
    return life


def summed(at: int, variant: str, sum_: float, count: int = 1_000) -> ExperimentResult:
    return result(at, metric="conversion", variant=variant, count=count, sum=sum_)


def found(life: Life) -> list[tuple[str | None, Verdict, Order]]:
    decisions = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    return [(one.variant, one.verdict, one.order) for one in decisions]


@pytest.mark.parametrize(("b", "c", "best"), [(200.0, 260.0, "c"), (260.0, 200.0, "b")])
def test_of_two_that_one_record_proves_the_better_is_deployed_and_the_other_is_told(
    b: float, c: float, best: str
) -> None:
    life = alive()
    life.send(RESULTS, [summed(0, "b", b), summed(1, "c", c), summed(2, "control", 100.0)])
    other = {"b": "c", "c": "b"}[best]
    assert found(life) == [
        (best, Verdict.GAIN, Order.DEPLOY),
        (other, Verdict.GAIN, Order.NONE),
    ]
    held = [one for one in life.records(DECISIONS) if isinstance(one, Decision)][1]
    assert f"treatment {best} is deployed, and only its rollback ends this" in held.reason
    assert [one.variant for one in life.issued()] == [best]


def test_what_is_proved_later_is_told_and_never_deployed_over_the_first() -> None:
    life, rng = alive(), np.random.default_rng(1)
    rates = {"control": 0.1, "b": 0.25, "c": 0.18}
    arms = [("control", "b", "c")[n % 3] for n in range(9_000)]
    records = [
        result(n, metric="conversion", variant=arm, sum=float(rng.random() < rates[arm]))
        for n, arm in enumerate(arms)
    ]
    life.send(RESULTS, records[:6_000])
    assert found(life) == [("b", Verdict.GAIN, Order.DEPLOY), ("c", Verdict.GAIN, Order.NONE)]
    life.report(life.issued()[-1], Status.COMPLETED)
    life.send(RESULTS, records[6_000:])
    assert len(found(life)) == 2
