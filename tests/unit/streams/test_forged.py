"""Somebody who writes commands and is not the processor is told of once an hour, and holds nothing
up.
"""

import asyncio

from schemas.catalog import COMMANDS
from schemas.records import Alert, Order, Severity
from streams.executor.dispatcher import Dispatcher
from streams.executor.forgery_alerts import HOUR_MS, RULE, Forgeries
from streams.executor.rollout.state_machine import RolloutPlan, RolloutStrategy
from streams.executor.targets_config import Sites
from streams.signing.verifier import Refused
from tests.support.builders import CODEC
from tests.support.executor.fakes import MemoryTarget, TurnedClock, command

TOPIC = COMMANDS["DEPLOY"]


def test_one_alert_for_each_topic_and_reason_an_hour() -> None:
    told: list[Alert] = []

    async def tell(alert: Alert) -> None:
        told.append(alert)

    async def storm() -> None:
        clock = TurnedClock()
        alarm = Forgeries(tell, clock)
        for hour in range(2):
            await clock.rest(hour * HOUR_MS / 1_000)
            for reason in ("UNSIGNED", "BAD_SIGNATURE", "UNSIGNED"):
                alarm(TOPIC, command(Order.DEPLOY), reason, "it is not signed")
        await asyncio.sleep(0)

    asyncio.run(storm())
    assert [(each.rule, each.key, each.metric, each.severity) for each in told] == [
        (RULE, TOPIC, reason, Severity.CRITICAL) for reason in ("UNSIGNED", "BAD_SIGNATURE") * 2
    ]
    assert len({each.alert_id for each in told}) == 4
    assert [CODEC.decode("Alert", CODEC.encode(each)) for each in told] == told


def test_a_desk_goes_on_while_nobody_can_be_told() -> None:
    async def never(_: Alert) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        clock, target = TurnedClock(), MemoryTarget(baseline="v1")
        forged, genuine = command(Order.DEPLOY, 1), command(Order.DEPLOY, 2)
        statuses = []

        async def publish(status: object) -> None:
            statuses.append(status)

        desk = Dispatcher(
            CODEC,
            Sites([("shop/*", target, RolloutPlan(RolloutStrategy.IMMEDIATE, 0.0))], []),
            publish,
            clock,
            "executor-0",
            lambda *given: Refused("UNSIGNED", "no") if given[-1].fencing_token == 1 else None,
            Forgeries(never, clock),
        )
        await desk.take(TOPIC, b"shop", CODEC.encode(forged), [])
        assert statuses == []
        await desk.take(TOPIC, b"shop", CODEC.encode(genuine), [])
        assert len(statuses) == 3

    asyncio.run(run())
