"""Defines what a channel is, and how those behind HTTP send."""

from collections.abc import Mapping
from typing import Any, Protocol

from schemas.records import Alert
from streams.executor.http_client import Caller
from streams.runtime.errors import RedactedError


class ChannelRefused(RedactedError):
    """The other side will not have it, and would not later; the sentence says what it said."""


class Channel(Protocol):
    """One way to tell of an alert."""

    async def send(self, alert: Alert) -> None:
        """Returns when the other side has it. Raises NotNow where it may later, Refused where it
        never will.
        """
        ...


async def post(
    caller: Caller, url: str, body: Any, headers: Mapping[str, str] | None = None
) -> None:
    """Sends once; raises as Channel.send does."""
    answer = await caller.once("POST", url, body, headers)
    if not 200 <= answer.status < 300:
        raise ChannelRefused(str(answer.refused()))


def ident(alert: Alert) -> str:
    """Returns an id of an alert's state, the same each time, so that the other side knows a
    repetition.
    """
    return f"{alert.alert_id}.{alert.state.lower()}"
