"""An experiment that follows a rollout: judged by the shares that deployers report, and by nothing
while these move.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.commands.in_flight import LONGEST_MS, PROGRESS_MS
from agents.commands.lifecycle import AT_WORK
from agents.experiments.plan.terms import Method
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.records import (
    Autonomy,
    Command,
    Decision,
    DeployCommand,
    Direction,
    ExperimentRow,
    MetricKind,
    MetricSpec,
    Order,
    Phase,
    Policy,
    RequestKind,
    Role,
    RollbackCommand,
    Status,
    Verdict,
)
from schemas.validation.spec_checks import STEPS_MAX
from state.storage.table import row_key
from tests.support.builders import CODEC, NOON, Sent, many, piece, result, spec
from tests.support.life import Life

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)
BAKE = 1_000  # ms of a step, of which the first fifth settles
POLICY = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)
SPEC = spec(
    share_steps=(),
    follows_rollout=True,
    metrics=(MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),),
    candidate_version="v2",
)


def trial(**terms: Any) -> tuple[Life, Command]:
    """A person's deployment of what the experiment tries, which a deployer has begun."""
    life = Life(POLICY)
    life.send(SPECS, [replace(SPEC, **terms)])
    life.ask(RequestKind.DEPLOY, experiment_id="exp", variant="b", to_version="v2")
    (command,) = life.issued()
    life.report(command, Status.ACKNOWLEDGED)
    return life, command


def tell(
    life: Life, command: Command, share: float, begins: int, until: int | None = None, **fields: Any
) -> None:
    """Moments: ms after NOON."""
    ends = None if until is None else NOON + until
    said = {"traffic_share": share, "share_from": NOON + begins, "share_until": ends, **fields}
    life.report(command, Status.IN_PROGRESS, **said)


def experiment(life: Life) -> ExperimentRow:
    row = life.tables.experiments.experiments.get(row_key("bot", "exp"))
    assert row is not None
    return row


def steps(life: Life) -> list[tuple[int, float | None]]:
    """From when on, ms after NOON, which share of b; None: unknown."""
    return [
        (
            (step.from_ or 0) - NOON,
            {one.variant: one.share for one in step.shares}.get("b") if step.shares else None,
        )
        for step in experiment(life).rollout_steps
    ]


def results(odds: float, seed: int, n: int = 20_000, moving: float = 1.0) -> list[Sent]:
    """One unit a moment; its base rate triples while b's share rises. moving: odds of b while its
    share is moved.
    """
    rng = np.random.default_rng(seed)
    at = np.sort(rng.random(n)) * len(SHARES)
    step = at.astype(int)
    settled = at - step >= 0.2
    treated = rng.random(n) < np.where(settled, np.array(SHARES)[step], 0.9)
    rate = 0.05 * (1.0 + 2.0 * at / len(SHARES))
    converted = rng.random(n) < np.where(treated, rate * np.where(settled, odds, moving), rate)
    heard = at + rng.exponential(0.5, n)
    order = np.argsort(heard, kind="stable")
    return many(
        result(metric="conversion"),
        n,
        variant=np.where(treated, "b", "control")[order].tolist(),
        sum=converted[order].astype(float),
        assigned_at=(NOON + (at * BAKE).astype(int))[order],
        occurred_at=np.full(n, NOON + len(SHARES) * BAKE),
    )


def judged(odds: float, seed: int, moving: float = 1.0) -> tuple[list[Decision], Life]:
    """Each step is reported before it settles, as its deployer does, and what was heard by then is
    folded before it.
    """
    life, command = trial()
    records = results(odds, seed, moving=moving)
    found: list[Decision] = []
    for n, share in enumerate(SHARES):
        begins = n * BAKE + BAKE // 5
        tell(life, command, share, begins, (n + 1) * BAKE)
        part = records[n * 4_000 : (n + 1) * 4_000]
        outputs = fold(piece(RESULTS, part), life.tables, CODEC).outputs
        found += [one.record for one in outputs if isinstance(one.record, Decision)]
    return found, life


def test_shares_as_reported_make_the_ramp() -> None:
    life, command = trial()
    assert steps(life) == []
    tell(life, command, 0.01, 200, 1_000)
    tell(life, command, 0.05, 1_200, 2_000)
    tell(
        life, command, 0.5, 1_900
    )  # until a command changes it; never before what was told of an earlier moment
    assert steps(life) == [(200, 0.01), (1_000, None), (1_200, 0.05), (2_000, None), (2_000, 0.5)]
    assert [share.share for share in experiment(life).rollout_steps[0].shares] == [0.99, 0.01]


def test_a_rollout_over_a_rising_base_rate_finds_nothing_where_there_is_nothing() -> None:
    found = [one.verdict for seed in range(30) for one in judged(1.0, seed)[0]]
    assert found.count(Verdict.HARM) <= 1  # at most 5 % by the promise
    assert found.count(Verdict.GAIN) <= 2


@pytest.mark.parametrize(("odds", "verdict"), [(0.5, Verdict.HARM), (2.0, Verdict.GAIN)])
def test_a_rollout_finds_what_there_is(odds: float, verdict: Verdict) -> None:
    decisions, _ = judged(odds, seed=3)
    assert [one.verdict for one in decisions] == [verdict]


def test_what_is_assigned_while_a_share_moves_tells_nothing() -> None:
    calm, life = judged(1.0, seed=4, moving=0.0)
    assert calm == []
    arms = life.tables.experiments.arms
    unknown = [
        n
        for n in range(len(arms))
        if arms.keys[n][3:] == ("b", None, "0") or arms.keys[n][5] == "2"
    ]
    assert arms.count[unknown].sum() > 500  # they are counted, and in no share


def test_no_share_is_taken_before_a_report() -> None:
    life, _ = trial()
    harmed = fold(piece(RESULTS, results(0.01, 5, moving=0.01)), life.tables, CODEC)
    assert [one for one in harmed.outputs if isinstance(one.record, Decision)] == []
    arms = life.tables.experiments.arms  # or shares that are reported later would be no use
    assert {
        int(arms.method[n]) for n in range(len(arms)) if arms.keys[n][3:] == ("b", None, None)
    } == {Method.COUNTS}


def test_a_harm_ends_a_trial_though_a_person_began_it() -> None:
    decisions, life = judged(0.2, seed=6)
    assert [(one.order, one.outcome) for one in decisions] == [(Order.ROLLBACK, "ISSUED")]
    assert [row.phase for row in life.rows()] == [Phase.SUPERSEDED, Phase.ISSUED]
    told = len(experiment(life).rollout_steps)
    assert experiment(life).rollout_steps[-1].shares == ()
    (command,) = [row for row in life.rows() if row.order == Order.DEPLOY]
    life.report(
        replace(life.issued()[0], command_id=command.command_id),
        Status.IN_PROGRESS,
        traffic_share=0.5,
    )
    assert len(experiment(life).rollout_steps) == told  # its command is over


def test_without_a_rollout_to_follow_a_persons_target_is_left_to_people() -> None:
    life, _ = trial(follows_rollout=False)
    assert life.find().outcome == "AWAITING_APPROVAL"


@pytest.mark.parametrize("version", [None, "v2"])
def test_a_proved_gain_takes_the_place_of_the_trial(version: str | None) -> None:
    life, command = trial()
    tell(life, command, 0.5, 0)
    proved = life.find(Order.DEPLOY, verdict=Verdict.GAIN, model_version=version, to_version="v2")
    assert proved.outcome == "ISSUED"
    assert isinstance(life.issued()[1], DeployCommand)
    assert life.issued()[1].fencing_token > command.fencing_token
    assert life.row(command.command_id).phase == Phase.SUPERSEDED
    assert steps(life)[-1][1] is None


def test_a_trial_that_stays_inconclusive_is_undone_after_three_days() -> None:
    life, command = trial()
    while life.row(command.command_id).phase in AT_WORK and life.now < NOON + 9 * LONGEST_MS:
        current = [one for one in life.issued() if one.command_id == command.command_id][-1]
        life.report(current, Status.IN_PROGRESS)
        life.wait(PROGRESS_MS // 2)
    assert life.now - NOON == pytest.approx(3 * LONGEST_MS, abs=2 * PROGRESS_MS)
    assert life.row(command.command_id).phase == Phase.COMPENSATING
    undoing = life.issued()[-1]
    assert isinstance(undoing, RollbackCommand)
    assert undoing.compensates == command.command_id


def test_what_is_proved_already_is_not_ordered_twice() -> None:
    life, _ = trial()
    first = life.find(Order.DEPLOY, verdict=Verdict.GAIN)
    again = life.find(Order.DEPLOY, verdict=Verdict.GAIN)
    assert (again.outcome, again.command_id) == ("HELD", first.command_id)


def test_a_person_who_deploys_it_too_proves_nothing() -> None:
    life, command = trial()
    life.ask(RequestKind.DEPLOY, by="bob", experiment_id="exp", variant="b", model_version="v3")
    assert len(life.issued()) == 2
    assert life.row(command.command_id).phase == Phase.SUPERSEDED


@pytest.mark.parametrize(
    "fields", [{"variant": "c"}, {"experiment_id": "other"}, {"environment": "staging"}]
)
def test_a_gain_of_something_else_leaves_the_trial(fields: dict[str, Any]) -> None:
    life, command = trial()
    life.find(Order.DEPLOY, verdict=Verdict.GAIN, **fields)
    assert life.row(command.command_id).phase == Phase.ACKNOWLEDGED


def test_a_share_that_was_to_come_is_taken_back_by_the_next_command() -> None:
    life, command = trial()
    tell(life, command, 0.1, 200, 1_000)
    tell(life, command, 0.25, 1_200, 2_000)
    life.now = NOON + 500
    life.ask(RequestKind.ROLLBACK, experiment_id="exp", variant="b")
    assert isinstance(life.issued()[1], RollbackCommand)
    assert steps(life) == [(200, 0.1), (500, None), (500, 0.25), (500, None)]
    fold(
        piece(RESULTS, many(result(metric="conversion"), 40, assigned_at=[NOON + 1_500] * 40)),
        life.tables,
        CODEC,
    )
    assert {
        key[5]
        for key in map(
            life.tables.experiments.arms.keys.__getitem__, range(len(life.tables.experiments.arms))
        )
    } == {None, "4"}


@pytest.mark.parametrize("status", [Status.FAILED, Status.COMPLETED, Status.REFUSED])
def test_the_end_of_a_deployment_ends_what_is_known_of_its_share(status: Status) -> None:
    life, command = trial()
    tell(life, command, 0.25, 0)
    life.now = NOON + 700
    life.report(command, status)
    assert steps(life)[:2] == [(0, 0.25), (700, None)]


@pytest.mark.parametrize(
    "terms",
    [
        {"follows_rollout": False},
        {"treatments": ("c",)},
        {"environment": "staging"},
        {"experiment_id": "x"},
    ],
)
def test_a_report_tells_only_of_what_its_command_moves(terms: dict[str, Any]) -> None:
    life, command = trial(**terms)
    tell(life, command, 0.25, 0)
    rows = list(life.tables.experiments.experiments.rows())
    assert [row.rollout_steps for row in rows] == [()]


def test_a_report_of_another_attempt_tells_nothing() -> None:
    life, command = trial()
    tell(life, replace(command, attempt=2), 0.25, 0)
    assert steps(life) == []


def test_more_shares_than_are_kept_are_refused_and_the_command_lives() -> None:
    life, command = trial()
    for n in range(STEPS_MAX):
        tell(life, command, 0.25, n * 10, n * 10 + 5)
    assert len(steps(life)) < STEPS_MAX
    assert steps(life)[-1][1] is None
    assert life.refused[-1].startswith("TOO_MANY_STEPS")
    life.report(command, Status.IN_PROGRESS)
    assert life.row(command.command_id).due_at == life.now + PROGRESS_MS


def test_what_was_told_outlives_a_spec_that_is_sent_again_before_the_first_result() -> None:
    life, command = trial()
    tell(life, command, 0.25, 0)
    life.send(SPECS, [replace(SPEC, event_id="again", min_count=50)])
    assert experiment(life).min_count == 50
    assert steps(life) == [(0, 0.25)]
    life.send(SPECS, [replace(SPEC, event_id="once more", follows_rollout=False)])
    assert steps(life) == []


def test_the_same_spec_again_is_no_change() -> None:
    life, command = trial()
    tell(life, command, 0.25, 0)
    fold(piece(RESULTS, many(result(metric="conversion"), 10)), life.tables, CODEC)
    again = life.send(SPECS, [replace(SPEC, event_id="again")])
    assert again == []
    assert steps(life) == [(0, 0.25)]


def test_the_shares_of_what_is_deployed_on_proof_are_unknown_from_when_its_deployer_begins() -> (
    None
):
    life, command = trial()
    tell(life, command, 0.5, 0)
    life.send(
        RESULTS,
        [
            result(n, variant=arm, sum=won, count=50)
            for n, (arm, won) in enumerate([("b", 40.0), ("control", 5.0)] * 20)
        ],
    )
    proved = life.issued()[-1]
    assert isinstance(proved, DeployCommand)
    assert proved.evidence
    life.now += 60_000
    life.report(proved, Status.ACKNOWLEDGED)
    assert steps(life)[-1] == (60_000, None)
    tell(life, proved, 0.75, 61_000)
    assert steps(life)[-1] == (61_000, 0.75)
