"""A canary that tries something is watched by the judge: it tells its shares, and waits for a
verdict with the last of them.
"""

import asyncio
from typing import Any

import pytest

from schemas.records import Evidence, Order, Status
from streams.executor.placement import PlacementPhase
from streams.executor.rollout.controller import Ending
from streams.executor.rollout.promotion import Traffic
from streams.executor.rollout.state_machine import (
    BAKE_SECONDS,
    RAMPS,
    Promotion,
    RolloutPlan,
    RolloutStrategy,
)
from tests.support.builders import NOON
from tests.support.executor.fakes import Carried, MemoryTarget, TurnedClock, command

DEPLOY, ROLLBACK = Order.DEPLOY, Order.ROLLBACK
PROOF = Evidence(
    topic="experiments.results.v1",
    partition=0,
    first_offset=1,
    last_offset=9,
    metric="conversion",
    estimate=0.1,
    low=0.05,
    high=0.2,
    log_e=9.0,
    count=9,
)
DONE = Ending(Status.COMPLETED, "v2 is the baseline: share=100%")
HOUR = 3_600.0


def trial(**fields: Any) -> Any:
    given: dict[str, Any] = {"experiment_id": "exp", "expires_at": NOON + 100 * 3_600_000}
    return command(DEPLOY, **given | fields)


def with_another(
    given: Any, order: Order, after: float
) -> tuple[Carried, Ending, Ending, MemoryTarget]:
    """A person's trial, and another command so many seconds later."""
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()

    async def both() -> tuple[Carried, Ending, Ending]:
        ordered = asyncio.Event()
        clock.at(after, ordered.set)

        async def on_order() -> Ending:
            await ordered.wait()
            return await Carried(order, given, target, RolloutPlan(), clock).run()

        first = Carried(DEPLOY, trial(), target, RolloutPlan(), clock)
        ended, answered = await asyncio.gather(first.run(), on_order())
        return first, ended, answered

    return *asyncio.run(both()), target


@pytest.mark.parametrize("strategy", [RolloutStrategy.ROLLING, RolloutStrategy.CANARY])
def test_each_step_tells_its_share_from_when_it_has_settled_until_it_may_be_moved(
    strategy: RolloutStrategy,
) -> None:
    target, bake = MemoryTarget(baseline="v1"), BAKE_SECONDS[strategy] * 10
    run = Carried(
        DEPLOY,
        command(DEPLOY),
        target,
        RolloutPlan(strategy, bake, settle_seconds=30.0),
        TurnedClock(),
    )
    assert run.ending() == DONE
    steps = [one for one in target.effects if one.phase == PlacementPhase.BAKING]
    assert run.traffic == [
        Traffic(one.share / 100, one.since + 30_000, one.since + int(bake * 1_000)) for one in steps
    ]
    assert all(
        told.ends <= after.since
        for told, after in zip(run.traffic, target.effects[1:], strict=True)
        if told.ends
    )


def test_what_has_no_time_to_settle_tells_no_share() -> None:
    run = Carried(
        DEPLOY,
        command(DEPLOY),
        MemoryTarget(baseline="v1"),
        RolloutPlan(RolloutStrategy.IMMEDIATE, 0.0),
        TurnedClock(),
    )
    assert run.ending() == DONE
    assert run.traffic == []


def test_a_trial_waits_with_half_of_the_traffic_until_the_judge_orders_it() -> None:
    proved = trial(token=2, evidence=(PROOF,))
    run, ended, answered, target = with_another(proved, DEPLOY, after=3 * HOUR)
    assert answered == DONE
    assert (ended.status, ended.step) == (Status.FAILED, "superseded")
    assert [one.share for one in target.effects] == [
        1,
        5,
        10,
        25,
        50,
        50,
        100,
        0,
    ]  # 50 twice: the token alone
    assert run.told[-1] == ("canary of v2: share=50%, until a verdict on exp", "step 4 waits")
    assert [step for _, step in run.told] == [*(f"step {n}" for n in range(5)), "step 4 waits"]
    since = target.effects[4].since
    assert run.traffic[-2:] == [
        Traffic(0.5, since + 60_000, since + 600_000),
        Traffic(0.5, since + 600_000, None),
    ]


@pytest.mark.parametrize("after", [3 * HOUR, 20 * HOUR])
def test_without_a_verdict_a_trial_is_never_promoted(after: float) -> None:
    _, _, answered, target = with_another(
        command(ROLLBACK, 2, expires_at=NOON * 2), ROLLBACK, after
    )
    assert answered.status == Status.COMPLETED
    assert [one.share for one in target.effects] == [1, 5, 10, 25, 50, 0]
    assert target.placed["shop/production"].baseline == "v1"


def test_an_early_verdict_spares_the_wait_and_not_the_steps() -> None:
    run, _, answered, target = with_another(trial(token=2, evidence=(PROOF,)), DEPLOY, after=700.0)
    assert answered == DONE
    assert [one.share for one in target.effects] == [1, 5, 5, 10, 25, 50, 100, 0]
    assert [step for _, step in run.told] == ["step 0", "step 1"]


def test_a_person_may_promote_a_trial_without_a_verdict() -> None:
    own = command(DEPLOY, 2, expires_at=NOON * 2)
    _, _, answered, target = with_another(own, DEPLOY, after=3 * HOUR)
    assert answered == DONE
    assert [one.share for one in target.effects][-3:] == [50, 100, 0]


def test_a_trial_that_falls_ill_while_it_waits_loses_its_traffic() -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    target.sick = lambda _: clock.now_ms() > NOON + 5 * 3_600_000
    ending = Carried(DEPLOY, trial(), target, RolloutPlan(), clock).ending()
    assert (ending.status, target.effects[-1].phase, target.effects[-1].share) == (
        Status.FAILED,
        PlacementPhase.UNDONE,
        0,
    )
    assert [one.share for one in target.effects] == [1, 5, 10, 25, 50, 0]


@pytest.mark.parametrize(
    ("fields", "plan"),
    [
        ({"evidence": (PROOF,)}, RolloutPlan()),
        ({"experiment_id": None}, RolloutPlan()),
        ({"compensates": "a rollback"}, RolloutPlan()),
        ({}, RolloutPlan(promotion=Promotion.HEALTH)),
        *(
            ({}, RolloutPlan(strategy, BAKE_SECONDS[strategy]))
            for strategy in RolloutStrategy
            if strategy != RolloutStrategy.CANARY
        ),
    ],
)
def test_what_has_nothing_to_prove_does_not_wait(fields: dict[str, Any], plan: RolloutPlan) -> None:
    target = MemoryTarget(baseline="v1")
    run = Carried(DEPLOY, trial(**fields), target, plan, TurnedClock())
    assert run.ending() == DONE
    assert [one.share for one in target.effects] == [*RAMPS[plan.strategy], 0]
