"""What follows from values of a live metric that are unusual.

They are told by a decision and an alert; that, and a level that changes, is remembered as a sign of
what may follow. Nothing is ordered.
"""

from collections.abc import Iterable

from agents.alerts import alert_metrics
from agents.alerts.events import Happening, happened, over
from agents.alerts.raising import crowd_of_subject
from agents.anomalies.fold_points import UnusualPoint
from agents.commands.disposition import noted
from agents.core.batch import Finding
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.failures import followups
from schemas.catalog import DECISIONS
from schemas.records import AnomalyPattern, AnomalyRow
from state.partition.alert_tables import AlertTables
from state.partition.failure_tables import FailureTables
from state.partition.partition_state import PartitionState
from state.storage.table import row_key

_CHANGE = "CHANGE"  # of a level, as a sign of what may follow


def followed(found: Iterable[UnusualPoint], state: PartitionState) -> list[Output]:
    """Returns what follows from these points, in their order."""
    outputs = list[Output]()
    for point in found:
        row, place = point.row, point.place
        if point.is_over:
            outputs += over_with(point.before, place, state.alerts)
        if point.finding is not None:
            decision = noted(point.finding, policy_for(row.subject, state.policies), place)
            outputs.append(
                Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)
            )
            outputs += _sighted(row, str(row.pattern), row.since, place, state.failures)
            outputs += _alerts(row, point.finding, place, state.alerts)
        if point.has_changed:
            outputs += _sighted(row, _CHANGE, row.level_since, place, state.failures)
    return outputs


def over_with(row: AnomalyRow, place: Provenance, alerts: AlertTables) -> list[Output]:
    """Returns what follows for the alerts of a series, once nothing of it is unusual any more."""
    if row.pattern == AnomalyPattern.NONE:
        return []
    policy = policy_for(row.subject, alerts.policies)
    metric, about = alert_metrics.UNUSUAL, row_key(row.metric, row.segment)
    return over(metric, row.subject, about, place, alerts, policy)


def _sighted(
    row: AnomalyRow, what: str, since: int, place: Provenance, failures: FailureTables
) -> list[Output]:
    """Remembers a sign of what may follow."""
    return followups.sight(row.subject, f"{row.metric} {what}", since, place, failures)


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
