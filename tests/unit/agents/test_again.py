"""A verdict is open again until its command is COMPLETED for real; what is deployed is judged on
for harm.
"""

from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest

from agents.commands.lifecycle import FINAL
from agents.flow.reopened_verdicts import RULE
from schemas.catalog import ALERTS, DECISIONS, METRICS, RESULTS, SPECS
from schemas.records import (
    Alert,
    Autonomy,
    Command,
    Decision,
    DeployCommand,
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Order,
    Outcome,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    Role,
    RollbackCommand,
    Status,
    Verdict,
)
from state.storage.table import row_key
from tests.support.builders import metric, result, spec
from tests.support.life import Life

MINUTE, HOUR = 60_000, 3_600_000
CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE, margin=1.0)
SPEC = spec(metrics=(CONVERSION, ERROR), candidate_version="v2", baseline_version="v1")
AUTO = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO, retrain=Autonomy.AUTO)
ASKING = replace(AUTO, rollback=Autonomy.APPROVE)
_ids = count()


def judged(policy: Policy = AUTO, **terms: Any) -> Life:
    life = Life(policy)
    life.send(SPECS, [replace(SPEC, **terms)])
    return life


def send(
    life: Life, n: int, errors: tuple[float, float], conversions: tuple[float, float] = (0.1, 0.1)
) -> None:
    """n units an arm in summed records of 50; of each metric the rates of control and treatment."""
    records = [
        result(
            next(_ids),
            variant=variant,
            metric=name,
            count=50,
            sum=float(round(50 * rates[arm])),
            occurred_at=life.now,
        )
        for _ in range(n // 50)
        for name, rates in (("error", errors), ("conversion", conversions))
        for arm, variant in enumerate(("control", "b"))
    ]
    life.send(RESULTS, records)


def harm(life: Life, n: int = 1_000) -> None:
    send(life, n, (0.04, 0.6))


def experiment(life: Life) -> ExperimentRow:
    found = life.tables.experiments.experiments.get(row_key("bot", "exp"))
    assert found is not None
    return found


def decisions(life: Life, *verdicts: Verdict) -> list[Decision]:
    found = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    return [one for one in found if not verdicts or one.verdict in verdicts]


def unserved(life: Life) -> list[Decision]:
    return [one for one in decisions(life) if one.rule == RULE]


def alerts(life: Life, rule: str = "verdict unserved") -> list[str]:
    found = [one for one in life.records(ALERTS) if isinstance(one, Alert)]
    return [str(one.state) for one in found if one.rule == rule]


def rollbacks(life: Life) -> list[str]:
    return list(
        dict.fromkeys(one.command_id for one in life.issued() if isinstance(one, RollbackCommand))
    )


def fail_for_good(life: Life) -> None:
    """The last command, at each of its attempts."""
    for _ in range(3):
        life.report(life.issued()[-1], Status.FAILED, detail="no route")
        life.wait(5_000)


def expire(life: Life) -> None:
    life.wait(8 * MINUTE)
    life.wait(8 * MINUTE)


def time_out(life: Life) -> None:
    for wait in (5, 10, 45):
        life.wait(wait * MINUTE)


def refuse(life: Life) -> None:
    life.report(life.issued()[-1], Status.REFUSED)


@pytest.mark.parametrize(
    ("policy", "end", "phase"),
    [
        (ASKING, expire, Phase.EXPIRED),
        (AUTO, time_out, Phase.TIMED_OUT),
        (AUTO, fail_for_good, Phase.FAILED),
        (AUTO, refuse, Phase.REFUSED),
    ],
)
def test_a_proved_harm_whose_command_ended_badly_is_ordered_again(
    policy: Policy, end: Any, phase: Phase
) -> None:
    life = judged(policy)
    harm(life)
    (first,) = life.rows()
    end(life)
    harm(life, 12_000)
    life.wait(1_000)
    assert life.row(first.command_id).phase == phase
    (told,) = unserved(life)
    assert (told.verdict, told.order, told.outcome) == (Verdict.HARM, Order.NONE, Outcome.HELD)
    assert f"{phase}" in told.reason
    assert "ordered again at once" in told.reason
    assert told.command_id == first.command_id
    assert alerts(life) == ["RAISED"]
    second = life.rows()[1]
    assert (second.order, second.variant) == (Order.ROLLBACK, "b")
    assert second.phase == (Phase.PENDING_APPROVAL if policy is ASKING else Phase.ISSUED)


def test_it_is_ordered_again_though_no_further_result_comes() -> None:
    life = judged()
    harm(life)
    refuse(life)
    assert len(rollbacks(life)) == 1
    life.wait(1_000)
    assert len(rollbacks(life)) == 2
    again = decisions(life, Verdict.HARM)[-1]
    first = decisions(life, Verdict.HARM)[0]
    assert (again.order, again.outcome) == (Order.ROLLBACK, Outcome.ISSUED)
    assert again.evidence[0].count >= first.evidence[0].count
    assert again.decision_id != first.decision_id
    assert experiment(life).decided[0].command_id == rollbacks(life)[1]


def test_it_is_not_ordered_again_once_its_command_is_completed() -> None:
    life = judged()
    harm(life)
    refuse(life)
    life.wait(1_000)
    life.report(life.issued()[-1], Status.COMPLETED)
    harm(life, 5_000)
    life.wait(2 * HOUR)
    assert len(rollbacks(life)) == 2
    assert alerts(life) == ["RAISED", "RESOLVED"]


def test_a_dead_deployer_is_given_rests_that_double_up_to_an_hour() -> None:
    life = judged()
    harm(life)
    seen, moments = 1, [life.now]
    for _ in range(6 * 60):
        if life.row(life.issued()[-1].command_id).phase not in FINAL:
            refuse(life)
        harm(life, 50)
        life.wait(MINUTE)
        if len(rollbacks(life)) > seen:
            seen, moments = len(rollbacks(life)), [*moments, life.now]
    rests = [(b - a) // MINUTE for a, b in pairwise(moments)]
    assert rests[:7] == [1, 1, 2, 4, 8, 16, 32]
    assert set(rests[7:]) == {60}


def test_a_harm_that_no_longer_stands_is_not_ordered_again() -> None:
    life = judged()
    send(life, 300, (0.04, 0.16))
    assert len(rollbacks(life)) == 1
    send(life, 60_000, (0.10, 0.10))
    refuse(life)
    life.wait(1_000)
    life.wait(2 * HOUR)
    assert len(rollbacks(life)) == 1
    assert experiment(life).decided[0].open
    assert alerts(life) == ["RAISED", "RESOLVED"]
    harm(life, 60_000)
    assert len(rollbacks(life)) == 2


def test_a_harm_of_which_no_result_comes_any_more_stays_unserved_until_it_is_answered() -> None:
    life = judged()
    harm(life)
    for _ in range(16):
        if life.row(life.issued()[-1].command_id).phase not in FINAL:
            refuse(life)
        life.wait(HOUR)
    assert alerts(life) == ["RAISED"]
    before = len(rollbacks(life))
    harm(life)
    assert len(rollbacks(life)) == before + 1
    life.report(life.issued()[-1], Status.COMPLETED)
    assert alerts(life) == ["RAISED", "RESOLVED"]


@pytest.mark.parametrize("by", ["reject", "cancel"])
def test_a_persons_no_stands_until_its_time_is_over_and_the_units_have_doubled(by: str) -> None:
    life = judged(ASKING)
    harm(life)
    (row,) = life.rows()
    if by == "reject":
        life.review(row, ReviewVerdict.REJECT)
    else:
        life.ask(RequestKind.CANCEL, command_id=row.command_id)
    (told,) = unserved(life)
    assert (
        "a person said no: ordered again after 60 minutes at least, at twice as many units"
        in told.reason
    )
    assert alerts(life) == []
    harm(life, 12_000)
    life.wait(59 * MINUTE)
    assert len(life.rows()) == 1
    life.wait(MINUTE)
    assert [one.phase for one in life.rows()][1:] == [Phase.PENDING_APPROVAL]
    life.review(life.rows()[1], ReviewVerdict.REJECT)
    harm(life, 1_000)
    life.wait(24 * HOUR)
    assert len(life.rows()) == 2


def test_a_dry_run_is_no_answer() -> None:
    life = judged(replace(AUTO, max_age_ms=0))
    life.now += 1
    life.wait(1)
    old = life.now
    life.now -= 1  # as records of a backlog are: appended before the partition's clock
    harm(life)
    life.now = old
    (command,) = [one for one in life.issued() if isinstance(one, RollbackCommand)]
    assert command.dry_run
    life.report(command, Status.COMPLETED)
    (told,) = unserved(life)
    assert "was a dry run" in told.reason
    harm(life)
    assert [one.dry_run for one in life.issued()] == [True, False]


def test_what_a_person_stopped_is_ordered_no_more() -> None:
    life = judged()
    harm(life)
    life.send(SPECS, [replace(SPEC, event_id="stop", status=ExperimentStatus.STOPPED)])
    refuse(life)
    harm(life)
    life.wait(2 * HOUR)
    assert len(rollbacks(life)) == 1
    assert "its experiment was stopped" in unserved(life)[0].reason


def gain(life: Life) -> Command:
    send(life, 3_000, (0.04, 0.04), (0.1, 0.3))
    (command,) = life.issued()
    assert isinstance(command, DeployCommand)
    return command


def test_harm_that_shows_while_the_canary_bakes_undoes_the_deployment_at_once() -> None:
    life = judged()
    command = gain(life)
    life.report(command, Status.IN_PROGRESS, traffic_share=0.1)
    send(life, 3_000, (0.04, 0.3), (0.1, 0.3))
    found = decisions(life, Verdict.HARM)
    assert [(one.order, one.outcome, one.variant) for one in found] == [
        (Order.ROLLBACK, Outcome.ISSUED, "b")
    ]
    assert life.row(command.command_id).phase == Phase.SUPERSEDED
    rollback = life.issued()[-1]
    assert isinstance(rollback, RollbackCommand)
    assert (rollback.target, rollback.to_version) == (command.target, "v1")
    assert rollback.fencing_token > command.fencing_token
    assert [(one.variant, one.order) for one in experiment(life).decided] == [("b", Order.ROLLBACK)]


def test_harm_after_a_deployment_is_judged_without_the_shares_that_the_rollout_moves() -> None:
    """Nine in ten units go to the treatment of a split stated as half and half, and nothing is
    worse.
    """
    life = judged()
    life.report(gain(life), Status.IN_PROGRESS, traffic_share=0.9)
    for _ in range(200):
        records = [("control", 50), *[("b", 50)] * 9]
        life.send(
            RESULTS,
            [
                result(next(_ids), variant=v, metric=m, count=n, sum=float(round(n * rate)))
                for v, n in records
                for m, rate in (
                    ("error", 0.04),
                    ("conversion", 0.1 if v == "control" else 0.3),
                    ("exposure", 1.0),
                )
            ],
        )
    assert {one.verdict for one in decisions(life)} == {Verdict.GAIN}


def test_harm_after_the_rollout_has_ended_well_is_rolled_back() -> None:
    life = judged()
    life.report(gain(life), Status.COMPLETED)
    life.wait(24 * HOUR)
    send(life, 4_000, (0.04, 0.3), (0.1, 0.3))
    assert [one.order for one in decisions(life, Verdict.HARM)] == [Order.ROLLBACK]


def test_what_only_changed_with_the_time_of_day_undoes_no_deployment_by_itself() -> None:
    """At night errors are twice as many, and only the treatment has units by then."""
    life = judged()
    life.report(gain(life), Status.COMPLETED)
    life.wait(12 * HOUR)
    life.send(
        RESULTS,
        [
            result(next(_ids), variant="b", metric=name, count=50, sum=4.0, occurred_at=life.now)
            for _ in range(400)
            for name in ("error", "conversion")
        ],
    )
    (found,) = decisions(life, Verdict.HARM)
    assert (found.order, found.outcome) == (Order.ROLLBACK, Outcome.AWAITING_APPROVAL)
    assert "a person is asked: its deployment is over" in found.reason


def test_a_command_that_an_older_release_ordered_opens_its_verdict_again() -> None:
    life = judged()
    harm(life)
    decided = tuple(replace(done, command_id=None) for done in experiment(life).decided)
    life.tables.experiments.experiments.put(replace(experiment(life), decided=decided))
    refuse(life)
    life.wait(1_000)
    assert len(unserved(life)) == 1
    assert len(rollbacks(life)) == 2


def test_harm_of_what_is_being_deployed_is_rolled_back_though_rollbacks_ask_a_person() -> None:
    life = judged(ASKING)
    command = gain(life)
    life.report(command, Status.IN_PROGRESS, traffic_share=0.1)
    send(life, 3_000, (0.04, 0.3), (0.1, 0.3))
    (found,) = decisions(life, Verdict.HARM)
    assert found.outcome == Outcome.ISSUED
    assert "the deployment of it is under way" in found.reason
    assert life.row(command.command_id).phase == Phase.SUPERSEDED


def test_a_deployment_that_waits_for_a_person_is_stale_once_harm_is_proved() -> None:
    life = judged(replace(ASKING, deploy=Autonomy.APPROVE))
    send(life, 3_000, (0.04, 0.04), (0.1, 0.3))
    (waiting,) = life.rows()
    send(life, 3_000, (0.04, 0.3), (0.1, 0.3))
    assert life.row(waiting.command_id).phase == Phase.STALE
    assert [one.order for one in life.rows() if one.phase == Phase.PENDING_APPROVAL] == [
        Order.ROLLBACK
    ]


def test_a_deployment_that_failed_is_ordered_again_by_a_persons_leave_only() -> None:
    life = judged()
    command = gain(life)
    fail_for_good(life)
    undoing = life.issued()[-1]
    assert isinstance(undoing, RollbackCommand)
    assert unserved(life) == []
    life.report(undoing, Status.COMPLETED)
    (told,) = unserved(life)
    assert "by a person's leave: its last deployment is COMPENSATED" in told.reason
    life.wait(1_000)
    again = life.rows()[-1]
    assert (again.order, again.phase) == (Order.DEPLOY, Phase.PENDING_APPROVAL)
    assert again.command_id != command.command_id


def test_a_gain_is_counted_once_however_often_it_is_ordered() -> None:
    life = judged(replace(AUTO, deploy=Autonomy.APPROVE))
    send(life, 3_000, (0.04, 0.04), (0.1, 0.3))
    for _ in range(2):
        life.wait(13 * HOUR)
        life.wait(13 * HOUR)
        send(life, 50, (0.04, 0.04), (0.1, 0.3))
    life.wait(MINUTE)
    assert [one.phase for one in life.rows()] == [
        Phase.EXPIRED,
        Phase.EXPIRED,
        Phase.PENDING_APPROVAL,
    ]
    found = life.tables.subjects.subjects.get("bot")
    assert found is not None
    assert found.discoveries == 1


def decay(life: Life, n: int, bad: float, version: str = "v1") -> None:
    records = [
        metric(
            next(_ids),
            model_version=version,
            metric="error",
            sum=float(at % 100 < 100 * bad),
            occurred_at=life.now,
        )
        for at in range(n)
    ]
    life.send(METRICS, records)


def watched(policy: Policy) -> Life:
    life = Life(policy)
    decay(life, 1_000, 0.05)
    decay(life, 600, 0.6)
    return life


WATCHING = replace(AUTO, reference_count=500)


def test_a_decay_whose_training_ended_badly_is_ordered_again() -> None:
    life = watched(WATCHING)
    (first,) = life.rows()
    assert (first.order, first.phase) == (Order.RETRAIN, Phase.ISSUED)
    refuse(life)
    decay(life, 600, 0.6)
    assert [one.order for one in life.rows()] == [Order.RETRAIN] * 2
    (told,) = unserved(life)
    assert (told.verdict, told.model_version, told.command_id) == (
        Verdict.DRIFT,
        "v1",
        first.command_id,
    )
    assert alerts(life) == ["RAISED"]
    refuse(life)
    decay(life, 600, 0.6)
    assert len(life.rows()) == 2
    life.wait(MINUTE)
    decay(life, 600, 0.6)
    assert len(life.rows()) == 3
    life.report(life.issued()[-1], Status.COMPLETED)
    assert alerts(life) == ["RAISED", "RESOLVED"]


def test_a_training_that_a_person_rejected_is_asked_for_again_after_an_hour_of_new_evidence() -> (
    None
):
    life = watched(replace(WATCHING, retrain=Autonomy.APPROVE))
    life.review(life.rows()[0], ReviewVerdict.REJECT)
    decay(life, 600, 0.6)
    life.wait(59 * MINUTE)
    decay(life, 600, 0.6)
    assert len(life.rows()) == 1
    life.wait(MINUTE)
    decay(life, 600, 0.6)
    assert len(life.rows()) == 2


@pytest.mark.parametrize(
    ("end", "told"),
    [(Status.FAILED, "work failed"), (Status.REFUSED, "work failed"), (None, "command unanswered")],
)
def test_an_improvement_by_advice_is_not_ordered_again_and_its_end_is_told(
    end: Status | None, told: str
) -> None:
    """None: nobody answers until it expires. It serves no verdict that could be looked at again."""
    life = Life(AUTO)
    life.find(
        kind=Order.IMPROVE,
        agent="patterns",
        experiment_id=None,
        variant=None,
        strategy="DATA",
        ordinal="f|DATA",
    )
    reported = 0
    for _ in range(5):
        for command in life.issued()[reported:] if end is not None else ():
            life.report(command, end or Status.FAILED)
            reported += 1
        life.wait(100 * HOUR)
    (row,) = life.rows()
    assert row.phase in FINAL - {Phase.COMPLETED}
    assert unserved(life) == []
    assert alerts(life, told) == ["RAISED"]
