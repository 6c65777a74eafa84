"""Eight experiments of a clothes shop, sent as the running totals that were published, every half
day.

ASOS Digital Experiments Dataset, Liu et al. 2021. What the metrics are was not published, only that
more is better; each experiment has four. The first is taken for the goal, the others for
guardrails: by the formulas of the means alone (four hypotheses, looked at in each snapshot) harm
shows in the first of e4c4a1 at day 7.5, gain in the first of fdaf62 at day 5 with every guardrail's
interval within its margin, and nothing in the others.
"""

from collections import defaultdict
from typing import Any

import pytest

from agents.core.policies import EXPOSURE
from schemas.records import (
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Order,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Verdict,
)
from tests.support.builders import NOON, Sent, many, result, spec
from tests.support.shared_data import decisions_of, orders_of, outputs_of, rows_of

FILE = "asos_experiments.csv.gz"
DAY = 86_400_000  # ms
START = NOON - 100 * DAY  # all of it is past when it is sent
METRICS = tuple(
    MetricSpec(
        f"metric-{n}",
        Role.GOAL if n == 1 else Role.GUARDRAIL,
        Direction.HIGHER_IS_BETTER,
        MetricKind.MEAN,
    )
    for n in range(1, 5)
)
pytestmark = pytest.mark.shared_data(FILE)


def asos(experiment_id: str) -> tuple[ExperimentSpec, list[Sent]]:
    """Its spec, with equal shares, and its snapshots: a set for each moment, exposures first, empty
    ones left out.
    """
    moments: dict[int, dict[tuple[str, str], tuple[int, float, float]]] = defaultdict(dict)
    for row in rows_of(FILE):
        if row["experiment_id"] != experiment_id:
            continue
        totals = moments[START + round(float(row["time_since_start"]) * DAY)]
        for side, variant in (("c", "control"), ("t", f"variant-{row['variant_id']}")):
            count = int(row[f"count_{side}"])
            mean, variance = float(row[f"mean_{side}"]), float(row[f"variance_{side}"])
            if count:
                squares = variance * (count - 1) + count * mean * mean
                totals[f"metric-{row['metric_id']}", variant] = count, mean * count, squares
                totals[EXPOSURE, variant] = count, float(count), float(count)
    variants = sorted(
        {variant for totals in moments.values() for _, variant in totals} - {"control"}
    )
    known = [
        (at, *key, *totals)
        for at in sorted(moments)
        for key, totals in sorted(moments[at].items(), key=lambda item: item[0][0] != EXPOSURE)
    ]
    names = ("occurred_at", "metric", "variant", "count", "sum", "sum_squares")
    columns: dict[str, Any] = dict(zip(names, map(list, zip(*known, strict=True)), strict=True))
    share = 1.0 / (len(variants) + 1)
    even = ShareStep(
        from_=None, shares=tuple(Share(variant, share) for variant in ("control", *variants))
    )
    return (
        spec(
            experiment_id=experiment_id,
            treatments=tuple(variants),
            metrics=METRICS,
            share_steps=(even,),
        ),
        many(result(experiment_id=experiment_id, kind=ResultKind.SNAPSHOT), len(known), **columns),
    )


def test_the_harm_in_e4c4a1_is_rolled_back_by_day_9() -> None:
    outputs = outputs_of(*asos("e4c4a1"))
    assert orders_of(outputs) == [Order.ROLLBACK]
    (found,) = decisions_of(outputs)
    assert found.verdict == Verdict.HARM
    assert found.evidence[0].last_offset < _records_until(9.0, "e4c4a1")


def test_the_gain_in_fdaf62_is_deployed() -> None:
    assert orders_of(outputs_of(*asos("fdaf62"))) == [Order.DEPLOY]


@pytest.mark.parametrize("experiment_id", ["036afc", "3da1aa", "87f410", "8e2cb6", "bac0d3"])
def test_no_clear_effect_orders_nothing(experiment_id: str) -> None:
    outputs = outputs_of(*asos(experiment_id))
    assert orders_of(outputs) == []
    assert [one.verdict for one in decisions_of(outputs)] == []


def test_the_arms_of_64dc88_are_smaller_than_planned_and_held() -> None:
    outputs = outputs_of(*asos("64dc88"))
    assert orders_of(outputs) == []
    assert [one.verdict for one in decisions_of(outputs)] == [Verdict.SPLIT]


def _records_until(day: float, experiment_id: str) -> int:
    """How many snapshots a day's end leaves behind."""
    days = {
        float(row["time_since_start"])
        for row in rows_of(FILE)
        if row["experiment_id"] == experiment_id
    }
    each = 2 * (len(METRICS) + 1)  # of both arms, with their exposure
    return each * sum(one <= day for one in days)
