"""The bound of false discoveries of a subject: what its experiments are charged, what they give
back, and that it holds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from agents.experiments.plan.discovery_budget import (
    alpha_part_of,
    begun,
    charge_of,
    given_back,
    left_of,
    next_alpha_part,
    settled,
)
from agents.experiments.plan.frozen_plan import new_experiment
from agents.flow.pipeline import refresh
from schemas.catalog import DECISIONS, RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    SubjectRow,
)
from tests.support.builders import result, spec
from tests.support.life import Life

NEW = SubjectRow("bot", 0, 0)
CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
Draw = Callable[[np.random.Generator, float], float]


def one(subject: SubjectRow) -> tuple[SubjectRow, ExperimentRow]:
    """The subject, and the row of an experiment that began with it."""
    after, part = begun(subject)
    row = new_experiment("bot", "exp", Policy(event_id="", policy_id="p"))
    discoveries, ordinal = subject.discoveries, after.experiments
    return after, replace(row, ordinal=ordinal, discoveries=discoveries, alpha_part=part)


def level(row: ExperimentRow) -> float:
    return float(-np.log(0.05 * alpha_part_of(row)))


def test_the_worked_example_of_the_module() -> None:
    subject, first = one(NEW)
    assert np.exp(level(first)) == pytest.approx(20.0 / 0.3)
    subject = settled(subject, first, given_back(np.log(0.5), level(first), False), False)
    assert left_of(subject) == pytest.approx(0.85)
    subject, second = one(subject)
    assert np.exp(level(second)) == pytest.approx(20.0 / 0.1275)
    subject = settled(subject, second, given_back(np.log(160.0), level(second), True), True)
    assert left_of(subject) == pytest.approx(0.85)
    assert subject.discoveries == 1
    subject, third = one(subject)
    assert charge_of(third) == pytest.approx(0.085)
    assert alpha_part_of(third) == pytest.approx(0.17)


def test_an_overshoot_gives_back_no_more_than_it_has() -> None:
    over = given_back(np.log(100.3), np.log(100.0), True)
    assert over == pytest.approx(0.3)
    assert given_back(np.log(100.0), np.log(100.0), True) == 0.0
    assert given_back(np.log(1e9), np.log(100.0), True) == 1.0
    assert given_back(-700.0, np.log(100.0), False) == pytest.approx(0.0)
    assert given_back(3.0, np.log(100.0), False) == 1.0


def test_a_subject_of_an_older_release_goes_on_with_what_its_experiments_left() -> None:
    old = SubjectRow("bot", 5, 1)
    spent = 6.0 / np.pi**2 * sum(1.0 / i**2 for i in range(1, 6))
    assert left_of(old) == pytest.approx(1.0 - spent)
    assert next_alpha_part(old) == pytest.approx(2.0 * (1.0 - spent) * 0.3 / 6.0)
    after, row = one(old)
    assert after.spent == pytest.approx(spent + charge_of(row))
    assert after.next_alpha_part == pytest.approx(next_alpha_part(after))


def test_never_is_more_charged_than_there_is_nor_a_level_above_alpha() -> None:
    rng, subject = np.random.default_rng(5), NEW
    for _ in range(2_000):
        subject, row = one(subject)
        assert 0.0 <= subject.spent <= 1.0
        assert 0.0 < alpha_part_of(row) <= 1.0
        found = rng.random() < 0.3
        subject = settled(subject, row, given_back(rng.normal(2.0, 4.0), 1.0, found), found)
        assert 0.0 <= left_of(subject) <= 1.0


def all_or_nothing(rng: np.random.Generator, least: float) -> float:
    """An e-value that passes its level as often as an e-value may."""
    return least if rng.random() < 1.0 / least else 0.0


def log_normal(rng: np.random.Generator, _least: float) -> float:
    return float(np.exp(rng.normal(-4.5, 3.0)))


def lucky(rng: np.random.Generator, least: float) -> float:
    """One that is a hundredth short of its level as often as it may, and gives all of its charge
    back then.
    """
    almost = 0.99 * least
    return almost if rng.random() < 1.0 / almost else 0.0


@pytest.mark.parametrize("null", [all_or_nothing, log_normal, lucky])
@pytest.mark.parametrize("better", [0.0, 0.2, 0.8])
def test_of_a_subjects_discoveries_a_share_of_at_most_alpha_is_false(
    null: Draw, better: float
) -> None:
    rng = np.random.default_rng(9)
    shares = [_false_share(rng, null, better) for _ in range(300)]
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.05 + 2.0 * error


def _false_share(rng: np.random.Generator, null: Draw, better: float) -> float:
    subject, false = NEW, 0
    for _ in range(100):
        subject, row = one(subject)
        is_better, least = rng.random() < better, float(np.exp(level(row)))
        e = float(np.exp(rng.normal(8.0, 3.0))) if is_better else null(rng, least)
        found = e >= least
        false += found and not is_better
        log_e = np.log(e) if e > 0.0 else -700.0
        subject = settled(subject, row, given_back(float(log_e), level(row), found), found)
    return false / max(1, subject.discoveries)


def alive(*metrics: MetricSpec) -> Life:
    life = Life(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO))
    life.send(SPECS, [spec(metrics=metrics, share_steps=(), treatments=("b",))])
    return life


def subject_of(life: Life) -> SubjectRow:
    found = life.tables.subjects.subjects.get("bot")
    assert found is not None
    return found


def summed(life: Life, control: float, treatment: float, metric: str = "conversion") -> None:
    sums = (("control", control), ("b", treatment))
    life.send(
        RESULTS,
        [
            result(at, metric=metric, variant=variant, count=1_000, sum=total)
            for at, (variant, total) in enumerate(sums)
        ],
    )


def stop(life: Life, *metrics: MetricSpec) -> None:
    status = ExperimentStatus.STOPPED
    terms = {"metrics": metrics, "share_steps": (), "treatments": ("b",), "status": status}
    life.send(SPECS, [spec(event_id="stop", **terms)])


def test_an_experiment_that_is_stopped_gives_back_what_its_e_value_leaves() -> None:
    life = alive(CONVERSION)
    summed(life, 100.0, 100.0)
    before = subject_of(life)
    assert before.spent == pytest.approx(0.3)
    assert before.experiments == 1
    stop(life, CONVERSION)
    after = subject_of(life)
    refresh(life.tables)
    arms = life.tables.experiments.arms
    (row,) = [row for row in range(len(arms)) if arms.keys[row][3] == "b"]
    assert after.spent == pytest.approx(0.3 * (1.0 - np.exp(arms.log_e_gain[row])))


def test_a_deployment_is_a_discovery_and_gives_back_its_overshoot_once() -> None:
    life = alive(CONVERSION)
    summed(life, 100.0, 260.0)
    orders = [one.order for one in life.records(DECISIONS) if isinstance(one, Decision)]
    assert orders == [Order.DEPLOY]
    after = subject_of(life)
    assert after.discoveries == 1
    assert after.spent == pytest.approx(0.0, abs=1e-9)
    assert after.next_alpha_part == pytest.approx(0.15 * 2)
    stop(life, CONVERSION)
    assert subject_of(life) == after
