"""An alert as a message in Slack, by an incoming webhook."""

from schemas.records import Alert, AlertState
from streams.executor.http_client import Caller
from streams.executor.notify.channel import post

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # what Slack takes for markup


class Slack:
    """url: of the webhook, which is a secret."""

    def __init__(self, caller: Caller, url: str) -> None:
        self._caller, self._url = caller, url

    async def send(self, alert: Alert) -> None:
        await post(self._caller, self._url, {"text": line(alert).translate(_ESCAPES)})


def line(alert: Alert) -> str:
    """An alert in a line for people."""
    resolved = alert.state == AlertState.RESOLVED
    return (
        f"{'RESOLVED' if resolved else alert.severity} {alert.rule} of {alert.key}: {alert.message}"
    )
