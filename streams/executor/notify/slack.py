"""An alert as a message in Slack, by an incoming webhook."""

from schemas.records import Alert, AlertState
from streams.executor.http_client import Caller
from streams.executor.notify.alert_links import alert_link
from streams.executor.notify.channel import post

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # what Slack takes for markup


class Slack:
    """url: of the webhook, which is a secret. pages: origin of the gateway that alerts link to, if
    any.
    """

    def __init__(self, caller: Caller, url: str, pages: str = "") -> None:
        self._caller, self._url, self._pages = caller, url, pages

    async def send(self, alert: Alert) -> None:
        text = line(alert).translate(_ESCAPES)
        if link := alert_link(self._pages, alert):
            text += f" <{link.translate(_ESCAPES)}|Open>"
        await post(self._caller, self._url, {"text": text})


def line(alert: Alert) -> str:
    """An alert in a line for people."""
    resolved = alert.state == AlertState.RESOLVED
    return (
        f"{'RESOLVED' if resolved else alert.severity} {alert.rule} of {alert.key}: {alert.message}"
    )
