"""What the handbook says to do about a dead letter of the wrong kind, done: it works where it says
so, and not elsewhere.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.flow.ingress import REDRIVEN_FROM
from agents.flow.pipeline import fold
from schemas.catalog import METRICS, POLICIES, RESULTS
from schemas.records import (
    Direction,
    ExperimentResult,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Policy,
    Role,
)
from tests.support.builders import CODEC, NOON, Sent, piece
from tests.support.loop import Loop

HANDBOOK = Path(__file__).parents[3] / "docs" / "operations.md"
Made = Callable[[int, float, str], ExperimentResult | ModelMetric]


def result(number: int, total: float, metric: str) -> ExperimentResult:
    return ExperimentResult(
        event_id=f"{metric} {number}",
        subject="shop",
        experiment_id="e",
        variant="b",
        metric=metric,
        sum=total,
        count=1,
        occurred_at=NOON,
    )


def live(number: int, total: float, metric: str) -> ModelMetric:
    return ModelMetric(
        event_id=f"{metric} {number}",
        subject="shop",
        model_version="v1",
        metric=metric,
        sum=total,
        count=1,
        occurred_at=NOON,
    )


def policy(metric: str) -> Policy:
    means = MetricSpec(
        name=metric, role=Role.GUARDRAIL, direction=Direction.LOWER_IS_BETTER, kind=MetricKind.MEAN
    )
    return Policy(event_id="p", policy_id="p", subjects=("*",), metrics=(means,))


def refused(
    loop: Loop,
    topic: str,
    record: ExperimentResult | ModelMetric,
    at: int,
    letter: int | None = None,
) -> str:
    """Why a record is refused, empty where it is applied; letter: the offset that it was redriven
    from.
    """
    headed = () if letter is None else ((REDRIVEN_FROM, f"{topic}/0/{letter}".encode()),)
    effects = fold(
        piece(topic, [Sent(CODEC.encode(record), at, loop.now, headed=headed)]), loop.tables, CODEC
    )
    assert effects.duplicates == 0
    return "".join(str(one.reason) for one in effects.refused)


@pytest.mark.parametrize(
    ("topic", "made", "metric", "accepted", "after"),
    [
        (METRICS, live, "error", 0, ""),
        (METRICS, live, "error", 3, ""),
        (RESULTS, result, "conversion", 0, ""),
        (RESULTS, result, "conversion", 3, "NOT_A_COUNT"),  # its first result fixed its kind
    ],
)
def test_a_policy_with_the_right_kind_and_a_redrive_help_where_no_result_fixed_the_kind(
    topic: str, made: Made, metric: str, accepted: int, after: str
) -> None:
    loop = Loop()
    for number in range(accepted):
        assert refused(loop, topic, made(number, 1.0, metric), number) == ""
    assert refused(loop, topic, made(9, 2.5, metric), 9).startswith("NOT_A_")
    loop.send(POLICIES, [policy(metric)])
    assert refused(loop, topic, made(9, 2.5, metric), 20, letter=9) == after
    loop.send(POLICIES, [policy("another")])
    assert refused(loop, topic, made(9, 2.5, "another"), 30) == "", (
        "another metric's name always helps"
    )


def test_the_handbook_says_so() -> None:
    (row,) = [
        line
        for line in HANDBOOK.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `NOT_A_RATE`")
    ]
    assert re.search(r"results: only before the first one was accepted.*another metric name", row)
