"""The one place that asks the system for the time, and the one way to wait: on a condition, with a
deadline.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

POLL_SECONDS = (
    0.02  # how often a condition is looked at again; short against every deadline that is used
)


def now_ms() -> int:
    """Wall-clock time in milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds from an arbitrary start that never go backwards."""
    return time.monotonic()


def rest(seconds: float) -> None:
    """Lets a thread that has nothing to wait for do nothing; where there is a condition, wait on
    that.
    """
    time.sleep(seconds)


def utc(ms: int) -> datetime:
    """The aware UTC datetime of `ms` milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits until `condition()` holds; returns False if `seconds` passed first."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
