"""Looks at a value under each rule on it: raises an alert once, says when the rule holds again, and
groups storms.
"""

from dataclasses import replace
from math import isfinite

from agents.alerts.alert_metrics import AlertMetric, broken
from agents.alerts.rules import WARNING_SEVERITY, named, rules_on, warning_of
from agents.core.effects import Output
from agents.core.known_subjects import is_known
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.catalog import ALERTS
from schemas.ids import tenant_of
from schemas.records import Alert, AlertRow, AlertRule, AlertState, Policy
from state.partition.alert_tables import AlertTables
from state.storage.table import row_key

STORM = 5  # things that break one rule within STORM_MS become one alert
STORM_MS = 10 * 60_000
_STORM = "storm of "  # before a rule's name: the row that counts its alerts in one crowd


def observe(
    metric: AlertMetric,
    key: str,
    value: float,
    place: Provenance,
    tables: AlertTables,
    policy: Policy,
    crowd: str,
) -> list[Output]:
    """Returns what follows from a value of a metric of one thing; a value that is no number breaks
    nothing.
    """
    if not isfinite(value):
        return []
    return [
        output
        for rule in rules_on(policy, metric)
        for output in _look(rule, key, value, place, tables, crowd)
    ]


def observe_subject(
    metric: AlertMetric, subject: str, value: float, place: Provenance, tables: AlertTables
) -> list[Output]:
    """Returns what follows from a value of a metric of a subject under its own policy.

    Newcomers raise no storm in which those of known subjects are held.
    """
    policy = policy_for(subject, tables.policies)
    return observe(
        metric, subject, value, place, tables, policy, crowd_of_subject(subject, place.now, tables)
    )


def crowd_of_subject(subject: str, now: int, tables: AlertTables) -> str:
    """Whose alerts may be one storm with those of a subject."""
    return crowd_of(tenant_of(subject), not is_known(subject, now, tables.subject_tables))


def crowd_of(tenant: str, newcomers: bool = False) -> str:
    """Whose alerts may be one storm; those of others are not held with them. No tenant's name holds
    a slash.
    """
    return f"{tenant}/" if newcomers else tenant


def of_newcomers(crowd: str) -> bool:
    """Returns whether a crowd is that of subjects that nobody vouched for."""
    return crowd.endswith("/")


def lasting(place: Provenance, tables: AlertTables) -> list[Output]:
    """Returns what follows for rules that are broken still, and have been for long enough."""
    outputs: list[Output] = []
    for name in tables.raises.due(place.now):
        row = tables.alerts.get(name)
        assert row is not None, f"{name} is due without a row"
        rule = named(row.rule, policy_for(row.key, tables.policies))
        if rule is not None:
            outputs += _look(
                rule, row.key, row.value, place, tables, row.crowd or tenant_of(row.key)
            )
    return outputs


def rebuild(tables: AlertTables) -> None:
    """Works out what is derived, after rows were restored. Policies come later: a rule that is
    looked at too soon is put back.
    """
    tables.raises.rebuild(
        (row_key(row.rule, row.key), max(row.broken_at, row.raised_at))
        for row in tables.alerts.rows()
        if row.broken_at >= 0 and row.state != AlertState.RAISED
    )


def warning(
    place: Provenance, subject: str, signal: str, pattern: str, rate: float, message: str
) -> Output:
    """An alert that a failure is to be expected."""
    alert = Alert(
        alert_id=place.event_id("patterns", f"warning|{pattern}"),
        key=subject,
        rule=warning_of(pattern),
        severity=WARNING_SEVERITY,
        state=AlertState.RAISED,
        metric=signal,
        value=rate,
        threshold=0.0,
        message=message,
        raised_at=place.now,
    )
    return Output(ALERTS, subject, alert.alert_id, alert, place.now)


def _look(
    rule: AlertRule, key: str, value: float, place: Provenance, tables: AlertTables, crowd: str
) -> list[Output]:
    name = row_key(rule.name, key)
    row = replace(tables.alerts.get(name) or _whole(rule.name, key), crowd=crowd)
    breaks = broken(rule.operator, rule.threshold, value)
    if not breaks and row.broken_at < 0:
        return []
    row = replace(
        row,
        value=value,
        broken_at=(row.broken_at if row.broken_at >= 0 else place.now) if breaks else -1,
    )
    outputs: list[Output] = []
    due = max(
        row.broken_at + rule.duration_ms,
        row.raised_at + rule.cooldown_ms if row.raised_at >= 0 else 0,
    )
    tables.raises.drop(name)
    if breaks and row.state != AlertState.RAISED:
        if place.now >= due:
            row, outputs = _raised(row, rule, place, tables)
        else:
            tables.raises.put(name, due)
    elif not breaks and row.state == AlertState.RAISED:
        outputs = [told(row, rule, place, AlertState.RESOLVED)] if row.alert_id else []
        row = replace(row, state=AlertState.RESOLVED)
    tables.alerts.put(row)
    return outputs


def _raised(
    row: AlertRow, rule: AlertRule, place: Provenance, tables: AlertTables
) -> tuple[AlertRow, list[Output]]:
    """Raises an alert, unless so many of its rule and crowd were raised lately that they are
    one.
    """
    count = stormed(row, place, tables)
    alone = count == 1
    alert_id = place.event_id("alerts", row_key(rule.name, row.key)) if alone else ""
    row = replace(row, state=AlertState.RAISED, raised_at=place.now, alert_id=alert_id)
    if count is None:
        return row, []  # told once: the storm goes on
    return row, [told(row, rule, place, AlertState.RAISED) if alone else storm(row, rule, place)]


def stormed(row: AlertRow, place: Provenance, tables: AlertTables) -> int | None:
    """Counts an alert that is about to be raised: 1 where it stands alone, STORM where it stands
    for a storm that begins, None where the storm of its rule and crowd was told of.
    """
    storm_of = _STORM + row.rule
    before = tables.alerts.get(row_key(storm_of, row.crowd)) or _whole(storm_of, row.crowd)
    recent = (*(at for at in before.recent if at > place.now - STORM_MS), place.now)[-STORM:]
    if len(recent) < STORM:
        tables.alerts.put(replace(before, recent=recent, held=0))
        return 1
    tables.alerts.put(replace(before, recent=recent, held=before.held + 1, raised_at=place.now))
    return None if before.held else STORM


def storm(row: AlertRow, rule: AlertRule, place: Provenance, said: str = "") -> Output:
    """The one alert of a storm, with what it would have been alone."""
    whole = replace(row, alert_id=place.event_id("alerts", row_key(_STORM + rule.name, row.crowd)))
    output = told(whole, rule, place, AlertState.RAISED)
    alert = output.record
    assert isinstance(alert, Alert)
    message = (
        f"{STORM} alerts of the rule {rule.name!r} within {STORM_MS // 60_000} minutes, more "
        f"are held: {alert.message}"
    )
    return replace(
        output,
        record=replace(alert, count=STORM, message=f"{message}: {said}" if said else message),
    )


def told(row: AlertRow, rule: AlertRule, place: Provenance, state: AlertState) -> Output:
    """The alert of a row, raised or over."""
    message = rule.template.format(key=row.key, value=row.value, threshold=rule.threshold)
    alert = Alert(
        alert_id=row.alert_id,
        key=row.key,
        rule=rule.name,
        severity=rule.severity,
        state=state,
        metric=rule.metric,
        value=row.value,
        threshold=rule.threshold,
        message=message if state == AlertState.RAISED else f"over: {message}",
        raised_at=row.raised_at,
        resolved_at=place.now if state == AlertState.RESOLVED else None,
    )
    event_id = place.event_id("alerts", f"{row_key(rule.name, row.key)}|{state}")
    return Output(ALERTS, row.key, event_id, alert, place.now)


def _whole(rule: str, key: str) -> AlertRow:
    return AlertRow(
        rule=rule, key=key, state=AlertState.UNKNOWN, broken_at=-1, raised_at=-1, value=0.0, held=0
    )
