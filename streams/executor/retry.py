"""Waiting in coroutines: a clock that tests can turn, and what is tried again after longer and
longer rests.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from streams.runtime import clock
from streams.runtime.errors import RedactedError

T = TypeVar("T")

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0


class Clock(Protocol):
    """The time as an executor sees it, and its waiting."""

    def now_ms(self) -> int: ...
    async def rest(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return clock.now_ms()

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class NotNow(RedactedError):
    """An attempt that failed and may work later; the sentence says what was wrong."""


def rests() -> Iterator[float]:
    """Seconds before the second try, the third, and so on: twice as long each time, up to a minute.

    >>> from itertools import islice
    >>> list(islice(rests(), 8))
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    """
    seconds = FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_SECONDS)


async def persist(
    attempt: Callable[[], Awaitable[T]],
    clock: Clock,
    within_seconds: float,
    failed: Callable[[NotNow], None] = lambda _: None,
) -> T:
    """Returns the result of `attempt`, which is tried again after each NotNow.

    Raises the last NotNow once `within_seconds` are over. failed: called with each NotNow.
    """
    ends_at = clock.now_ms() + within_seconds * 1_000
    for rest in rests():
        try:
            return await attempt()
        except NotNow as error:
            failed(error)
            if clock.now_ms() + rest * 1_000 > ends_at:
                raise
        await clock.rest(rest)
    raise AssertionError("rests() does not end")
