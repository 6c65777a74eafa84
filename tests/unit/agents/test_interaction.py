"""Experiments that overlap: effects that differ are found, named and held, and nothing else is."""

from itertools import product
from math import comb, exp

import numpy as np
import pytest

from agents.flow.pipeline import rebuild
from agents.statistics.interaction import interaction_of
from agents.statistics.odds_ratio import add_block
from schemas.catalog import ALERTS, DECISIONS, RESULTS, SPECS
from schemas.records import (
    Alert,
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
    Verdict,
)
from state.pairs.pair_blocks import NO_BESIDE, WIDTH
from state.storage.table import row_key
from tests.support.builders import result, spec
from tests.support.life import Life
from tests.support.loop import rows

MINUTE = 60_000
CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
POLICY = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)
A, B = (
    spec(
        event_id=name, experiment_id=name, metrics=(CONVERSION,), share_steps=(), treatments=("b",)
    )
    for name in ("a", "b")
)


def groups(*blocks: tuple[int, int, int, int]) -> np.ndarray:
    """One block each: units and hits of the treatment, of control."""
    found = np.zeros((len(blocks), WIDTH))
    for row, block in enumerate(blocks):
        n, x, m, y = map(float, block)
        add_block(found, row, n, x, m, y)
    return found


@pytest.mark.parametrize("ratio", [1.0, 3.0, 0.2])
@pytest.mark.parametrize(("first", "second"), [(0.2, 0.6), (0.05, 0.05)])
def test_one_odds_ratio_in_both_makes_no_evidence_on_average(
    ratio: float, first: float, second: float
) -> None:
    """All outcomes of two blocks are gone through, with their chances."""
    n, m, mean = 3, 2, 0.0
    chances = []
    for control in (first, second):
        odds = ratio * control / (1.0 - control)
        p = odds / (1.0 + odds)
        chances.append(
            {
                (x, y): comb(n, x) * p**x * (1.0 - p) ** (n - x)
                * comb(m, y) * control**y * (1.0 - control) ** (m - y)
                for x, y in product(range(n + 1), range(m + 1))
            }
        )  # fmt: skip
    for (one, chance), (other, beside) in product(chances[0].items(), chances[1].items()):
        found = interaction_of(groups((n, one[0], m, one[1]), (n, other[0], m, other[1])), 0, 1)
        mean += chance * beside * exp(found.log_e)
    assert 0.1 < mean <= 1.0 + 1e-9


def test_effects_that_differ_are_evidence_and_such_as_are_alike_are_none() -> None:
    differs = interaction_of(groups((400, 80, 400, 40), (400, 40, 400, 80)), 0, 1)
    assert differs.log_e > np.log(100.0)
    assert (round(exp(differs.first), 1), round(exp(differs.second), 1)) == (2.2, 0.4)
    alike = interaction_of(groups((400, 80, 400, 40), (400, 160, 400, 92)), 0, 1)
    assert alike.log_e < 0.0


def lived(rate: dict[str, float], units: int, seed: int = 1) -> Life:
    """Two experiments on the same units; rate: of a conversion by the arms in both, "control b"."""
    life, rng = Life(POLICY), np.random.default_rng(seed)
    life.send(SPECS, [A, B])
    send(life, rate, range(units), rng)
    return life


def send(life: Life, rate: dict[str, float], units: range, rng: np.random.Generator) -> None:
    records = []
    for unit in units:
        arms = {name: ("control", "b")[int(rng.integers(2))] for name in ("a", "b")}
        value = float(rng.random() < rate[f"{arms['a']} {arms['b']}"])
        same = {"unit_id": f"u{unit}", "occurred_at": life.now}
        for at, (name, variant) in enumerate(arms.items()):
            records.append(
                result(4 * unit + at, experiment_id=name, variant=variant, metric="exposure",
                       sum=1.0, **same)
            )  # fmt: skip
        for at, (name, variant) in enumerate(arms.items()):
            records.append(
                result(4 * unit + 2 + at, experiment_id=name, variant=variant, sum=value, **same)
            )
    life.send(RESULTS, records)


# Each treatment helps by itself, and both together harm.
CROSSED = {"control control": 0.1, "b control": 0.25, "control b": 0.25, "b b": 0.1}
ALIKE = {"control control": 0.1, "b control": 0.11, "control b": 0.2, "b b": 0.22}


def decisions(life: Life, *verdicts: Verdict) -> list[Decision]:
    found = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    return [one for one in found if one.verdict in verdicts]


def row(life: Life, name: str) -> ExperimentRow:
    found = life.tables.experiments.experiments.get(row_key("bot", name))
    assert found is not None
    return found


def test_effects_that_differ_by_the_other_experiments_arm_are_told_of_both_and_hold_both() -> None:
    life = lived(CROSSED, 2_000)
    life.wait(31 * MINUTE)
    told = {one.experiment_id: one for one in decisions(life, Verdict.UNSTABLE)}
    said = {name: (one.rule, one.order) for name, one in told.items()}
    assert said == dict.fromkeys(("a", "b"), ("experiments interact", Order.NONE))
    assert "no deployment of either is ordered before one of both ends" in told["a"].reason
    assert [(one.kind, one.name) for one in row(life, "a").lacks] == [("INTERACTION", "b")]
    assert [(one.kind, one.name) for one in row(life, "b").lacks] == [("INTERACTION", "a")]
    alerts = [(one.rule, str(one.state)) for one in life.records(ALERTS) if isinstance(one, Alert)]
    assert ("experiments interact", "RAISED") in alerts
    send(life, {name: 0.5 if name[0] == "b" else 0.1 for name in CROSSED},
         range(2_000, 3_000), np.random.default_rng(2))  # fmt: skip
    assert decisions(life, Verdict.GAIN, Verdict.HARM) == []


def test_what_is_held_is_let_go_once_the_other_is_stopped() -> None:
    life = lived(CROSSED, 2_000)
    life.wait(31 * MINUTE)
    stopped = spec(
        event_id="stop", experiment_id="b", metrics=B.metrics, share_steps=(), treatments=("b",),
        status=ExperimentStatus.STOPPED,
    )  # fmt: skip
    life.send(SPECS, [stopped])
    life.wait(31 * MINUTE)
    assert row(life, "a").lacks == ()
    rate = {name: 0.5 if name[0] == "b" else 0.1 for name in CROSSED}
    send(life, rate, range(2_000, 3_000), np.random.default_rng(2))
    orders = [(one.experiment_id, one.order) for one in decisions(life, Verdict.GAIN)]
    assert orders == [("a", Order.DEPLOY)]


def test_a_gain_that_is_proved_before_the_next_look_is_not_deployed_either() -> None:
    rate = {"control control": 0.1, "b control": 0.35, "control b": 0.3, "b b": 0.2}
    life = lived(rate, 4_000)
    (told,) = [one for one in decisions(life, Verdict.GAIN) if one.experiment_id == "a"]
    assert told.order == Order.NONE
    assert "'b' of a changes the odds of 'conversion' " in told.reason


def test_harm_is_rolled_back_all_the_same() -> None:
    life = lived(CROSSED, 2_000)
    life.wait(31 * MINUTE)
    rate = {name: 0.02 if name[0] == "b" else 0.5 for name in CROSSED}
    send(life, rate, range(2_000, 3_000), np.random.default_rng(2))
    assert ("a", Order.ROLLBACK) in [
        (one.experiment_id, one.order) for one in decisions(life, Verdict.HARM)
    ]


def test_effects_that_are_alike_hold_nothing() -> None:
    life = lived(ALIKE, 3_000)
    life.wait(31 * MINUTE)
    assert decisions(life, Verdict.UNSTABLE) == []
    arms = life.tables.experiments.arms
    assert (arms.beside_slot[: len(arms)] != NO_BESIDE).sum() == 2


def test_a_restart_changes_nothing_of_what_is_known() -> None:
    life = lived(CROSSED, 300)
    before = rows(life.tables)
    units = life.tables.experiments.units
    life.restart()
    assert rows(life.tables) == before
    life.tables.experiments.units = units
    arms = life.tables.experiments.arms
    assert (arms.beside_control[: len(arms)] != 0).all()
    rebuild(life.tables)
    assert rows(life.tables) == before
