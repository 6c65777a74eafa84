"""Where a person reads on about an alert: at the gateway's pages, by one link on any device."""

from urllib.parse import quote

from schemas.records import Alert
from streams.executor.forgery_alerts import RULE as FORGERY


def alert_link(origin: str, alert: Alert) -> str:
    """The address of an alert; empty where no gateway is known, or none can show it.

    origin: of the gateway as browsers know it, https://host[:port]. An alert of forgeries is the
    executor's own word, and stands in no table.
    """
    if not origin or alert.rule == FORGERY:
        return ""
    rule, ident = quote(alert.rule, safe=""), quote(alert.alert_id, safe="")
    return f"{origin.rstrip('/')}/ui/alerts?state=ALL&rule={rule}#{ident}"
