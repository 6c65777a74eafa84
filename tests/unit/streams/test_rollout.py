"""Rollouts against a target in memory: each strategy, each way out of it, and death at each
step.
"""

import asyncio
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from schemas.records import FailureCause, Order, Status
from streams.executor.placement import (
    FINISHED_MAX,
    PlacementPhase,
    StaleToken,
    TargetState,
    Unreachable,
    Unusable,
)
from streams.executor.rollout.controller import Ending
from streams.executor.rollout.state_machine import (
    BAKE_SECONDS,
    MOVES,
    RAMPS,
    RolloutEvent,
    RolloutPlan,
    RolloutStrategy,
)
from streams.executor.targets.file_target import FileTarget
from tests.support.executor.fakes import (
    SHOP,
    Carried,
    Killed,
    MemoryTarget,
    Mortal,
    TurnedClock,
    carried,
    command,
)

DEPLOY, ROLLBACK = Order.DEPLOY, Order.ROLLBACK
STEPS = [(strategy, step) for strategy, ramp in RAMPS.items() for step in range(len(ramp))]
DONE = Ending(Status.COMPLETED, "v2 is the baseline: share=100%")


def plan(strategy: RolloutStrategy = RolloutStrategy.CANARY) -> RolloutPlan:
    return RolloutPlan(strategy, BAKE_SECONDS[strategy])


def brief(strategy: RolloutStrategy) -> RolloutPlan:
    """For targets on a disk, so that they are not looked at some hundred times."""
    return RolloutPlan(strategy, min(BAKE_SECONDS[strategy], 10.0))


def shares(target: MemoryTarget) -> list[tuple[PlacementPhase, str, str, int]]:
    return [(one.phase, one.baseline, one.candidate, one.share) for one in target.effects]


@pytest.mark.parametrize("strategy", RolloutStrategy)
def test_a_healthy_candidate_goes_up_its_ramp_and_becomes_the_baseline(
    strategy: RolloutStrategy,
) -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    run = Carried(DEPLOY, command(DEPLOY), target, plan(strategy), clock)
    began = clock.now_ms()
    assert run.ending() == DONE
    ramp = RAMPS[strategy]
    assert shares(target) == [
        *((PlacementPhase.BAKING, "v1", "v2", share) for share in ramp),
        (PlacementPhase.PROMOTED, "v2", "", 0),
    ]
    assert run.told == [
        (f"{strategy} of v2: share={share}%", f"step {n}") for n, share in enumerate(ramp)
    ]
    assert clock.now_ms() - began == len(ramp) * BAKE_SECONDS[strategy] * 1_000


def test_a_canary_takes_the_steps_and_the_time_that_are_promised() -> None:
    assert RAMPS[RolloutStrategy.CANARY] == (1, 5, 10, 25, 50, 100)
    assert RolloutPlan().bake_seconds == 600.0


@pytest.mark.parametrize(("strategy", "step"), STEPS)
def test_an_unhealthy_candidate_loses_its_traffic_at_each_step(
    strategy: RolloutStrategy, step: int
) -> None:
    target = MemoryTarget(baseline="v1")
    target.sick = lambda placed: placed.step == step
    share = RAMPS[strategy][step]
    assert carried(DEPLOY, command(DEPLOY), target, plan(strategy)) == Ending(
        Status.FAILED,
        f"v2 was unhealthy at {share} % of the traffic and was rolled back: share=0%",
        cause=FailureCause.CANDIDATE,
    )
    assert shares(target)[-1] == (PlacementPhase.UNDONE, "v1", "v2", 0)
    assert len(target.effects) == step + 2


def test_a_candidate_that_starts_slowly_is_not_yet_sick() -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    target.sick = lambda placed: clock.now_ms() - placed.since < 55_000
    run = Carried(DEPLOY, command(DEPLOY), target, plan(RolloutStrategy.IMMEDIATE), clock)
    assert run.ending() == DONE


@pytest.mark.parametrize(
    ("strategy", "step"), [each for each in STEPS if each[0] != RolloutStrategy.IMMEDIATE]
)
def test_a_rollback_of_the_judge_stops_the_promotion_at_each_step(
    strategy: RolloutStrategy, step: int
) -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()

    async def both() -> tuple[Ending, Ending]:
        rollback = Carried(ROLLBACK, command(ROLLBACK, token=2), target, plan(strategy), clock)
        ordered = asyncio.Event()
        clock.at((step + 0.5) * BAKE_SECONDS[strategy], ordered.set)

        async def on_order() -> Ending:
            await ordered.wait()
            return await rollback.run()

        deploy = Carried(DEPLOY, command(DEPLOY), target, plan(strategy), clock)
        first, second = await asyncio.gather(deploy.run(), on_order())
        return first, second

    deployed, rolled_back = asyncio.run(both())
    what = "superseded by a rollback, command rollback-2: share=0%"
    assert deployed == Ending(Status.FAILED, what, "superseded", FailureCause.SUPERSEDED)
    assert rolled_back == Ending(Status.COMPLETED, "v2 has no traffic: share=0%")
    assert shares(target)[-1] == (PlacementPhase.ROLLED_BACK, "v1", "v2", 0)
    assert len(target.effects) == step + 2


def test_a_rollback_takes_the_traffic_at_once_without_asking_for_health() -> None:
    target, clock = MemoryTarget(baseline="v1", candidate="v2", share=50), TurnedClock()
    target.sick = lambda _: True
    now = clock.now_ms()
    assert (
        Carried(ROLLBACK, command(ROLLBACK), target, plan(), clock).ending().status
        == Status.COMPLETED
    )
    assert shares(target) == [(PlacementPhase.ROLLED_BACK, "v1", "v2", 0)]
    assert clock.now_ms() == now


def test_a_bad_baseline_gives_way_to_the_version_that_the_command_names() -> None:
    target = MemoryTarget(baseline="v2")
    assert carried(ROLLBACK, command(ROLLBACK, to_version="v1"), target, plan()).detail == (
        "v1 serves in place of v2: share=0%"
    )
    assert shares(target) == [(PlacementPhase.ROLLED_BACK, "v1", "v2", 0)]


def test_a_bad_baseline_stays_where_nothing_can_take_its_place() -> None:
    target = MemoryTarget(baseline="v2", fencing_token=4, command_id="before")
    given = command(ROLLBACK, token=5)
    failed = Ending(
        Status.REFUSED, "v2 is the baseline, and the command names no version to put in its place"
    )
    assert carried(ROLLBACK, given, target, plan()) == failed
    assert target.effects == []
    assert carried(ROLLBACK, given, target, plan()) == failed
    assert replace(target.placed[SHOP], finished=()) == TargetState(
        baseline="v2", fencing_token=4, command_id="before"
    )


def test_what_is_the_baseline_already_is_not_rolled_out() -> None:
    target = MemoryTarget(baseline="v2")
    assert carried(DEPLOY, command(DEPLOY), target, plan()).status == Status.COMPLETED
    assert [
        (one.baseline, one.candidate, one.share, one.fencing_token) for one in target.effects
    ] == [("v2", "", 0, 1)]


@pytest.mark.parametrize("order", [DEPLOY, ROLLBACK])
def test_what_keeps_the_baseline_ends_an_older_rollout(order: Order) -> None:
    """A deployment of what serves already, or a rollback of it to nothing: the candidate does not
    take its place.
    """
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    with pytest.raises(Killed):
        carried(DEPLOY, command(DEPLOY), Mortal(target, 2, True), plan(), clock)
    newer = command(order, token=2, variant=None, model_version="v1")
    ending = carried(order, newer, target, plan(), clock)
    assert ending.status == (Status.COMPLETED if order == DEPLOY else Status.REFUSED)
    assert carried(DEPLOY, command(DEPLOY), target, plan(), clock).cause == FailureCause.UNKNOWN
    placed = target.placed[SHOP]
    assert (placed.baseline, placed.share, placed.fencing_token) == ("v1", 0, 2)


@pytest.mark.parametrize(("standing", "token"), [(3, 2), (3, 3)])
def test_a_stale_token_is_refused(standing: int, token: int) -> None:
    target = MemoryTarget(baseline="v1", fencing_token=standing, command_id="later")
    for order in (DEPLOY, ROLLBACK):
        ending = carried(order, command(order, token=token), target, plan())
        assert (ending.status, ending.step) == (Status.REFUSED, "stale")
        assert "fencing token 3" in ending.detail
    assert target.effects == []


def test_a_target_refuses_a_late_writer_by_itself() -> None:
    target = MemoryTarget(baseline="v1", fencing_token=3, command_id="later")
    with pytest.raises(StaleToken, match="later than token 2"):
        asyncio.run(target.write(SHOP, target.placed[SHOP], TargetState(fencing_token=2)))


@pytest.mark.parametrize("order", [DEPLOY, ROLLBACK])
def test_the_same_command_twice_has_one_effect_and_one_answer(order: Order) -> None:
    target = MemoryTarget(baseline="v1", candidate="v2", share=10)
    first = carried(order, command(order), target, plan())
    effects = list(target.effects)
    assert carried(order, command(order), target, plan()) == first
    assert (
        carried(
            order,
            command(order, token=9, command_id=command(order).command_id, attempt=2),
            target,
            plan(),
        )
        == first
    )
    assert target.effects == effects


@pytest.mark.parametrize(
    ("strategy", "dies_at", "after"),
    [
        (s, n, after)
        for s in RolloutStrategy
        for n, after in product(range(1, len(RAMPS[s]) + 2), (False, True))
    ],
)
def test_killed_at_each_step_and_resumed_it_has_one_effect(
    tmp_path: Path, strategy: RolloutStrategy, dies_at: int, after: bool
) -> None:
    target, clock = FileTarget(tmp_path), TurnedClock()
    with pytest.raises(Killed):
        carried(DEPLOY, command(DEPLOY), Mortal(target, dies_at, after), brief(strategy), clock)
    assert carried(DEPLOY, command(DEPLOY), target, brief(strategy), clock) == DONE
    done = [(one["step"], one["share"], one["phase"]) for one in target.effects(SHOP)]
    ramp = RAMPS[strategy]
    assert done == [
        *((n, share, "BAKING") for n, share in enumerate(ramp)),
        (len(ramp) - 1, 0, "PROMOTED"),
    ]


def test_a_restart_with_another_strategy_goes_on_with_the_one_it_began() -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    with pytest.raises(Killed):
        carried(DEPLOY, command(DEPLOY), Mortal(target, 2, True), plan(), clock)
    assert carried(DEPLOY, command(DEPLOY), target, plan(RolloutStrategy.IMMEDIATE), clock) == DONE
    assert [one.share for one in target.effects] == [1, 5, 10, 25, 50, 100, 0]


def test_a_later_attempt_goes_on_where_the_one_before_it_is() -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    with pytest.raises(Killed):
        carried(DEPLOY, command(DEPLOY), Mortal(target, 3, True), plan(), clock)
    again = command(DEPLOY, token=2, command_id="deploy-1", attempt=2)
    assert carried(DEPLOY, again, target, plan(), clock) == DONE
    assert [one.share for one in target.effects] == [
        1,
        5,
        10,
        10,
        25,
        50,
        100,
        0,
    ]  # 10 twice: the token alone
    assert [(one.attempt, one.fencing_token) for one in target.effects[2:4]] == [(1, 1), (2, 2)]


def test_a_candidate_that_failed_is_not_tried_again_by_a_later_attempt() -> None:
    target = MemoryTarget(baseline="v1")
    target.sick = lambda _: True
    first = carried(DEPLOY, command(DEPLOY), target, plan())
    assert (first.status, first.cause) == (Status.FAILED, FailureCause.CANDIDATE)
    target.sick = lambda _: False
    effects = list(target.effects)
    again = command(DEPLOY, token=2, command_id="deploy-1", attempt=2)
    for given in (command(DEPLOY), again):
        assert carried(DEPLOY, given, target, plan()) == first
    assert target.effects == effects


def test_what_failed_for_the_target_is_done_by_a_later_attempt() -> None:
    target = MemoryTarget(baseline="v1")
    target.away = Unreachable("no answer")
    assert carried(DEPLOY, command(DEPLOY), target, plan()).cause == FailureCause.DEPLOYER
    target.away = None
    again = command(DEPLOY, token=2, command_id="deploy-1", attempt=2)
    assert carried(DEPLOY, again, target, plan()) == DONE


def test_a_target_that_is_away_at_first_fails_the_command() -> None:
    target = MemoryTarget(baseline="v1")
    target.away = Unreachable("no answer")
    assert carried(DEPLOY, command(DEPLOY), target, plan()) == Ending(
        Status.FAILED, "no answer", "unusable", FailureCause.DEPLOYER
    )


@pytest.mark.parametrize("fault", [Unreachable("no answer"), Unusable("403")])
def test_a_rollout_under_way_is_not_left_alone_while_its_target_is_away(fault: Unusable) -> None:
    target, clock = MemoryTarget(baseline="v1"), TurnedClock()
    clock.at(700, lambda: setattr(target, "away", fault))
    clock.at(900, lambda: setattr(target, "away", None))
    run = Carried(DEPLOY, command(DEPLOY), target, plan(), clock)
    assert run.ending() == DONE
    assert (str(fault), "out of reach") in run.told


def test_a_target_remembers_a_bounded_number_of_ends() -> None:
    target = MemoryTarget(baseline="v1")
    for token in range(1, 2 * FINISHED_MAX):
        carried(ROLLBACK, command(ROLLBACK, token=token), target, plan())
    assert len(target.placed[SHOP].finished) == FINISHED_MAX


def test_the_table_lets_commands_come_at_any_time_and_the_rest_only_under_way() -> None:
    commands = {
        (phase, event)
        for phase in PlacementPhase
        for event in (RolloutEvent.DEPLOY, RolloutEvent.ROLLBACK)
    }
    assert set(MOVES) == commands | {
        (PlacementPhase.BAKING, event)
        for event in (RolloutEvent.BAKED, RolloutEvent.PASSED, RolloutEvent.SICK)
    }
    assert {to for (_, event), to in MOVES.items() if event == RolloutEvent.ROLLBACK} == {
        PlacementPhase.ROLLED_BACK
    }


class Torn(MemoryTarget):
    """A target of two requests: what stands is kept by the first, and the traffic is moved by the
    second, which may fail.
    """

    def __init__(self, fails: list[BaseException | None], **standing: str) -> None:
        super().__init__(**standing)
        self.fails, self.moved, self.moves = fails, self.placed[SHOP], list[TargetState]()

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        done = await super().write(name, expected, wanted)
        if done and self.moved != wanted:
            if self.fails and (fault := self.fails.pop(0)) is not None:
                raise fault
            self.moved = wanted
            self.moves.append(wanted)
        return done


@pytest.mark.parametrize("order", [ROLLBACK, DEPLOY])
def test_an_end_is_told_only_once_all_that_leads_to_it_is_done(order: Order) -> None:
    now = plan(RolloutStrategy.IMMEDIATE)
    refused = Torn([Unusable("no right to the status")] * 2, baseline="v1")
    for attempt in (1, 2):
        ending = carried(
            order, command(order, token=attempt, command_id="one", attempt=attempt), refused, now
        )
        assert (ending.status, ending.cause) == (Status.FAILED, FailureCause.DEPLOYER)
    ending = carried(order, command(order, token=3, command_id="one", attempt=3), refused, now)
    assert ending.status == Status.COMPLETED
    assert refused.moved == refused.placed[SHOP]
    away = Torn([Unreachable("no answer")] * 3, baseline="v1")
    assert carried(order, command(order), away, now).status == Status.COMPLETED
    assert away.moved == away.placed[SHOP]


def test_who_dies_before_the_last_request_of_a_rollback_leaves_it_to_the_next() -> None:
    target = Torn([Killed()], baseline="v1")
    with pytest.raises(Killed):
        carried(ROLLBACK, command(ROLLBACK), target, plan())
    left = target.moved.phase
    assert carried(ROLLBACK, command(ROLLBACK), target, plan()).status == Status.COMPLETED
    assert (left, target.moved.phase) == (PlacementPhase.IDLE, PlacementPhase.ROLLED_BACK)


@pytest.mark.parametrize("step", range(len(RAMPS[RolloutStrategy.CANARY]) + 1))
def test_each_step_of_a_ramp_is_whole_before_it_bakes(step: int) -> None:
    target = Torn([*[None] * step, Unreachable("no answer")], baseline="v1")
    assert carried(DEPLOY, command(DEPLOY), target, plan()).status == Status.COMPLETED
    assert [one.share for one in target.moves] == [*RAMPS[RolloutStrategy.CANARY], 0]
