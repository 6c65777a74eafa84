"""What becomes of a command that comes in, and what is told of it."""

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from schemas.catalog import COMMANDS
from schemas.records import Command, CommandStatus, Order, Status
from schemas.validation.status_checks import check_status
from streams.executor.dispatcher import Dispatcher, Gate, open_gate
from streams.executor.rollout.state_machine import RolloutPlan, RolloutStrategy
from streams.executor.targets_config import Sites
from streams.runtime.errors import MendstreamError
from streams.runtime.metrics import REGISTRY
from tests.support.builders import CODEC, NOON
from tests.support.executor.fakes import SHOP, Killed, MemoryTarget, Mortal, TurnedClock, command

DEPLOY, ROLLBACK = Order.DEPLOY, Order.ROLLBACK


@dataclass(frozen=True)
class Refused:
    reason: str


class Office:
    """A desk with one target, and what it told."""

    def __init__(
        self, plan: RolloutPlan | None = None, gate: Gate = open_gate, **standing: Any
    ) -> None:
        self.target, self.clock = MemoryTarget(**{"baseline": "v1", **standing}), TurnedClock()
        self.told: list[CommandStatus] = []
        self.away = False
        self.plan, self._gate = plan or RolloutPlan(RolloutStrategy.IMMEDIATE, 0.0), gate

    async def publish(self, status: CommandStatus) -> None:
        if self.away:
            raise MendstreamError("No Kafka answers.", "Start one.")
        assert check_status(status) == []
        self.told.append(status)

    def desk(self, target: Any = None) -> Dispatcher:
        sites = Sites([("shop/*", target or self.target, self.plan)], [])
        return Dispatcher(CODEC, sites, self.publish, self.clock, "executor-0", self._gate)

    def take(self, given: Command, order: Order = DEPLOY, target: Any = None) -> None:
        asyncio.run(self.desk(target).take(COMMANDS[order], b"shop", CODEC.encode(given), []))

    @property
    def statuses(self) -> list[tuple[Status, str]]:
        return [(one.status, one.detail) for one in self.told]


def test_a_command_is_acknowledged_carried_out_and_answered_for() -> None:
    office = Office()
    given = command(DEPLOY, token=3, attempt=2)
    office.take(given)
    assert office.statuses == [
        (Status.ACKNOWLEDGED, ""),
        (Status.IN_PROGRESS, "immediate of v2: share=100%"),
        (Status.COMPLETED, "v2 is the baseline: share=100%"),
    ]
    one = office.told[-1]
    assert (one.command_id, one.attempt, one.subject, one.fencing_token) == (
        "deploy-3",
        2,
        "shop",
        3,
    )
    assert (one.reported_at, one.reporter) == (NOON, "executor-0")


def test_a_long_rollout_is_heard_of_at_least_each_minute() -> None:
    office = Office(RolloutPlan(RolloutStrategy.CANARY))
    office.take(command(DEPLOY, expires_at=NOON + 7_200_000))
    moments = [one.reported_at for one in office.told]
    assert max(after - before for before, after in itertools.pairwise(moments)) <= 60_000
    assert moments[-1] - moments[0] == 6 * 600_000
    assert len({one.event_id for one in office.told}) == len(office.told)
    shares = [
        one.detail.partition("share=")[2] for one in office.told if one.status == Status.IN_PROGRESS
    ]
    assert list(dict.fromkeys(shares)) == ["1%", "5%", "10%", "25%", "50%", "100%"]
    steps = [one for one in office.told if one.traffic_share is not None]
    assert [one.traffic_share for one in steps] == [0.01, 0.05, 0.1, 0.25, 0.5, 1.0]
    assert all(
        (one.share_from, one.share_until) == (one.reported_at + 60_000, one.reported_at + 600_000)
        for one in steps
    )


def test_what_is_finished_is_answered_with_what_the_target_remembers() -> None:
    office = Office()
    office.take(command(DEPLOY))
    first, effects = list(office.told), list(office.target.effects)
    office.take(command(DEPLOY))
    again = office.told[len(first) :]
    assert [one.status for one in again] == [Status.ACKNOWLEDGED, Status.COMPLETED]
    assert {one.event_id for one in again} <= {one.event_id for one in first}, (
        "for Mendstream these are duplicates"
    )
    assert office.target.effects == effects


def test_an_executor_that_died_before_it_reported_reports_and_does_not_act_again() -> None:
    office = Office()
    with pytest.raises(Killed):
        office.take(command(DEPLOY), target=Mortal(office.target, 2, after=True))
    effects = list(office.target.effects)
    assert Status.COMPLETED not in [one.status for one in office.told]
    office.take(command(DEPLOY))
    assert office.told[-1].status == Status.COMPLETED
    assert office.target.effects == effects


def test_an_expired_command_is_refused_unless_it_was_begun_in_time() -> None:
    office = Office()
    office.take(command(DEPLOY, expires_at=NOON))
    assert office.statuses[-1] == (Status.REFUSED, "expired at 2023-11-14T22:13:20.000Z")
    assert office.target.effects == []
    begun = Office()
    with pytest.raises(Killed):
        begun.take(command(DEPLOY, expires_at=NOON + 1), target=Mortal(begun.target, 1, after=True))
    begun.clock = TurnedClock(NOON + 10_000)
    begun.take(command(DEPLOY, expires_at=NOON + 1))
    assert begun.told[-1].status == Status.COMPLETED


def test_what_a_gate_lets_not_pass_is_neither_carried_out_nor_answered() -> None:
    seen: list[object] = []

    def gate(
        topic: str, key: bytes | None, value: bytes, headers: object, given: Command
    ) -> Refused:
        seen.append((topic, key, CODEC.decode("DeployCommand", value) == given, headers))
        return Refused("the signature is not valid")

    office = Office(gate=gate)
    office.take(command(DEPLOY))
    assert office.statuses == []
    assert office.target.effects == []
    assert seen == [(COMMANDS[DEPLOY], b"shop", True, [])]


def test_what_is_under_way_and_what_was_reported_is_counted() -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"mendstream_{name}", labels) or 0.0

    statuses = [
        str(status) for status in (Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.COMPLETED)
    ]
    before = [counted("statuses_reported_total", status=status) for status in statuses]
    meanwhile: list[float] = []

    def gate(*_: object) -> None:
        meanwhile.append(counted("commands_under_way"))

    Office(gate=gate).take(command(DEPLOY))
    assert (meanwhile, counted("commands_under_way")) == ([1], 0)
    after = [counted("statuses_reported_total", status=status) for status in statuses]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]


def test_a_dry_run_changes_nothing() -> None:
    office = Office()
    office.take(command(DEPLOY, dry_run=True))
    assert office.statuses == [(Status.COMPLETED, "a dry run: nothing was changed")]
    assert office.target.effects == []


def test_a_stale_command_is_refused_with_the_sentence() -> None:
    office = Office(fencing_token=9, command_id="later")
    office.take(command(ROLLBACK), ROLLBACK)
    assert office.told[-1].status == Status.REFUSED
    assert "changed by command later with fencing token 9" in office.told[-1].detail


@pytest.mark.parametrize("order", [DEPLOY, Order.RETRAIN])
def test_what_others_serve_is_left_to_them(order: Order) -> None:
    office = Office()
    office.take(command(order, target="bot/production"), order)
    assert office.told == []


def test_what_is_no_command_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    for value in (None, b"", b"\x00\x00\x00\x00\x01x"):
        asyncio.run(office.desk().take(COMMANDS[DEPLOY], None, value, []))
    assert office.told == []
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 3


def test_a_fault_of_ours_fails_the_command_and_is_not_raised() -> None:
    office = Office()
    office.target.away = ZeroDivisionError("ours")
    office.take(command(DEPLOY))
    assert office.statuses[-1] == (Status.FAILED, "the executor broke: ZeroDivisionError: ours")


def test_without_kafka_the_command_is_not_done_with() -> None:
    office = Office()
    office.away = True
    with pytest.raises(MendstreamError, match="No Kafka"):
        office.take(command(DEPLOY))
    assert office.target.effects == []


def test_a_command_that_comes_again_while_it_is_carried_out_is_waited_for() -> None:
    office = Office(RolloutPlan(RolloutStrategy.CANARY, 20.0))
    value = CODEC.encode(command(DEPLOY))

    async def both() -> None:
        desk = office.desk()
        await asyncio.gather(*(desk.take(COMMANDS[DEPLOY], b"shop", value, []) for _ in range(3)))

    asyncio.run(both())
    assert [one.status for one in office.told].count(Status.COMPLETED) == 1
    assert [one.share for one in office.target.effects] == [1, 5, 10, 25, 50, 100, 0]


def test_a_rollback_overtakes_the_rollout_that_it_stops() -> None:
    office = Office(RolloutPlan(RolloutStrategy.CANARY))

    async def both() -> None:
        desk, deploy = office.desk(), CODEC.encode(command(DEPLOY))
        later = asyncio.Event()
        office.clock.at(700, later.set)
        going = asyncio.ensure_future(desk.take(COMMANDS[DEPLOY], b"shop", deploy, []))
        await later.wait()
        await desk.take(COMMANDS[ROLLBACK], b"shop", CODEC.encode(command(ROLLBACK, token=2)), [])
        await going

    asyncio.run(both())
    ends = {one.command_id: (one.status, one.detail) for one in office.told}
    assert ends == {
        "deploy-1": (Status.FAILED, "superseded by a rollback, command rollback-2: share=0%"),
        "rollback-2": (Status.COMPLETED, "v2 has no traffic: share=0%"),
    }
    placed = office.target.placed[SHOP]
    assert (placed.baseline, placed.candidate, placed.share) == ("v1", "v2", 0)
