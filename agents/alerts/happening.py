"""Alerts of what happens, as against what holds: each end and each piece of news is told, however many came before.

Ends of commands are no part of a storm and know no cooldown: the sixth rollback that fails within ten minutes is told as
the first was. News of one rule and tenant may become a storm, because what they tell of is seen to by a command; and so may
what is told of newcomers, among themselves, because anybody may make up names and fill everybody's channels.
"""

from dataclasses import dataclass, replace

from agents.alerts import raising
from agents.alerts.metrics import HAPPENED, AlertMetric, Kind, broken
from agents.alerts.rules import rules_on
from agents.effects import Output
from agents.place import Place
from schemas.lessons import Alert, AlertRow, AlertState
from schemas.records import AlertRule, Policy
from state.lessons import Lessons
from state.table import row_key


@dataclass(frozen=True, slots=True)
class Happening:
    """crowd: whose news may be one storm with it. ident: what tells two of one record apart. said: what a template cannot
    know. about: of an end, what is not done."""

    metric: AlertMetric
    key: str
    crowd: str
    ident: str
    said: str
    about: str = ""


def happened(one: Happening, place: Place, lessons: Lessons, policy: Policy) -> list[Output]:
    """The alerts of one happening, by each rule on its metric."""
    return [
        output
        for rule in rules_on(policy, one.metric)
        if broken(rule.operator, rule.threshold, HAPPENED)
        for output in _told(rule, one, place, lessons)
    ]


def over(metric: AlertMetric, key: str, about: str, place: Place, lessons: Lessons, policy: Policy) -> list[Output]:
    """What follows once that is done which an end had left undone."""
    outputs = []
    for rule in rules_on(policy, metric):
        row = lessons.alerts.get(row_key(rule.name, key))
        if row is not None and row.state == AlertState.RAISED and row.about in ("", about):
            if row.alert_id:  # it was told of
                outputs.append(raising.told(row, rule, place, AlertState.RESOLVED))
            lessons.alerts.put(replace(row, state=AlertState.RESOLVED, broken_at=-1, value=0.0))
    return outputs


def _told(rule: AlertRule, one: Happening, place: Place, lessons: Lessons) -> list[Output]:
    row = AlertRow(
        rule=rule.name,
        key=one.key,
        state=AlertState.RAISED,
        alert_id=place.event_id("alerts", row_key(rule.name, one.key, one.ident)),
        broken_at=place.now,
        raised_at=place.now,
        value=HAPPENED,
        held=0,
        about=one.about,
        crowd=one.crowd,
    )
    end = one.metric.kind == Kind.END
    count = 1 if end and not raising.of_newcomers(one.crowd) else raising.stormed(row, place, lessons)
    if end:
        lessons.alerts.put(row if count == 1 else replace(row, alert_id=""))
    if count is None:
        return []
    if count > 1:
        return [raising.storm(row, rule, place, one.said)]
    output = raising.told(row, rule, place, AlertState.RAISED)
    alert = output.record
    assert isinstance(alert, Alert), "it was told as one"
    said = replace(alert, message=f"{alert.message}: {one.said}")
    return [replace(output, event_id=alert.alert_id, record=said)]
