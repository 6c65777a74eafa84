"""Language models compared on real questions: each question asked of both arms, one after the
other.

LLMDrift (Chen, Zaharia and Zou 2023) asked the March and the June version of the same model;
RouteLLM asked a champion and a cheaper challenger.
"""

from collections.abc import Sequence

import pytest

from schemas.records import (
    CauseKind,
    Direction,
    FailureAnalysis,
    FailureType,
    MetricKind,
    MetricSpec,
    Order,
    Role,
)
from tests.support.builders import Sent, many, result, spec
from tests.support.shared_data import orders_of, outputs_of, rows_of

OK = MetricSpec("ok", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
VERSIONS, HEAD_TO_HEAD = "llm_versions.csv.gz", "gsm8k_head_to_head.csv"


def answers(control: Sequence[float], treatment: Sequence[float]) -> list[Sent]:
    """Whether each question was answered rightly, by control and then by the treatment."""
    assert len(control) == len(treatment)
    values = [value for pair in zip(control, treatment, strict=True) for value in pair]
    units = [f"question {n // 2} {n % 2}" for n in range(len(values))]
    return many(
        result(metric="ok"),
        len(values),
        variant=["control", "b"] * len(control),
        sum=values,
        unit_id=units,
    )


@pytest.mark.shared_data(VERSIONS)
@pytest.mark.parametrize(
    ("dataset", "min_count"),
    [("counthappynumber", 100), ("leetcode_easy", 20)],  # 500 questions, and 50
)
def test_gpt_4_of_june_is_rolled_back_to_that_of_march(dataset: str, min_count: int) -> None:
    march, june = _answers(dataset, "gpt-4-0314"), _answers(dataset, "gpt-4-0613")
    described = spec(metrics=(OK,), min_count=min_count)
    assert orders_of(outputs_of(described, answers(march, june))) == [Order.ROLLBACK]


@pytest.mark.shared_data(VERSIONS)
@pytest.mark.parametrize(
    ("before", "after", "first", "failing"),
    [
        ("gpt-4-0314", "gpt-4-0613", FailureType.ACCURACY, {"ok"}),
        ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", FailureType.LATENCY, {"latency_s"}),
    ],
)
def test_a_version_is_the_first_cause_and_slower_is_told_from_wrong(
    before: str, after: str, first: FailureType, failing: set[str]
) -> None:
    """Of counting happy numbers: GPT-4 got worse and shorter, GPT-3.5 better and slower."""
    slower = MetricSpec(
        "latency_s", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.LATENCY, limit=30.0
    )
    dearer = MetricSpec(
        "cost_usd", Role.SIGNAL, Direction.LOWER_IS_BETTER, MetricKind.MEAN, cap=1.0
    )
    described = spec(metrics=(OK, slower, dearer), candidate_version=after, baseline_version=before)
    outputs = outputs_of(described, measured(before, after))
    analysis = next(one.record for one in outputs if isinstance(one.record, FailureAnalysis))
    assert analysis.types[0] == first
    assert (analysis.causes[0].kind, analysis.causes[0].name) == (CauseKind.VERSION, after)
    changes = {change.metric: change for change in analysis.changes}
    assert set(changes) == {"ok", "latency_s", "cost_usd"}
    assert failing <= {name for name, change in changes.items() if change.failing}
    assert (first == FailureType.ACCURACY) == (
        "ok" in {name for name, change in changes.items() if change.failing}
    )


def measured(before: str, after: str) -> list[Sent]:
    """Rightness, seconds and dollars of each question, asked of both versions."""
    rows = {model: _rows("counthappynumber", model) for model in (before, after)}
    values = [
        (metric, variant, float(row[metric]), f"question {n} {variant}")
        for n, pair in enumerate(zip(rows[before], rows[after], strict=True))
        for variant, row in zip(("control", "b"), pair, strict=True)
        for metric in ("ok", "latency_s", "cost_usd")
    ]
    metrics, variants, sums, units = zip(*values, strict=True)
    return many(
        result(metric="ok"), len(values), metric=metrics, variant=variants, sum=sums, unit_id=units
    )


@pytest.mark.shared_data(HEAD_TO_HEAD)
def test_a_challenger_that_answers_worse_does_not_replace_the_champion() -> None:
    rows = rows_of(HEAD_TO_HEAD)
    champion, challenger = (
        [float(row[model]) for row in rows]
        for model in ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1")
    )
    assert orders_of(outputs_of(spec(metrics=(OK,)), answers(champion, challenger))) == [
        Order.ROLLBACK
    ]


def _answers(dataset: str, model: str) -> list[float]:
    """Whether each question was answered rightly, by the questions' names, so that two models'
    stand side by side.
    """
    return [float(row["ok"]) for row in _rows(dataset, model)]


def _rows(dataset: str, model: str) -> list[dict[str, str]]:
    own = [row for row in rows_of(VERSIONS) if (row["dataset"], row["model"]) == (dataset, model)]
    return sorted(own, key=lambda row: row["id"])
