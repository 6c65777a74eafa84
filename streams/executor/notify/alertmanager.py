"""Alerts to Prometheus' Alertmanager, which groups, silences and passes them on."""

from typing import Any

from schemas.records import Alert, AlertState
from streams.executor.http_client import Caller
from streams.executor.notify.alert_links import alert_link
from streams.executor.notify.channel import post
from streams.files.rendering import moment

# An alert that is sent once must not end by itself, as it would after Alertmanager's
# resolve_timeout; a rule that stays
# broken is raised again long before this.
STANDS_MS = 24 * 3_600_000


class Alertmanager:
    """url: without /api/v2/alerts. pages: origin of the gateway that alerts link to, if any."""

    def __init__(self, caller: Caller, url: str, pages: str = "") -> None:
        self._caller, self._url = caller, f"{url.rstrip('/')}/api/v2/alerts"
        self._pages = pages

    async def send(self, alert: Alert) -> None:
        raised = alert.state != AlertState.RESOLVED
        ends_at = (
            alert.raised_at + STANDS_MS
            if raised
            else alert.resolved_at or self._caller.clock.now_ms()
        )
        body: dict[str, Any] = {
            "labels": {
                "alertname": alert.rule,
                "key": alert.key,
                "metric": alert.metric,
                "severity": alert.severity.lower(),
            },
            "annotations": {
                "summary": alert.message,
                "value": f"{alert.value:g}",
                "threshold": f"{alert.threshold:g}",
                "alert_id": alert.alert_id,
            },
            "startsAt": moment(alert.raised_at),
            "endsAt": moment(ends_at),
        }
        if link := alert_link(self._pages, alert):
            body["generatorURL"] = link
        await post(self._caller, self._url, [body])
