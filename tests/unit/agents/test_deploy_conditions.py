"""What a policy asks of a deployment beside the evidence, and what a gain says it waits for."""

from dataclasses import replace
from typing import Any

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
    Verdict,
)
from schemas.refusals import Reason
from schemas.validation.policy_checks import check_policy
from state.row_expiry import DAY_MS
from tests.support.builders import result, spec
from tests.support.life import Life

CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE, margin=2.0)
AUTO = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)
HOUR_MS = 3_600_000


def alive(specified: bool, **fields: Any) -> Life:
    life = Life(replace(AUTO, **fields))
    if specified:
        life.send(SPECS, [spec(metrics=(CONVERSION,), share_steps=(), treatments=("b",))])
    return life


def summed(at: int, variant: str, sum_: float, metric: str = "conversion") -> ExperimentResult:
    return result(at, metric=metric, variant=variant, count=1_000, sum=sum_)


def gain(at: int) -> list[ExperimentResult]:
    return [summed(at, "b", 260.0), summed(at + 1, "control", 100.0)]


def decided(life: Life) -> list[Decision]:
    found = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    return [one for one in found if one.verdict == Verdict.GAIN]


def orders(life: Life) -> list[Order]:
    return [one.order for one in decided(life)]


@pytest.mark.parametrize("specified", [True, False])
def test_nothing_is_deployed_before_the_days_of_the_policy_have_passed(specified: bool) -> None:
    life = alive(specified, deploy_after_days=3)
    life.send(RESULTS, gain(0))
    assert orders(life) == [Order.NONE]
    assert "the policy deploys nothing before 2023-11-" in decided(life)[0].reason
    life.wait(3 * DAY_MS - HOUR_MS)
    life.send(RESULTS, gain(2))
    assert orders(life) == [Order.NONE]
    life.wait(2 * HOUR_MS)
    life.send(RESULTS, gain(4))
    assert orders(life) == [Order.NONE, Order.DEPLOY]


def test_a_rollback_never_waits_for_days() -> None:
    life = alive(True, deploy_after_days=3)
    life.send(RESULTS, [summed(0, "b", 10.0), summed(1, "control", 100.0)])
    found = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    assert found[0].order == Order.ROLLBACK


@pytest.mark.parametrize("specified", [True, False])
def test_nothing_is_deployed_without_the_metrics_that_the_policy_asks_for(
    specified: bool,
) -> None:
    life = alive(specified, deploy_needs=("error",), metrics=(ERROR,))
    life.send(RESULTS, gain(0))
    assert orders(life) == [Order.NONE]
    assert "asks for error, of which control and treatment have no" in decided(life)[0].reason
    life.send(RESULTS, [summed(2, "b", 5.0, "error"), *gain(3)])
    assert orders(life) == [Order.NONE]
    life.send(RESULTS, [summed(at, arm, 5.0, "error") for at, arm in ((5, "control"), (6, "b"))])
    life.send(RESULTS, [summed(n, ("control", "b")[n % 2], 5.0, "error") for n in range(7, 67)])
    life.send(RESULTS, gain(67))
    assert orders(life) == [Order.NONE, Order.DEPLOY]


def test_what_is_deployed_does_not_depend_on_a_restart_in_between() -> None:
    found = []
    for restarts in (False, True):
        life = alive(True, deploy_after_days=1, deploy_needs=("mood",))
        life.send(RESULTS, gain(0))
        life.wait(DAY_MS + HOUR_MS)
        if restarts:
            life.restart()
        life.send(RESULTS, [summed(2, "b", 5.0, "mood"), summed(3, "control", 5.0, "mood")])
        if restarts:
            life.restart()
        life.send(RESULTS, gain(4))
        found.append([one.decision_id for one in decided(life)])
    assert found[0] == found[1]
    assert len(found[0]) == 2


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"deploy_after_days": -1}, "deploy_after_days"),
        ({"deploy_after_days": 366}, "deploy_after_days"),
        ({"deploy_needs": tuple(f"m{n}" for n in range(1_000))}, "deploy_needs"),
    ],
)
def test_conditions_out_of_range_are_refused(fields: dict[str, Any], named: str) -> None:
    ((reason, sentence),) = check_policy(replace(AUTO, **fields))
    assert (reason, named in sentence) == (Reason.OUT_OF_RANGE, True)


def test_a_metric_without_a_name_is_refused() -> None:
    assert check_policy(replace(AUTO, deploy_needs=("",)))
