"""The path of a metric's points: through the watch of anomalies, and what follows from that.

What is unusual is told by a decision and an alert; that, and a level that changes, is remembered as
a sign of what may follow. Nothing is ordered.
"""

from collections.abc import Callable

from agents.alerts import alert_metrics
from agents.alerts.events import Happening, happened, over
from agents.alerts.raising import crowd_of_subject
from agents.anomalies.detector import BEGAN, CHANGED, ENDED
from agents.anomalies.silence import begin_silence, silent
from agents.anomalies.step_through import PointStop, memory_of, step_through
from agents.anomalies.unusual_wording import (
    began,
    changed,
    ended,
    unusual_finding,
)
from agents.commands.disposition import noted
from agents.core.batch import Finding
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.core.record_batch import Batch
from agents.core.series_points import Points
from agents.failures import followups
from schemas.catalog import DECISIONS
from schemas.records import AnomalyPattern, AnomalyRow, AnomalyWatch
from state.partition.alert_tables import AlertTables
from state.partition.partition_state import PartitionState
from state.storage.table import row_key

_CHANGE = "CHANGE"  # of a level, as a sign of what may follow
Places = Callable[[Batch, int], Provenance]


def fold_points(
    points: Points, count: int, batch: Batch, place_of: Places, state: PartitionState
) -> list[Output]:
    """Folds so many points that a batch of metrics left; returns what follows from them."""
    series, outputs, at = state.anomalies.series, list[Output](), 0
    while True:
        why, at, number, came = step_through(memory_of(series), points, batch.now, at, count)
        if why == PointStop.END:
            return outputs
        if why == PointStop.NOT_IN_HAND:
            series.open(*state.drift.metrics.names_of(int(points.rows[at])))
            continue
        place = place_of(batch, int(points.records[at]))
        outputs += _found(number, came, place, state)
        at += 1


def _found(number: int, came: int, place: Provenance, state: PartitionState) -> list[Output]:
    """What follows from a point of the series that stands at this place."""
    series, outputs = state.anomalies.series, list[Output]()
    row, numbers = series.at(number), series.numbers[number]
    if came & ENDED:
        outputs += over_with(row, place, state.alerts)
        row = ended(row)
    if came & BEGAN:
        row = began(row, numbers)
        finding = unusual_finding(row, numbers, place)
        decision = noted(finding, policy_for(row.subject, state.policies), place)
        outputs.append(
            Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)
        )
        outputs += _sighted(row, str(row.pattern), row.since, place, state)
        outputs += _alerts(row, finding, place, state.alerts)
    if came & CHANGED:
        row = changed(row, numbers)
        outputs += _sighted(row, _CHANGE, row.level_since, place, state)
    series.note(row)
    return outputs


def tick(place: Provenance, state: PartitionState) -> list[Output]:
    """Returns what follows for series of which nothing comes any more."""
    series, found = state.anomalies.series, list[tuple[str, int]]()
    for number in silent(series.used(), place.now).tolist():
        row = series.at(number)
        if policy_for(row.subject, state.policies).anomalies == AnomalyWatch.ALERT:
            found.append((row_key(row.subject, row.metric, row.segment), number))
    outputs = list[Output]()
    for _, number in sorted(found):
        begin_silence(series.numbers[number], place.now, place.offset)
        series.touch(number)
        outputs += _found(number, BEGAN, place, state)
    return outputs


def over_with(row: AnomalyRow, place: Provenance, alerts: AlertTables) -> list[Output]:
    """Returns what follows for the alerts of a series, once nothing of it is unusual any more."""
    if row.pattern == AnomalyPattern.NONE:
        return []
    policy = policy_for(row.subject, alerts.policies)
    metric, about = alert_metrics.UNUSUAL, row_key(row.metric, row.segment)
    return over(metric, row.subject, about, place, alerts, policy)


def _sighted(
    row: AnomalyRow, what: str, since: int, place: Provenance, state: PartitionState
) -> list[Output]:
    """Remembers a sign of what may follow."""
    signal = f"{row.metric} {what}"
    return followups.sight(row.subject, signal, since, place, state.failures)


def _alerts(
    row: AnomalyRow, finding: Finding, place: Provenance, alerts: AlertTables
) -> list[Output]:
    about = row_key(row.metric, row.segment)
    one = Happening(
        alert_metrics.UNUSUAL,
        row.subject,
        crowd_of_subject(row.subject, place.now, alerts),
        about,
        finding.reason,
        about,
        row.surprise,
    )
    return happened(one, place, alerts, policy_for(row.subject, alerts.policies))
