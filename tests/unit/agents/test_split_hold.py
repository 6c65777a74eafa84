"""A broken split holds deployments while it lasts, forgives the start, and never holds a proof of
harm.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from agents.core.policies import EXPOSURE
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
    Share,
    ShareStep,
    Verdict,
)
from tests.support.builders import result, spec
from tests.support.life import Life

CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
HALVES = (ShareStep(from_=None, shares=(Share("control", 0.5), Share("b", 0.5))),)
MINUTE = 60_000


class Test:
    """An experiment planned at 50/50 whose units send their exposure and their outcome."""

    __test__ = False

    def __init__(self, seed: int) -> None:
        self.life = Life(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO))
        self.life.send(SPECS, [spec(metrics=(CONVERSION,), share_steps=HALVES, treatments=("b",))])
        self.rng, self.sent = np.random.default_rng(seed), 0

    def send(self, units: int, share: float, control: float = 0.1, treatment: float = 0.1) -> None:
        """So many units, each with this chance to fall to the treatment."""
        records = list(self._units(units, share, {"control": control, "b": treatment}))
        self.life.send(RESULTS, records)

    def _units(
        self, units: int, share: float, rates: dict[str, float]
    ) -> Iterator[ExperimentResult]:
        for _ in range(units):
            arm = "b" if self.rng.random() < share else "control"
            good = float(self.rng.random() < rates[arm])
            for metric, value in ((EXPOSURE, 1.0), ("conversion", good)):
                yield result(
                    self.sent, metric=metric, variant=arm, unit_id=f"u{self.sent // 2}", sum=value
                )
                self.sent += 1

    def found(self) -> list[tuple[Verdict, Order]]:
        return [(one.verdict, one.order) for one in self._decisions()]

    def reasons(self) -> list[str]:
        return [one.reason for one in self._decisions()]

    def _decisions(self) -> list[Decision]:
        return [one for one in self.life.records(DECISIONS) if isinstance(one, Decision)]


@pytest.mark.parametrize("first", [40, 100, 1_000])
def test_units_before_an_arm_came_are_not_held_against_it(first: int) -> None:
    test = Test(1)
    test.send(first, 0.0)
    test.send(2_000, 0.5)
    assert test.found() == []


def test_a_split_that_is_broken_is_held_and_let_go_once_it_is_as_planned() -> None:
    test = Test(2)
    test.send(200, 0.85, 0.1, 0.16)
    assert test.found() == [(Verdict.SPLIT, Order.NONE)]
    for _ in range(4):
        test.send(1_000, 0.5, 0.1, 0.16)
        test.life.wait(2 * MINUTE)
    assert test.reasons()[1].endswith("the split of the last units is as planned: judged again")
    test.send(3_000, 0.5, 0.1, 0.16)
    assert test.found() == [
        (Verdict.SPLIT, Order.NONE),
        (Verdict.SPLIT, Order.NONE),
        (Verdict.GAIN, Order.DEPLOY),
    ]


def test_a_split_that_stays_broken_is_held_for_as_long() -> None:
    test = Test(3)
    test.send(150, 0.9, 0.1, 0.2)
    for _ in range(20):
        test.send(500, 0.6, 0.1, 0.2)
        test.life.wait(2 * MINUTE)
    assert test.found() == [(Verdict.SPLIT, Order.NONE)]
    row = next(iter(test.life.tables.experiments.experiments.rows()))
    assert row.split_window >= 2_000


def test_a_treatment_that_fails_is_rolled_back_though_its_split_is_broken() -> None:
    test = Test(4)
    test.send(200, 0.5)
    test.send(400, 0.8)
    test.send(400, 0.8, 0.1, 0.0)
    assert test.found()[0] == (Verdict.SPLIT, Order.NONE)
    assert (Verdict.HARM, Order.ROLLBACK) in test.found()


def test_what_is_let_go_does_not_depend_on_a_restart_in_between() -> None:
    found = []
    for restarts in (False, True):
        test = Test(5)
        for units, share in ((200, 0.85), (1_000, 0.5), (1_000, 0.5), (2_000, 0.5)):
            test.send(units, share, 0.1, 0.16)
            test.life.wait(2 * MINUTE)
            if restarts:
                test.life.restart()
        test.send(3_000, 0.5, 0.1, 0.16)
        found.append((test.found(), test.reasons()))
    assert found[0] == found[1]
    assert found[0][0][-1] == (Verdict.GAIN, Order.DEPLOY)


def test_arms_that_differ_from_the_plan_together_are_held_at_the_next_look() -> None:
    """Each is within what one comparison with control would allow; all together are not."""
    life = Life(Policy(event_id="p", policy_id="all"))
    arms = {"control": 4_390, "b": 4_590, "c": 4_190, "d": 4_200, "e": 4_600}
    even = (ShareStep(from_=None, shares=tuple(Share(arm, 0.2) for arm in arms)),)
    treatments = ("b", "c", "d", "e")
    life.send(SPECS, [spec(metrics=(CONVERSION,), share_steps=even, treatments=treatments)])
    life.send(
        RESULTS, [result(n, metric=EXPOSURE, variant=arm, sum=1.0) for n, arm in enumerate(arms)]
    )
    sent = np.random.default_rng(6).permutation(np.repeat(list(arms), list(arms.values())))
    life.send(
        RESULTS,
        [
            result(9 + n, metric=EXPOSURE, variant=arm, sum=1.0)
            for n, arm in enumerate(sent.tolist())
        ],
    )
    life.wait(40 * MINUTE)
    held = [
        one
        for one in life.records(DECISIONS)
        if isinstance(one, Decision) and one.verdict == Verdict.SPLIT
    ]
    assert [one.rule for one in held] == ["sample ratio of all arms"]
    assert "control 4 390" in held[0].reason
    (row,) = life.tables.experiments.experiments.rows()
    assert row.due_at == life.now + MINUTE


@pytest.mark.parametrize("size", [250, 1_000])
def test_exposures_that_are_summed_by_minute_are_as_planned_between_two_records(size: int) -> None:
    test = Test(7)
    for minute in range(60):
        records = [
            result(2 * minute + n, metric=EXPOSURE, variant=arm, count=units, sum=float(units))
            for n, arm in enumerate(("control", "b"))
            for units in [int(test.rng.poisson(size))]
        ]
        test.life.send(RESULTS, records)
        test.life.wait(MINUTE)
    assert Verdict.SPLIT not in [verdict for verdict, _ in test.found()]


def test_a_broken_split_of_summed_exposures_is_found() -> None:
    test = Test(8)
    for minute in range(60):
        records = [
            result(2 * minute + n, metric=EXPOSURE, variant=arm, count=units, sum=float(units))
            for n, (arm, units) in enumerate((("control", 500), ("b", 400)))
        ]
        test.life.send(RESULTS, records)
    assert test.found() == [(Verdict.SPLIT, Order.NONE)]


def test_names_that_nobody_planned_do_not_begin_the_test_of_the_split_anew() -> None:
    test = Test(9)
    for number in range(40):
        test.send(20, 0.75)
        stray = result(10**6 + number, metric=EXPOSURE, variant=f"typo-{number}", sum=1.0)
        test.life.send(RESULTS, [stray])
    assert (Verdict.SPLIT, Order.NONE) in test.found()
