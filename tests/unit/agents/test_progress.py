"""Why nothing is decided of an experiment yet, and what would end that."""

from dataclasses import replace

from agents.experiments.verdicts.progress_wording import gain_needs, progress
from agents.flow.pipeline import refresh
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    ArmRow,
    Autonomy,
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
)
from tests.support.builders import CODEC, result, spec
from tests.support.life import Life

CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE)
TERMS = spec(metrics=(CONVERSION, ERROR), share_steps=(), treatments=("b",))
MINUTE_MS = 60_000


def lived(*sums: tuple[str, str, float], count: int = 1_000) -> Life:
    life = Life(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO))
    life.send(SPECS, [TERMS])
    for at, (metric, variant, total) in enumerate(sums):
        life.send(RESULTS, [result(at, metric=metric, variant=variant, count=count, sum=total)])
    return life


def rows(life: Life) -> tuple[ExperimentRow, list[ArmRow]]:
    refresh(life.tables)
    experiment = life.tables.experiments.experiments.get("bot|exp")
    assert experiment is not None
    arms = [
        CODEC.decode("ArmRow", value) for _, value in life.tables.experiments.arms.snapshot(CODEC)
    ]
    return experiment, [row for row in arms if isinstance(row, ArmRow)]


def said(life: Life) -> str:
    return "\n".join(progress(*rows(life)))


def test_before_the_first_result_that_is_what_is_missing() -> None:
    assert said(lived()) == "No result has come yet; the first one begins it."


def test_each_metric_says_how_much_evidence_there_is_and_is_needed() -> None:
    life = lived(("conversion", "control", 100.0), ("conversion", "b", 115.0))
    (sentence,) = [one for one in said(life).splitlines() if one.startswith("b, conversion")]
    assert "looks +1.5 points (likely " in sentence
    assert "; evidence of harm e = 0.188 where 40 proves it, of gain e = 0.839 where " in sentence
    assert " where 66.7 does; some " in sentence
    assert "more units for a verdict if it is what it looks like, " in sentence
    assert sentence.endswith(" in eight of ten such tests.")


def test_too_few_units_are_told_as_such() -> None:
    life = lived(("conversion", "control", 4.0), ("conversion", "b", 4.0), count=40)
    assert "; 120 more units for the least count." in said(life)


def test_the_level_of_a_gain_is_told_with_its_reason() -> None:
    life = lived(("conversion", "control", 100.0), ("conversion", "b", 115.0))
    experiment, _ = rows(life)
    (sentence,) = gain_needs(experiment)
    assert sentence == (
        "A gain needs evidence of 66.7: it is experiment 1 of its subject, after 0 with a "
        "deployment, which leaves it 0.3 of alpha 0.05."
    )
    assert sentence in said(life)
    assert gain_needs(replace(experiment, metrics=(ERROR,))) == []


def test_what_is_lacking_is_told_with_the_moment_since_when_it_is() -> None:
    life = lived(*(("conversion", "control", 100.0) for _ in range(3)))
    life.wait(31 * MINUTE_MS)
    assert "It lacks arm b since 2023-11-14" in said(life)


def test_an_order_and_an_end_are_told() -> None:
    life = lived(("conversion", "control", 300.0), ("conversion", "b", 200.0))
    assert "Rollback of b was ordered." in said(life)
    assert "; it is proved." in said(life)
    life.send(SPECS, [replace(TERMS, event_id="stop", status=ExperimentStatus.STOPPED)])
    assert "It is stopped: nothing more is judged." in said(life)
