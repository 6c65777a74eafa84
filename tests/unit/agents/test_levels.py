"""Levels over the experiments of a subject: e-LOND's, and the false discovery rate that they
keep.
"""

import numpy as np
import pytest

from agents.experiments.plan.frozen_plan import new_experiment
from agents.experiments.plan.terms import levels
from agents.flow.pipeline import apply_policy, fold
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
from tests.support.builders import CODEC, many, piece, result, sent, spec, tables

UP = Direction.HIGHER_IS_BETTER
CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
PAIR = Pair("b", "conversion")


def experiment(
    ordinal: int, discoveries: int, *metrics: MetricSpec, treatments: tuple[str, ...] = ("b",)
) -> ExperimentRow:
    base = new_experiment("bot", "exp", Policy(event_id="", policy_id="p"))
    fields = {"ordinal": ordinal, "discoveries": discoveries, "specified": True, "metrics": metrics}
    return ExperimentRow(
        **{
            **{f: getattr(base, f) for f in base.__dataclass_fields__},
            **fields,
            "treatments": treatments,
        }
    )


@pytest.mark.parametrize(("ordinal", "discoveries"), [(1, 0), (5, 0), (5, 3), (40, 12)])
def test_a_goal_is_deployed_at_alpha_gamma_times_the_discoveries_so_far_and_one(
    ordinal: int, discoveries: int
) -> None:
    harm, gain = levels(experiment(ordinal, discoveries, CONVERSION), PAIR, CONVERSION)
    alpha_i = 0.05 * 6.0 / np.pi**2 / ordinal**2 * (discoveries + 1)
    assert np.isclose(gain, np.log(1.0 / alpha_i))
    assert np.isclose(harm, np.log(1.0 / 0.05))


def test_the_gammas_sum_to_one() -> None:
    gammas = [
        np.exp(np.log(1.0 / 0.05) - levels(experiment(i, 0, CONVERSION), PAIR, CONVERSION)[1])
        for i in range(1, 5_000)
    ]
    assert sum(gammas) == pytest.approx(1.0, abs=1e-3)
    assert sum(gammas) < 1.0


def test_within_an_experiment_alpha_is_shared_by_treatments_and_judged_metrics() -> None:
    error = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE)
    mood = MetricSpec("mood", Role.SIGNAL, UP, MetricKind.MEAN)
    harm, _ = levels(
        experiment(1, 0, CONVERSION, error, mood, treatments=("b", "c", "d")), PAIR, CONVERSION
    )
    assert np.isclose(harm, np.log(6 / 0.05))


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
