"""Rules: strict thresholds, durations, cooldowns, storms that become one alert, and their end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.alerts.alert_metrics import AlertKind, AlertMetric
from agents.alerts.raising import STORM, STORM_MS, lasting, observe
from agents.alerts.rules import DEFAULT_RULES, rules_of
from agents.core.effects import Output
from agents.core.provenance import Provenance
from schemas.catalog import STATUS
from schemas.ids import event_uuid
from schemas.records import (
    Alert,
    AlertRule,
    AlertState,
    CommandRow,
    CommandStatus,
    Operator,
    Order,
    Phase,
    Policy,
    Severity,
    Status,
)
from schemas.validation.policy_checks import check_policy
from state.partition.alert_tables import AlertTables
from state.partition.subject_tables import SubjectTables
from state.policies_in_force import Policies
from tests.support.builders import NOON
from tests.support.loop import Loop

MINUTE = 60_000
HEAT = AlertMetric("heat", AlertKind.LEVEL, "thing", "of a thing that only a test has")


def policy(**terms: object) -> Policy:
    values: dict[str, object] = {
        "name": "hot",
        "metric": "heat",
        "operator": Operator.ABOVE,
        "threshold": 10.0,
        "severity": Severity.HIGH,
        "template": "{key} has {value:g}, more than {threshold:g}",
        **terms,
    }
    return Policy("p", "p", subjects=("*",), alerts=(AlertRule(**values),))  # type: ignore[arg-type]


class World:
    def __init__(self, **terms: object) -> None:
        self.policy, self.now, self.offset = policy(**terms), NOON, 0
        self.alerts = AlertTables(Policies([self.policy]), SubjectTables())

    def see(self, value: float, key: str = "x", crowd: str = "default") -> list[Alert]:
        return told(observe(HEAT, key, value, self._place(), self.alerts, self.policy, crowd))

    def wait(self, ms: int) -> list[Alert]:
        self.now += ms
        return told(lasting(self._place(), self.alerts))

    def _place(self) -> Provenance:
        self.offset += 1
        return Provenance("t", 0, self.offset, self.now)


def told(outputs: list[Output]) -> list[Alert]:
    return [output.record for output in outputs if isinstance(output.record, Alert)]


def test_a_rule_is_broken_strictly_beyond_its_threshold_and_told_once() -> None:
    world = World()
    assert world.see(10.0) == []
    (alert,) = world.see(10.1)
    assert (alert.state, alert.severity, alert.message) == (
        AlertState.RAISED,
        Severity.HIGH,
        "x has 10.1, more than 10",
    )
    assert world.see(99.0) == []
    (over,) = world.see(10.0)
    assert (over.state, over.alert_id, over.resolved_at) == (
        AlertState.RESOLVED,
        alert.alert_id,
        NOON,
    )


def test_below_is_strict_too() -> None:
    world = World(operator=Operator.BELOW)
    assert world.see(10.0) == []
    assert len(world.see(9.9)) == 1


def test_a_rule_with_a_duration_must_stay_broken_for_so_long() -> None:
    world = World(duration_ms=5 * MINUTE)
    assert world.see(11.0) == []
    world.wait(3 * MINUTE)
    assert world.see(9.0) == []
    assert world.see(11.0) == []
    assert world.wait(5 * MINUTE - 1) == []
    assert len(world.wait(1)) == 1


def test_the_same_thing_is_not_told_again_within_the_cooldown() -> None:
    world = World(cooldown_ms=10 * MINUTE)
    assert len(world.see(11.0)) == 1
    world.wait(MINUTE)
    assert [one.state for one in world.see(9.0)] == [AlertState.RESOLVED]
    assert world.see(11.0) == []
    assert [one.state for one in world.wait(9 * MINUTE)] == [AlertState.RAISED]


def test_a_storm_becomes_one_alert() -> None:
    world = World()
    alerts = [alert for n in range(20) for alert in world.see(11.0, f"thing {n}")]
    assert len(alerts) == STORM
    assert [one.count for one in alerts] == [1] * (STORM - 1) + [STORM]
    assert "more are held" in alerts[-1].message
    assert world.see(1.0, "thing 15") == []  # it was not told, so nor is its end
    assert len(world.see(1.0, "thing 0")) == 1
    world.wait(STORM_MS + 1)
    assert len(world.see(11.0, "another")) == 1


def test_the_storm_of_one_tenant_holds_nothing_of_another_nor_does_a_subject_of_any_name() -> None:
    world = World()
    for n in range(2 * STORM):
        world.see(11.0, f"evil/{n}", "evil")
    assert [one.key for one in world.see(11.0, "*", "evil")] == []
    assert [one.key for one in world.see(11.0, "good/bot", "good")] == ["good/bot"]


def test_a_value_that_is_no_number_breaks_nothing() -> None:
    assert World().see(float("nan")) == []


def test_a_policys_rule_of_a_built_in_name_stands_in_its_place() -> None:
    own = policy(name="agent distrusted", threshold=0.1)
    names = [rule.name for rule in rules_of(own)]
    assert sorted(names) == sorted(rule.name for rule in DEFAULT_RULES)
    assert next(rule for rule in rules_of(own) if rule.name == "agent distrusted").threshold == 0.1


@pytest.mark.parametrize("template", ["{nobody}", "{key.__class__}", "{", "{0}", "{value:q}"])
def test_a_template_that_cannot_be_filled_in_is_refused(template: str) -> None:
    assert [reason for reason, _ in check_policy(policy(template=template))] == ["BAD_TEMPLATE"]


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.name)
def test_the_built_in_rules_would_be_taken_from_a_policy(rule: AlertRule) -> None:
    assert check_policy(Policy(event_id="p", policy_id="p", alerts=(rule,))) == []


@given(values=st.lists(st.tuples(st.floats(), st.integers(0, 10 * MINUTE)), max_size=40))
def test_what_is_raised_is_resolved_before_it_is_raised_again(
    values: list[tuple[float, int]],
) -> None:
    world = World(cooldown_ms=MINUTE, duration_ms=MINUTE)
    states = []
    for value, later in values:
        states += [one.state for one in world.wait(later)] + [one.state for one in world.see(value)]
    expected = [AlertState.RAISED, AlertState.RESOLVED] * len(states)
    assert states == expected[: len(states)]


def test_somebody_is_told_when_more_than_a_tenth_of_the_last_twenty_commands_failed() -> None:
    loop = Loop()
    for n in range(21):
        row = CommandRow(
            command_id=f"c{n:02}",
            attempt=1,
            order=Order.ROLLBACK,
            subject="bot",
            target="bot/production",
            phase=Phase.ISSUED,
            reason="",
            decision_id="d",
            fencing_token=n + 1,
            issued_at=NOON + n,
            expires_at=NOON + n + 1,
        )
        loop.tables.commands.commands.put(row)

    def report(n: int, status: Status) -> list[Alert]:
        said = CommandStatus(
            event_id=event_uuid("said", n),
            command_id=f"c{n:02}",
            subject="bot",
            status=status,
            fencing_token=n + 1,
            reported_at=NOON,
            reporter="argo",
        )
        sent = told(loop.send(STATUS, [said]))
        return [
            one for one in sent if not one.rule.startswith("rollback ")
        ]  # each end is told besides

    for n in range(19):
        assert report(n, Status.FAILED if n in (1, 17, 18) else Status.COMPLETED) == []
    (alert,) = report(19, Status.COMPLETED)
    assert (alert.rule, alert.key, alert.value) == ("commands fail", "bot", 0.15)
    assert (
        report(20, Status.COMPLETED) == []
    )  # the first, which was well, is not among the last twenty any more
