"""What a target's own server tells is bounded, refused with a sentence, and never asked for again
without a rest.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import FailureCause, Order, Status
from streams.executor.placement import PlacementPhase, TargetState, Unusable
from streams.executor.rollout.controller import Ending
from streams.executor.rollout.state_machine import RolloutPlan, RolloutStrategy
from streams.executor.targets.placement_json import from_dict, to_dict
from tests.support.builders import NOON
from tests.support.executor.fakes import SHOP, Carried, TurnedClock, command

SOUND = TargetState(
    baseline="v1",
    candidate="v2",
    share=5,
    command_id="deploy-1",
    attempt=1,
    fencing_token=1,
    phase=PlacementPhase.BAKING,
    strategy="canary",
    step=1,
    since=NOON,
)
PLANS = [
    RolloutPlan(),
    RolloutPlan(RolloutStrategy.IMMEDIATE, 0.0),
    RolloutPlan(RolloutStrategy.CANARY, 0.0),
]
SECONDS = 3_600


class Server:
    """A target whose server answers as it likes. tells: what stands, each time it is asked; kept:
    what it takes.
    """

    def __init__(self, clock: TurnedClock, tells: Iterator[Any]) -> None:
        self.asked: list[int] = []
        self._clock, self._tells = clock, tells

    async def read(self, _name: str) -> TargetState:
        self.asked.append(self._clock.now_ms())
        return from_dict("GET http://t/shop", next(self._tells))

    async def write(self, _name: str, _expected: TargetState, _wanted: TargetState) -> bool:
        self.asked.append(self._clock.now_ms())
        return True

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, _name: str) -> bool:
        return True


def always(*told: Any) -> Iterator[Any]:
    while True:
        yield from told


def carried(
    order: Order, plan: RolloutPlan, tells: Iterator[Any]
) -> tuple[Ending, Server, Carried]:
    clock = TurnedClock()
    server = Server(clock, tells)
    run = Carried(order, command(order, token=1 + (order == Order.ROLLBACK)), server, plan, clock)
    ending = asyncio.run(run.run())
    return ending, server, run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": -1}, "step -1, which is not in [0, 63]"),
        ({"step": 6}, "step 6 of the strategy 'canary'"),
        ({"step": 64}, "step 64, which is not in [0, 63]"),
        ({"share": -500}, "share -500, which is not in [0, 100]"),
        ({"share": 101}, "share 101"),
        ({"attempt": -1}, "attempt -1"),
        ({"fencing_token": -1}, "fencing_token -1"),
        ({"fencing_token": 2**60}, "fencing_token 1152921504606846976"),
        ({"since": -1}, "since -1"),
        ({"strategy": "yolo"}, "step 1 of the strategy 'yolo'"),
        ({"strategy": "immediate"}, "step 1 of the strategy 'immediate'"),
        ({"candidate": ""}, "for ''"),
        ({"candidate": "v" * 600}, "names too long"),
        (
            {
                "finished": [
                    {"command_id": "c", "attempt": n, "status": "FAILED", "detail": ""}
                    for n in range(99)
                ]
            },
            "99",
        ),
        ({"phase": "PARTY"}, "phase"),
        ({"share": "much"}, "share"),
    ],
)
@pytest.mark.parametrize("order", [Order.DEPLOY, Order.ROLLBACK])
def test_nonsense_is_refused_with_a_sentence(
    change: dict[str, Any], said: str, order: Order
) -> None:
    ending, server, run = carried(
        order, RolloutPlan(), always(json.loads(json.dumps(to_dict(SOUND) | change)))
    )
    assert (ending.status, ending.cause) == (Status.FAILED, FailureCause.DEPLOYER)
    assert said in ending.detail or said == "99"
    assert "GET http://t/shop" in ending.detail
    assert (len(server.asked), run.traffic) == (1, [])


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("order", [Order.DEPLOY, Order.ROLLBACK])
@pytest.mark.parametrize(
    "stands", [TargetState(baseline="v1"), SOUND, replace(SOUND, since=0), replace(SOUND, step=5)]
)
def test_a_server_that_keeps_nothing_is_given_up_after_some_rests(
    stands: TargetState, order: Order, plan: RolloutPlan
) -> None:
    ending, server, _ = carried(order, plan, always(to_dict(stands)))
    assert (ending.status, ending.step, ending.cause) == (
        Status.FAILED,
        "not kept",
        FailureCause.DEPLOYER,
    )
    assert len(server.asked) < 200


def test_a_step_that_is_yet_to_come_is_no_step() -> None:
    ending, server, _ = carried(
        Order.DEPLOY, RolloutPlan(), always(to_dict(replace(SOUND, since=NOON + 10**9)))
    )
    assert "yet to come" in ending.detail
    assert len(server.asked) == 1


_LIES = st.builds(
    replace,
    st.just(SOUND),
    baseline=st.sampled_from(["", "v1", "v2"]),
    candidate=st.sampled_from(["v2", "v3"]),
    share=st.integers(0, 100),
    command_id=st.sampled_from(["", "deploy-1", "rollback-1", "other"]),
    fencing_token=st.integers(0, 3),
    phase=st.sampled_from(PlacementPhase),
    strategy=st.sampled_from(["canary", "rolling"]),
    step=st.integers(0, 3),
    since=st.sampled_from([0, NOON - 10**9, NOON]),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(_LIES, min_size=1, max_size=6),
    st.sampled_from([Order.DEPLOY, Order.ROLLBACK]),
    st.sampled_from(PLANS),
)
def test_whatever_a_server_tells_it_ends_and_is_never_asked_without_rests(
    lies: list[TargetState], order: Order, plan: RolloutPlan
) -> None:
    ending, server, run = carried(order, plan, always(*map(to_dict, lies)))
    assert ending.status != Status.UNKNOWN
    busiest = max(server.asked.count(moment) for moment in server.asked)
    assert busiest <= 40, "a loop without a rest"
    assert all(0 <= one.share <= 1 for one in run.traffic)


def test_what_this_program_wrote_is_read_again() -> None:
    assert from_dict("x", to_dict(SOUND)) == SOUND
    with pytest.raises(Unusable, match="does not hold what stands there"):
        from_dict("x", [])
    assert SHOP == "shop/production"
