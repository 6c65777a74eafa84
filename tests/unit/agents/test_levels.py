"""Levels of harm and gain, and the false discovery rate that those of gains keep over the
experiments of a subject.
"""

from dataclasses import replace

import numpy as np
import pytest

from agents.experiments.plan.frozen_plan import new_experiment
from agents.experiments.plan.terms import level_parts, levels
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    Decision,
    Direction,
    ExperimentRow,
    MetricKind,
    MetricSpec,
    Order,
    Pair,
    Policy,
    Role,
)
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from tests.support.builders import CODEC, apply_policy, many, piece, result, sent, spec, tables

UP = Direction.HIGHER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE)
MOOD = MetricSpec("mood", Role.SIGNAL, UP, MetricKind.MEAN)
PAIR = Pair("b", "conversion")


def experiment(
    ordinal: int, discoveries: int, *metrics: MetricSpec, treatments: tuple[str, ...] = ("b",)
) -> ExperimentRow:
    judged = [one.name for one in metrics if one.role in (Role.GOAL, Role.GUARDRAIL)]
    return replace(
        new_experiment("bot", "exp", Policy(event_id="", policy_id="p")),
        ordinal=ordinal,
        discoveries=discoveries,
        specified=True,
        metrics=metrics,
        treatments=treatments,
        pairs=tuple(Pair(treatment, metric) for treatment in treatments for metric in judged),
    )


def levels_of(row: ExperimentRow, pair: Pair = PAIR) -> tuple[float, float]:
    spec = next(metric for metric in row.metrics if metric.name == pair.metric)
    return levels(row, pair, spec, level_parts(row))


@pytest.mark.parametrize(("part", "discoveries"), [(0.2, 0), (0.01, 3), (1.0, 40)])
def test_a_goal_is_deployed_at_the_part_of_alpha_that_its_experiment_has(
    part: float, discoveries: int
) -> None:
    harm, gain = levels_of(replace(experiment(7, discoveries, CONVERSION), alpha_part=part))
    assert np.isclose(gain, np.log(1.0 / (0.05 * part)))
    assert np.isclose(harm, np.log(1.0 / 0.05))


@pytest.mark.parametrize(("ordinal", "discoveries"), [(1, 0), (5, 0), (5, 3), (40, 12)])
def test_an_experiment_that_an_older_release_began_keeps_its_level(
    ordinal: int, discoveries: int
) -> None:
    harm, gain = levels_of(experiment(ordinal, discoveries, CONVERSION))
    alpha_i = 0.05 * 6.0 / np.pi**2 / ordinal**2 * (discoveries + 1)
    assert np.isclose(gain, np.log(1.0 / alpha_i))
    assert np.isclose(harm, np.log(1.0 / 0.05))


def test_within_an_experiment_alpha_is_shared_by_treatments_and_judged_metrics() -> None:
    row = experiment(1, 0, CONVERSION, ERROR, MOOD, treatments=("b", "c", "d"))
    harm, _ = levels_of(row)
    assert np.isclose(harm, np.log(6 / 0.05))


def test_a_gain_shares_its_level_with_other_goals_alone() -> None:
    row = experiment(1, 0, CONVERSION, ERROR, MOOD, treatments=("b", "c", "d"))
    _, gain = levels_of(replace(row, alpha_part=0.2))
    assert np.isclose(gain, np.log(3 / (0.05 * 0.2)))
    assert levels_of(replace(row, alpha_part=0.2), Pair("b", "error"))[1] == np.inf


def test_without_a_spec_goals_are_counted_apart_from_guardrails() -> None:
    pairs = (Pair("b", "error"), Pair("b", "conversion"), Pair("c", "conversion"))
    row = replace(
        experiment(1, 0, CONVERSION, ERROR), specified=False, treatments=(), pairs=pairs,
        alpha_part=0.2,
    )  # fmt: skip
    found = [levels_of(row, pair) for pair in pairs]
    assert np.allclose([harm for harm, _ in found], np.log(np.array([2, 6, 12]) / 0.05))
    assert np.allclose([gain for _, gain in found[1:]], np.log(np.array([2, 6]) / 0.01))


def play(
    state: PartitionState, number: int, rate: float, rng: np.random.Generator, n: int = 3_000
) -> bool:
    """One experiment of the subject to its end; whether it was deployed."""
    name = f"exp{number}"
    one = spec(event_id=event_uuid("spec", number), experiment_id=name, metrics=(CONVERSION,))
    fold(piece(SPECS, sent([one])), state, CODEC)
    treated = rng.random(n) < 0.5
    hits = rng.random(n) < np.where(treated, rate, 0.3)
    ids = [f"{number} {i}" for i in range(n)]
    records = many(
        result(metric="conversion", experiment_id=name), n, number * n,
        event_id=ids, variant=np.where(treated, "b", "control").tolist(), sum=hits.astype(float),
    )  # fmt: skip
    outputs = fold(piece(RESULTS, records), state, CODEC).outputs
    return any(
        isinstance(one.record, Decision) and one.record.order == Order.DEPLOY for one in outputs
    )


def test_over_many_experiments_of_a_subject_few_discoveries_are_false_and_the_row_counts_them() -> (
    None
):
    rng = np.random.default_rng(4)
    state = tables()
    apply_policy(
        CODEC.encode(Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)), state, CODEC
    )
    gains = rng.random(120) < 0.2
    deployed = np.array(
        [play(state, number, 0.42 if gain else 0.3, rng) for number, gain in enumerate(gains)]
    )
    assert deployed[gains].mean() >= 0.7
    assert (deployed & ~gains).sum() / max(1, deployed.sum()) <= 0.05
    subject = state.subjects.subjects.get(row_key("bot"))
    assert subject is not None
    assert (subject.experiments, subject.discoveries) == (120, deployed.sum())
    last = state.experiments.experiments.get(row_key("bot", "exp119"))
    assert last is not None
    assert last.discoveries == deployed[:-1].sum()
