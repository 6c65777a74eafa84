"""How much one caller may ask: requests by person, failed logins by address, bytes and depth of a
body.
"""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.web.problems import Problem

BODY_BYTES_MAX = 65_536
LARGE_BODY_BYTES_MAX = 1_048_576  # of policies, specs and batches
ADDRESS_MAX = 8_192  # characters of a path with its query; most clients and proxies stop there too
# bytes of a request's first line that are read at all, so that a longer address can be told; what
# is longer still the HTTP parser refuses
LINE_BYTES_MAX = 65_536
DEPTH_MAX = 32  # of a JSON body
REQUEST_SECONDS = 15.0  # for an answer to be made, waits included
WAIT_SECONDS_MAX = 13.0  # of `Prefer: wait`, so that what is waited for can still be told
# 20 a second, and a page may ask for several things at once.
_READS = RateLimitItemPerSecond(60, 3, namespace="read")
_WRITES = RateLimitItemPerMinute(60, namespace="write")
_FAILURES = RateLimitItemPerMinute(10, namespace="failed")


class Limits:
    """The counts of one replica."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def spend(self, name: str, writes: bool) -> dict[str, str]:
        """Counts a request; returns the headers that tell what is left. Raises Problem 429."""
        item = _WRITES if writes else _READS
        fine = await self._limiter.hit(item, name)
        headers = await self._headers(item, name)
        if fine:
            return {key: value for key, value in headers.items() if key != "Retry-After"}
        raise _too_many(f"more than {item.amount} in {item.get_expiry()} s", headers)

    async def failed(self, address: str) -> None:
        """Counts a token that was refused. Raises Problem 429 where they are too many from there.

        A good token is let in all the same: behind a proxy all callers have one address, and none
        of them may shut out the others.
        """
        if not await self._limiter.hit(_FAILURES, address):
            headers = await self._headers(_FAILURES, address)
            raise _too_many(f"more than {_FAILURES.amount} refused tokens in a minute", headers)

    async def _headers(self, item: RateLimitItem, name: str) -> dict[str, str]:
        window = await self._limiter.get_window_stats(item, name)
        seconds = max(1, item.get_expiry() if not window.remaining else 1)
        told = f'"{item.namespace}";r={max(0, window.remaining)};t={seconds}'
        return {"RateLimit": told, "Retry-After": str(seconds)}


def _too_many(what: str, headers: dict[str, str]) -> Problem:
    return Problem(
        429, "TOO_MANY", f"These are {what}.", "Wait as long as Retry-After says.", headers=headers
    )


@dataclass(frozen=True, slots=True)
class JsonBody:
    """What a body was read as."""

    value: Any


async def read_json(request: web.Request, bytes_max: int) -> JsonBody:
    """A request's JSON body. Raises Problem for another type, one too large, or none."""
    if "Content-Encoding" in request.headers:
        raise Problem(415, "ENCODED", "The body is compressed.", "Send it as it is.")
    if request.content_type != "application/json":
        raise Problem(
            415,
            "NO_JSON",
            f"The body is {request.content_type[:60]}.",
            "Send JSON with `Content-Type: application/json`.",
        )
    too_large = Problem(
        413, "TOO_LARGE", f"The body has more than {bytes_max} bytes.", "Send less at once."
    )
    if (request.content_length or 0) > bytes_max:
        raise too_large
    body = bytearray()
    async for chunk in request.content.iter_chunked(16_384):
        body += chunk
        if len(body) > bytes_max:
            raise too_large
    try:
        text = body.decode()
        _check_depth(text)
        return JsonBody(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise Problem(400, "NO_JSON", f"The body is no JSON: {error}.", "Mend it.") from error


def _check_depth(text: str) -> None:
    """Raises ValueError where brackets stand too deep, those in texts left out."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise ValueError(f"it is nested more than {DEPTH_MAX} deep")
        elif character in "]}":
            depth -= 1


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
