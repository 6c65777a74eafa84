"""The one place of this package that asks for the time, and for an id that nobody can foresee."""

import time
import uuid
from datetime import datetime


def now_ms() -> int:
    """Wall-clock time in milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds from an arbitrary start that never go backwards."""
    return time.monotonic()


def random_id() -> str:
    """A UUID that was never given before, as text."""
    return str(uuid.uuid4())


def ms_of(name: str, moment: datetime | int) -> int:
    """A moment in milliseconds since 1970. Raises ValueError for a datetime without a time zone,
    TypeError for anything else.

    >>> from datetime import UTC
    >>> ms_of("occurred_at", datetime(2026, 1, 5, 10, tzinfo=UTC))
    1767607200000
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{name} {moment} has no time zone: give it one, datetime.UTC for one")
        return round(moment.timestamp() * 1_000)
    if isinstance(moment, int) and not isinstance(moment, bool):
        return moment
    raise TypeError(f"{name} is {moment!r}: give a datetime with a time zone, or int milliseconds")
