"""No end of a command but COMPLETED is silent: what is told of which end, and that nothing swallows
it.
"""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from agents.alerts.alert_metrics import METRICS, AlertKind, check_policy
from agents.alerts.events import EARLIER_MAX
from agents.alerts.raising import STORM
from agents.alerts.rules import DEFAULT_RULES
from agents.commands.command_ends import TOLD, UNTOLD, told_how
from agents.commands.lifecycle import FINAL
from agents.flow.pipeline import apply_broadcast
from schemas.catalog import ALERTS, FAILURES, POLICIES, RESULTS, SPECS
from schemas.records import (
    Alert,
    AlertRow,
    AlertRule,
    AlertState,
    Autonomy,
    Command,
    ExperimentStatus,
    FailureAnalysis,
    Operator,
    Order,
    Phase,
    Policy,
    RequestKind,
    ReviewVerdict,
    Severity,
    Status,
    SubjectRow,
)
from state.partition.alert_tables import AlertTables
from tests.support.builders import CODEC, result, spec, tables
from tests.support.life import Life
from tests.support.loop import Loop

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
ORDERS = (Order.ROLLBACK, Order.DEPLOY, Order.RETRAIN, Order.IMPROVE)
NOT_DONE = ("rollback not done", Severity.CRITICAL)
DEPLOYS = Policy(event_id="p", policy_id="p", deploy=Autonomy.AUTO)
ROOT = Path(__file__).parents[3]


def alerts(life: Life) -> list[Alert]:
    return [one for one in life.records(ALERTS) if isinstance(one, Alert)]


def told(life: Life) -> list[tuple[str, Severity]]:
    """Rule and severity of each alert but the one that a rollback goes out."""
    return [(one.rule, one.severity) for one in alerts(life) if one.rule != "rollback issued"]


def ordered(life: Life, kind: Order = Order.ROLLBACK, **fields: str) -> Command:
    life.find(kind, **fields)  # type: ignore[arg-type]
    return life.issued()[-1]


def fail(life: Life, command: Command) -> None:
    """Three times, which is for good."""
    for wait in (2 * SECOND, 4 * SECOND, 0):
        last = [one for one in life.issued() if one.command_id == command.command_id][-1]
        life.report(last, Status.FAILED, detail="no right to the cluster")
        life.wait(wait or 1)


@pytest.mark.parametrize(("phase", "order"), list(product(sorted(FINAL), ORDERS)))
def test_each_end_of_each_order_is_told_or_says_why_not(phase: Phase, order: Order) -> None:
    reasons = UNTOLD.get(phase, {})
    if told_how(phase, order) is None:
        assert reasons.get(order) or reasons.get(None)
    assert phase == Phase.COMPLETED or told_how(phase, order) is not None
    assert phase not in TOLD.keys() & UNTOLD.keys()


@pytest.mark.parametrize("phase", sorted(FINAL - {Phase.COMPLETED}))
def test_an_end_of_a_rollback_that_is_not_completed_wakes_somebody(phase: Phase) -> None:
    metric = told_how(phase, Order.ROLLBACK)
    assert metric is not None
    assert metric.kind == AlertKind.END, "it is no part of a storm"
    assert [rule.severity for rule in DEFAULT_RULES if rule.metric == metric.name] == [
        Severity.CRITICAL
    ]


def test_a_rollback_that_failed_for_good_is_told_at_once_with_what_its_deployer_said() -> None:
    life = Life()
    fail(life, ordered(life))
    assert life.phases() == [Phase.FAILED]
    assert told(life) == [NOT_DONE]
    (alert,) = [one for one in alerts(life) if one.rule == "rollback not done"]
    assert (alert.key, alert.state) == ("bot", AlertState.RAISED)
    assert "ended FAILED" in alert.message
    assert "no right to the cluster" in alert.message


def test_a_rollback_that_was_refused_is_told_at_once() -> None:
    life = Life()
    life.report(ordered(life), Status.REFUSED, detail="not my target")
    assert told(life) == [NOT_DONE]
    assert "REFUSED by argo: not my target" in alerts(life)[-1].message


def test_a_rollback_that_nobody_answered_is_told_at_once() -> None:
    life = Life()
    ordered(life)
    for _ in range(13):
        life.wait(5 * MINUTE)
    assert life.phases() == [Phase.TIMED_OUT]
    assert told(life) == [("command unanswered", Severity.CRITICAL)]


def test_a_rollback_that_waited_in_vain_was_rejected_or_cancelled_is_told_at_once() -> None:
    for end, rule in (
        ("lapse", "approval expired"),
        ("reject", "rollback not done"),
        ("cancel", "rollback not done"),
    ):
        life = Life()
        decision = life.find(autonomy=Autonomy.APPROVE)
        if end == "lapse":
            life.wait(8 * MINUTE)
            life.wait(8 * MINUTE)
        elif end == "reject":
            life.review(life.row(decision.command_id), ReviewVerdict.REJECT)
        else:
            life.ask(RequestKind.CANCEL, command_id=decision.command_id)
        assert (rule, Severity.CRITICAL) in told(life), end


def test_a_rollback_that_is_stale_when_it_is_approved_is_told_at_once() -> None:
    life = Life()
    decision = life.find(autonomy=Autonomy.APPROVE)
    life.send(SPECS, [spec(status=ExperimentStatus.STOPPED, event_id="stopped")])
    life.review(life.row(decision.command_id), ReviewVerdict.APPROVE)
    assert life.row(decision.command_id).phase == Phase.STALE
    assert told(life) == [NOT_DONE]


def test_a_rollback_that_makes_way_for_a_deployment_is_told_and_for_another_rollback_is_not() -> (
    None
):
    for kind, expected in ((RequestKind.DEPLOY, [NOT_DONE]), (RequestKind.ROLLBACK, [])):
        life = Life(DEPLOYS)
        decision = life.find(autonomy=Autonomy.APPROVE)
        like = {"experiment_id": "exp", "variant": "b", "model_version": "v2"}
        life.ask(
            kind, **({"variant": "c", "to_version": "v1"} if kind == RequestKind.DEPLOY else like)
        )
        assert life.row(decision.command_id).phase == Phase.SUPERSEDED
        assert told(life) == expected, kind


def test_a_rollback_that_was_undone_and_one_that_could_not_be_are_told() -> None:
    for end, expected in (
        (Status.COMPLETED, NOT_DONE),
        (Status.REFUSED, ("command not undone", Severity.CRITICAL)),
    ):
        life = Life(DEPLOYS)
        first = ordered(life)
        life.report(first, Status.COMPLETED)
        life.ask(RequestKind.CANCEL, command_id=first.command_id)
        life.report(life.issued()[-1], end)
        assert expected in told(life)


def test_a_deployment_that_failed_is_told_and_so_is_what_was_to_undo_it() -> None:
    life = Life()
    fail(life, ordered(life, Order.DEPLOY))
    assert told(life)[0] == ("deployment failed", Severity.HIGH)
    fail(life, life.issued()[-1])
    assert told(life)[1:] == [NOT_DONE, ("command not undone", Severity.CRITICAL)]


@pytest.mark.parametrize("kind", [Order.RETRAIN, Order.IMPROVE])
def test_work_that_failed_is_told(kind: Order) -> None:
    life = Life()
    fail(life, ordered(life, kind))
    assert told(life) == [("work failed", Severity.MEDIUM)]


def test_no_storm_and_no_cooldown_holds_back_what_was_not_done() -> None:
    life = Life(Policy(event_id="p", policy_id="p", commands_per_hour=1_000, subjects_share=1.0))
    many = [ordered(life, subject=f"bot-{n}") for n in range(3 * STORM)]
    for command in many:
        life.report(command, Status.REFUSED)
    again = ordered(life, subject="bot-0")
    life.report(again, Status.REFUSED)
    keys = [one.key for one in alerts(life) if one.rule == "rollback not done"]
    assert keys == [*(command.subject for command in many), "bot-0"]
    assert len({one.alert_id for one in alerts(life)}) == len(alerts(life))


def test_what_was_not_done_is_over_when_such_a_command_completes_and_not_by_another() -> None:
    life = Life()
    life.report(ordered(life), Status.REFUSED)
    (raised,) = [one for one in alerts(life) if one.rule == "rollback not done"]
    life.report(ordered(life, Order.IMPROVE), Status.COMPLETED)
    assert all(one.state == AlertState.RAISED for one in alerts(life))
    life.report(ordered(life), Status.COMPLETED)
    (over,) = [one for one in alerts(life) if one.state == AlertState.RESOLVED]
    assert (over.alert_id, over.rule) == (raised.alert_id, "rollback not done")


def test_each_of_three_rollbacks_is_heard_of_without_a_rule_of_ones_own() -> None:
    life = Life()
    for n in range(3):
        life.report(ordered(life, variant=f"v{n}"), Status.COMPLETED)
    assert [one.rule for one in alerts(life)] == ["rollback issued", "rollback completed"] * 3


def test_a_second_try_of_a_rollback_is_not_news() -> None:
    life = Life()
    ordered(life)
    life.wait(5 * MINUTE)
    assert len(life.issued()) == 2
    assert [one.rule for one in alerts(life)] == ["rollback issued"]


def test_news_of_many_become_one_alert() -> None:
    life = Life(Policy(event_id="p", policy_id="p", commands_per_hour=1_000, subjects_share=1.0))
    for n in range(3 * STORM):
        ordered(life, subject=f"bot-{n}")
    assert [one.count for one in alerts(life)] == [1] * (STORM - 1) + [STORM]


@pytest.mark.parametrize(
    ("autonomy", "outcome"), [(Autonomy.AUTO, "[ISSUED]"), (Autonomy.OBSERVE, "[OBSERVED]")]
)
def test_a_proved_harm_and_a_critical_failure_are_heard_of_whatever_follows(
    autonomy: Autonomy, outcome: str
) -> None:
    loop = Loop()
    loop.send(SPECS, [spec(autonomy=autonomy)])
    arms = [("control", 45.0), ("b", 2.0)] * 40
    loop.send(
        RESULTS,
        [result(n, variant=arm, count=50, sum=total) for n, (arm, total) in enumerate(arms)],
    )
    heard = [one for one in loop.records(ALERTS) if isinstance(one, Alert)]
    assert [one.rule for one in heard if one.rule == "harm proved"] == ["harm proved"]
    critical = any(
        one.severity == Severity.CRITICAL
        for one in loop.records(FAILURES)
        if isinstance(one, FailureAnalysis)
    )
    assert critical
    assert [one.rule for one in heard if one.rule == "critical failure"] == ["critical failure"]
    assert all(
        one.message.endswith(outcome)
        for one in heard
        if one.rule in ("harm proved", "critical failure")
    )


def policy(metric: str, **terms: object) -> Policy:
    values = {
        "operator": Operator.ABOVE,
        "threshold": 0.0,
        "severity": Severity.HIGH,
        "template": "{key}",
        **terms,
    }
    return Policy(
        event_id="p",
        policy_id="p",
        alerts=(AlertRule(name="own", metric=metric, **values),),  # type: ignore[arg-type]
    )


def test_a_rule_on_a_metric_that_does_not_exist_is_refused_with_those_that_do() -> None:
    ((reason, sentence),) = check_policy(policy("commands.unanswred"))
    assert reason == "UNKNOWN_METRIC"
    assert "'commands.unanswred'" in sentence
    assert all(name in sentence for name in METRICS)


def test_a_policy_that_an_older_mendstream_took_is_in_force_whatever_its_alerts_are_about() -> None:
    older, state = replace(policy("heat"), rollback=Autonomy.OBSERVE), tables()
    refused = apply_broadcast(POLICIES, CODEC.encode(older), state, CODEC)
    assert refused is not None
    assert state.policies == {}
    assert apply_broadcast(POLICIES, CODEC.encode(older), state, CODEC, taken_before=True) is None
    assert state.policies == {"p": older}


@pytest.mark.parametrize(
    "terms", [{"duration_ms": 1}, {"threshold": 1.0}, {"operator": Operator.BELOW}]
)
def test_a_rule_that_could_never_speak_of_what_happens_is_refused(terms: dict[str, object]) -> None:
    assert [reason for reason, _ in check_policy(policy("rollbacks.not_done", **terms))] == [
        "OUT_OF_RANGE"
    ]
    assert check_policy(policy("rollbacks.not_done")) == []


def test_ones_own_rule_on_an_end_speaks_beside_the_built_in_one() -> None:
    life = Life(policy("rollbacks.not_done", template="look after {key}"))
    life.report(ordered(life), Status.REFUSED)
    assert [one.rule for one in alerts(life)] == ["rollback issued", "rollback not done", "own"]
    assert alerts(life)[-1].message.startswith("look after bot: rollback ")


def test_each_built_in_rule_is_about_a_metric_and_each_metric_has_one() -> None:
    assert {rule.metric for rule in DEFAULT_RULES} == METRICS.keys()


def test_the_docs_name_each_metric_and_each_rule() -> None:
    said = (ROOT / "docs/memory.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \| (\w+) \| (.*?) \| (.*?) \|$", said, re.MULTILINE)
    rules = {
        metric: ", ".join(
            f"{rule.name} ({rule.severity})" for rule in DEFAULT_RULES if rule.metric == metric
        )
        for metric in METRICS
    }
    assert rows == [
        (each.name, each.kind, each.about, each.means, rules[each.name])
        for each in METRICS.values()
    ], "write the table of docs/memory.md anew from agents/alerts"


def test_a_dry_run_that_completes_is_no_rollback_and_ends_no_alert() -> None:
    life = Life()
    life.report(ordered(life), Status.REFUSED)
    raised = alerts(life)
    life.find(dry_run=True, variant="c")
    life.report(life.issued()[-1], Status.COMPLETED)
    assert [one.rule for one in alerts(life)[len(raised) :]] == ["rollback issued"]
    assert all(one.state == AlertState.RAISED for one in alerts(life))


def test_a_rollback_that_is_halted_by_a_cancel_that_waits_for_approval_is_told_at_once() -> None:
    life = Life()
    first = ordered(life)
    life.ask(RequestKind.CANCEL, command_id=first.command_id)
    assert life.phases() == [Phase.COMPENSATING, Phase.PENDING_APPROVAL]
    assert told(life) == [NOT_DONE]
    assert "is COMPENSATING by ann" in alerts(life)[-1].message


def ids(life: Life, state: AlertState, rule: str = "rollback not done") -> list[str]:
    return [one.alert_id for one in alerts(life) if one.rule == rule and one.state == state]


def restarted(life: Life) -> None:
    """Its alerts as a worker finds them that takes the partition over."""
    table = life.tables.alerts.alerts
    fresh = AlertTables(life.tables.policies, life.tables.subjects)
    fresh.alerts.restore([(key, value) for key, value in table.snapshot(CODEC)], CODEC)
    life.tables.alerts.alerts = fresh.alerts


def test_what_completes_ends_each_alert_of_what_was_not_done_before() -> None:
    life = Life()
    for _ in range(3):
        life.report(ordered(life), Status.REFUSED)
        restarted(life)
    raised = ids(life, AlertState.RAISED)
    moments = [one.raised_at for one in alerts(life) if one.alert_id in raised]
    life.report(ordered(life), Status.COMPLETED)
    over = [one for one in alerts(life) if one.state == AlertState.RESOLVED]
    assert [one.alert_id for one in over] == raised
    assert [one.raised_at for one in over] == moments
    assert len({out.event_id for out in life.outputs if out.topic == ALERTS}) == len(alerts(life))
    life.report(ordered(life), Status.COMPLETED)
    assert ids(life, AlertState.RESOLVED) == raised, "told once"


def test_what_was_not_done_to_one_target_takes_nothing_from_another() -> None:
    life = Life()
    for environment in ("production", "staging"):
        life.report(ordered(life, environment=environment), Status.REFUSED)
    first, second = ids(life, AlertState.RAISED)
    life.report(ordered(life, environment="production"), Status.COMPLETED)
    assert ids(life, AlertState.RESOLVED) == [first]
    life.report(ordered(life, environment="staging"), Status.COMPLETED)
    assert ids(life, AlertState.RESOLVED) == [first, second]


def test_an_alert_of_a_row_of_an_older_mendstream_is_over_too() -> None:
    for about in ("", "ROLLBACK bot/production"):
        life = Life()
        old = AlertRow(
            rule="rollback not done",
            key="bot",
            state=AlertState.RAISED,
            alert_id="old",
            broken_at=1,
            raised_at=1,
            value=1.0,
            held=0,
            about=about,
        )
        life.tables.alerts.alerts.restore([("rollback not done|bot", CODEC.encode(old))], CODEC)
        life.report(ordered(life), Status.REFUSED)
        (raised,) = ids(life, AlertState.RAISED)
        life.report(ordered(life), Status.COMPLETED)
        assert sorted(ids(life, AlertState.RESOLVED)) == sorted((raised, "old"))
        assert all(
            row.state == AlertState.RESOLVED
            for row in life.tables.alerts.alerts.rows()
            if row.alert_id
        )


def test_of_very_many_open_alerts_the_oldest_is_over_when_another_is_raised() -> None:
    life = Life(Policy(event_id="p", policy_id="p", commands_per_hour=1_000, subjects_share=1.0))
    for _ in range(EARLIER_MAX + 2):
        life.report(ordered(life), Status.REFUSED)
    raised = ids(life, AlertState.RAISED)
    assert ids(life, AlertState.RESOLVED) == raised[:1]
    life.report(ordered(life), Status.COMPLETED)
    assert ids(life, AlertState.RESOLVED) == raised


def test_a_storm_of_newcomers_leaves_no_alert_open_that_was_told_of_before() -> None:
    life = Life(Policy(event_id="p", policy_id="p", commands_per_hour=1_000, subjects_share=1.0))
    life.tables.subjects.subjects.put(SubjectRow("bot", 0, 0, new_since=life.now))
    life.tables.subjects.newcomers.put("default", life.now)
    for _ in range(STORM + 1):
        life.report(ordered(life), Status.REFUSED)
    alone = [
        one.alert_id for one in alerts(life) if one.rule == "rollback not done" and one.count == 1
    ]
    life.report(ordered(life), Status.COMPLETED)
    assert len(alone) == STORM - 1
    assert ids(life, AlertState.RESOLVED) == alone
