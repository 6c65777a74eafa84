"""Alerts of what happens, as against what holds: each end and each piece of news is told, however
many came before.

Ends of commands are no part of a storm and know no cooldown: the sixth rollback that fails within
ten minutes is told as the first was. News of one rule and tenant may become a storm, because what
they tell of is seen to by a command; and so may what is told of newcomers, among themselves,
because anybody may make up names and fill everybody's channels. Episodes are told each time they
begin, and once they are over; they may be one storm as news may.
"""

from dataclasses import dataclass, replace

from agents.alerts import raising
from agents.alerts.alert_metrics import HAPPENED, AlertKind, AlertMetric, broken
from agents.alerts.rules import rules_on
from agents.core.effects import Output
from agents.core.provenance import Provenance
from schemas.records import Alert, AlertRow, AlertRule, AlertState, OpenAlert, Policy
from state.partition.alert_tables import AlertTables, alert_key
from state.storage.table import row_key

# open alerts of one row before its last: of a command that fails each hour, those of four days
EARLIER_MAX = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """crowd: whose news may be one storm with it. ident: what tells two of one record apart. said:
    what a template cannot know. about: of an end, what is not done; of an episode, what goes on.
    value: what a rule is about.
    """

    metric: AlertMetric
    key: str
    crowd: str
    ident: str
    said: str
    about: str = ""
    value: float = HAPPENED


def happened(
    one: Happening, place: Provenance, tables: AlertTables, policy: Policy
) -> list[Output]:
    """The alerts of one happening, by each rule on its metric."""
    return [
        output
        for rule in rules_on(policy, one.metric)
        if broken(rule.operator, rule.threshold, one.value)
        for output in _told(rule, one, place, tables)
    ]


def over(
    metric: AlertMetric,
    key: str,
    about: str,
    place: Provenance,
    tables: AlertTables,
    policy: Policy,
) -> list[Output]:
    """Returns what follows once that is done which ends had left undone, or an episode is over:
    each alert of it that is open is over.
    """
    outputs = []
    for rule in rules_on(policy, metric):
        # An older Mendstream kept one row of a rule and a key, whatever it was about.
        for name in (row_key(rule.name, key, about), row_key(rule.name, key)):
            row = tables.alerts.get(name)
            if row is not None and row.state == AlertState.RAISED and row.about in ("", about):
                outputs += [_over(row, one, rule, place) for one in _open(row)]
                tables.alerts.drop(name)
                tables.alerts.put(
                    replace(row, state=AlertState.RESOLVED, broken_at=-1, value=0.0, earlier=())
                )
    return outputs


def _told(rule: AlertRule, one: Happening, place: Provenance, tables: AlertTables) -> list[Output]:
    row = AlertRow(
        rule=rule.name,
        key=one.key,
        state=AlertState.RAISED,
        alert_id=place.event_id("alerts", row_key(rule.name, one.key, one.ident)),
        broken_at=place.now,
        raised_at=place.now,
        value=one.value,
        held=0,
        about=one.about,
        crowd=one.crowd,
    )
    end = one.metric.kind == AlertKind.END
    count = (
        1 if end and not raising.of_newcomers(one.crowd) else raising.stormed(row, place, tables)
    )
    lasts = end or one.metric.kind == AlertKind.EPISODE
    outputs = (
        _kept(row if count == 1 else replace(row, alert_id=""), rule, place, tables)
        if lasts
        else []
    )
    if count == 1:
        output = raising.told(row, rule, place, AlertState.RAISED)
        alert = output.record
        assert isinstance(alert, Alert), "it was told as one"
        said = replace(alert, message=f"{alert.message}: {one.said}")
        outputs.append(replace(output, event_id=alert.alert_id, record=said))
    elif count is not None:
        outputs.append(raising.storm(row, rule, place, one.said))
    return outputs


def _kept(row: AlertRow, rule: AlertRule, place: Provenance, tables: AlertTables) -> list[Output]:
    """Keeps what was told last, and before it what is open still; the oldest is over where there
    are too many.
    """
    before = tables.alerts.get(alert_key(row))
    open_still = _open(before) if before is not None and before.state == AlertState.RAISED else ()
    tables.alerts.put(replace(row, earlier=open_still[-EARLIER_MAX:]))
    return [_over(row, one, rule, place) for one in open_still[:-EARLIER_MAX]]


def _open(row: AlertRow) -> tuple[OpenAlert, ...]:
    """The alerts of a raised row, in the order in which they were told; none of what a storm
    held.
    """
    last = (OpenAlert(alert_id=row.alert_id, raised_at=row.raised_at),) if row.alert_id else ()
    return (*row.earlier, *last)


def _over(row: AlertRow, one: OpenAlert, rule: AlertRule, place: Provenance) -> Output:
    output = raising.told(
        replace(row, alert_id=one.alert_id, raised_at=one.raised_at),
        rule,
        place,
        AlertState.RESOLVED,
    )
    return replace(
        output, event_id=place.event_id("alerts", f"{one.alert_id}|{AlertState.RESOLVED}")
    )
