"""HTTP requests with a time-out, tried again while the other side may recover."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from streams.executor.placement import Unreachable, Unusable
from streams.executor.retry import Clock, NotNow, persist
from streams.runtime.redaction import redacted, shown

TIMEOUT_SECONDS = 10.0  # of one request
WITHIN_SECONDS = (
    120.0  # of all tries; a command's order is to be carried out soon, or said to have failed
)
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
BODY_MAX = (
    4 * 1024 * 1024
)  # bytes of an answer that are read; what stands at a target is some hundred
_SAID_MAX = 200  # characters of an answer that go into a sentence


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; request: as people may read it."""

    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Raises Unusable where it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unusable(f"{self.request} gave no JSON: {error}") from error

    def refused(self) -> Unusable:
        said = redacted(" ".join(self.body.decode(errors="replace").split()))[:_SAID_MAX]
        return Unusable(f"{self.request} gave {self.status}{': ' if said else ''}{said}")


class Caller:
    """Sends requests from one session, which its maker closes."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        timeout_seconds: float = TIMEOUT_SECONDS,
        within_seconds: float = WITHIN_SECONDS,
    ) -> None:
        self._session, self.clock = session, clock
        self._timeout, self._within = aiohttp.ClientTimeout(total=timeout_seconds), within_seconds

    async def call(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """The first answer that is not a passing failure; body: sent as JSON. Raises Unreachable
        where none comes.

        more: of aiohttp, such as its ssl.
        """
        try:
            return await persist(
                lambda: self.once(method, url, body, headers, **more), self.clock, self._within
            )
        except NotNow as error:
            raise Unreachable(str(error)) from error

    async def once(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """One request. Raises NotNow for a passing failure; an answer that says no is an answer."""
        sent = dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        request = f"{method} {shown(url)}"
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=sent,
                timeout=self._timeout,
                allow_redirects=False,
                **more,
            ) as response:
                answer = Answer(
                    request, response.status, response.headers, await _bounded(request, response)
                )
        except TimeoutError as error:
            raise NotNow(f"{request} had no answer in {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NotNow(f"{request} did not come through: {error}") from error
        if answer.status in PASSING:
            raise NotNow(str(answer.refused()))
        return answer


async def _bounded(request: str, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_MAX:
            raise Unusable(f"{request} gave more than {BODY_MAX} bytes")
    return bytes(body)
