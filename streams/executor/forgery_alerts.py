"""Tells people that somebody writes commands who is not the processor: one alert an hour for each
topic and reason.
"""

import asyncio
from collections.abc import Awaitable, Callable

from schemas.ids import event_uuid
from schemas.records import Alert, AlertState, Command, Severity
from streams.executor.retry import Clock
from streams.runtime.redaction import redacted

HOUR_MS = 3_600_000
RULE = "forged command"
SEVERITY = Severity.CRITICAL
REPORT_MAX = 500  # characters of a sentence that a stranger may have had a hand in

Tell = Callable[[Alert], Awaitable[None]]


class Forgeries:
    """Goes to the channels by itself: on alerts.v1 only what follows from the log may stand."""

    def __init__(self, tell: Tell, clock: Clock) -> None:
        """tell: returns when each channel has an alert, or never will."""
        self._tell, self._clock = tell, clock
        self._told: dict[tuple[str, str], int] = {}  # topic and reason: the hour
        self._telling: set[asyncio.Future[None]] = set()

    def __call__(self, topic: str, command: Command, reason: str, sentence: str) -> None:
        """Returns at once: a channel may be down for long, and commands must not wait for it."""
        now = int(self._clock.now_ms())
        hour = now // HOUR_MS
        if self._told.get((topic, reason)) == hour:
            return
        self._told[topic, reason] = hour
        told = (
            f"A command of {command.subject!r} was not obeyed: {sentence}. Who may write {topic}?"
        )
        alert = Alert(
            alert_id=event_uuid(RULE, topic, reason, hour),  # the same at each executor
            key=topic,
            rule=RULE,
            severity=SEVERITY,
            state=AlertState.RAISED,
            metric=reason,
            value=1.0,
            threshold=0.0,
            message=redacted(told)[:REPORT_MAX],
            raised_at=now,
        )
        task = asyncio.ensure_future(self._tell(alert))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
