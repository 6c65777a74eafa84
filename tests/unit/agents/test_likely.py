"""What is told of an effect beside how large it looks: what it probably is, how it stood at the
verdict, and what a cap cut off.
"""

import numpy as np
import pytest

from agents.experiments.evidence.pair_likely import PULL, drawn_back
from agents.flow.pipeline import refresh
from schemas.catalog import COMMANDS, DECISIONS, RESULTS, SPECS
from schemas.records import (
    ArmRow,
    Autonomy,
    Decision,
    Direction,
    ExperimentRow,
    MetricKind,
    MetricSpec,
    Order,
    Policy,
    Role,
    RollbackCommand,
    Verdict,
)
from tests.support.builders import CODEC, result, spec
from tests.support.life import Life

UP = Direction.HIGHER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
REVENUE = MetricSpec("revenue", Role.GOAL, UP, MetricKind.MEAN, cap=10.0)


def alive(metric: MetricSpec) -> Life:
    life = Life(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO))
    life.send(SPECS, [spec(metrics=(metric,), share_steps=(), treatments=("b",))])
    return life


def summed(life: Life, at: int, control: float, treatment: float) -> None:
    sums = (("control", control), ("b", treatment))
    life.send(
        RESULTS,
        [
            result(at + n, metric="conversion", variant=variant, count=1_000, sum=total)
            for n, (variant, total) in enumerate(sums)
        ],
    )


def row_of(life: Life) -> ArmRow:
    refresh(life.tables)
    rows = [
        CODEC.decode("ArmRow", value) for _, value in life.tables.experiments.arms.snapshot(CODEC)
    ]
    (row,) = [row for row in rows if isinstance(row, ArmRow) and row.variant == "b"]
    return row


def decision_of(life: Life) -> Decision:
    found = (one for one in life.records(DECISIONS) if isinstance(one, Decision))
    return next(one for one in found if one.verdict == Verdict.HARM)


@pytest.mark.parametrize(
    ("z", "part"), [(0.0, 0.0), (1.0, 0.0), (PULL**0.5, 0.0), (3.0, 2 / 3), (-3.0, 2 / 3)]
)
def test_an_effect_is_drawn_towards_none_and_not_beyond(z: float, part: float) -> None:
    assert drawn_back(z * 0.1, 0.1) == pytest.approx(z * 0.1 * part)


def test_what_is_far_beyond_its_error_stays_as_it_is() -> None:
    assert drawn_back(1.0, 0.01) == pytest.approx(1.0, rel=1e-3)


def test_decision_sentence_command_and_rows_tell_the_same_likely_effect() -> None:
    life = alive(CONVERSION)
    summed(life, 0, 300.0, 200.0)
    decision, row = decision_of(life), row_of(life)
    (proof, *_) = decision.evidence
    assert decision.order == Order.ROLLBACK
    assert proof.likely is not None
    assert proof.estimate < proof.likely < 0.0
    assert row.likely == proof.likely
    assert f"(likely {abs(proof.likely) * 100.0:.3g}, interval" in decision.reason
    (command,) = life.records(COMMANDS["ROLLBACK"])
    assert isinstance(command, RollbackCommand)
    assert command.evidence[0].likely == proof.likely


def test_the_effect_at_the_verdict_stays_beside_that_of_now() -> None:
    life = alive(CONVERSION)
    summed(life, 0, 100.0, 260.0)
    at_verdict = row_of(life)
    summed(life, 10, 100.0, 160.0)
    experiment = life.tables.experiments.experiments.get("bot|exp")
    assert isinstance(experiment, ExperimentRow)
    (done,) = experiment.decided
    assert (done.order, done.metric) == (Order.DEPLOY, "conversion")
    assert (done.effect, done.likely) == (at_verdict.effect, at_verdict.likely)
    assert row_of(life).effect == pytest.approx(0.11)
    assert done.effect == pytest.approx(0.16)


def test_what_a_cap_cuts_off_is_told() -> None:
    life, rng = alive(REVENUE), np.random.default_rng(3)
    values = np.where(rng.random(6_000) < 0.05, 20.0, 5.0 + rng.random(6_000))
    values[1::2] = np.where(values[1::2] < 10.0, values[1::2] - 2.0, 20.0)
    records = [
        result(at, metric="revenue", variant=("control", "b")[at % 2], sum=float(value))
        for at, value in enumerate(values)
    ]
    life.send(RESULTS, records)
    decision = decision_of(life)
    assert decision.order == Order.ROLLBACK
    given = values[: decision.evidence[0].count]
    share = np.maximum(given - 10.0, 0.0).sum() / given.sum()
    assert f", the cap 10 cuts off {share:.1%} of the sum)" in decision.reason
    assert row_of(life).cut_off == np.maximum(values[1::2] - 10.0, 0.0).sum()
