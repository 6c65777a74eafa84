"""A target behind HTTP: GET and PUT of what stands, compared and set by its ETag.

The server keeps a JSON document for each target and answers a PUT whose If-Match (If-None-Match: *
for the first one) is not what stands with 412. That is all that it takes to have one effect for
each command.
"""

from urllib.parse import quote, urlsplit

from streams.executor.http_client import Answer, Caller
from streams.executor.placement import TargetState, Unusable, fence
from streams.executor.retry import NotNow
from streams.executor.targets.placement_json import from_json, to_dict

_HEALTH_TRIES = 3  # before no answer is taken for a bad one


class HttpTarget:
    """url, health_url: {target} in them is the target's name; without a health_url every candidate
    is healthy.

    The authorization goes to the origin of `url` alone: whoever answers for the health may be
    somebody else.
    """

    def __init__(
        self, caller: Caller, url: str, health_url: str = "", authorization: str = ""
    ) -> None:
        self._caller, self._url, self._health_url = caller, url, health_url
        self._headers = {"Authorization": authorization} if authorization else {}
        self._at_health = self._headers if origin(health_url) == origin(url) else {}

    async def read(self, name: str) -> TargetState:
        return (await self._stored_state(name))[0]

    async def write(self, name: str, expected: TargetState, wanted: TargetState) -> bool:
        standing, tag = await self._stored_state(name)
        if standing == wanted:
            return True
        fence(name, standing, wanted)
        if standing != expected:
            return False
        condition = {"If-Match": tag} if tag else {"If-None-Match": "*"}
        answer = await self._caller.call(
            "PUT", self._at(name), to_dict(wanted), {**self._headers, **condition}
        )
        if answer.status == 412:
            # Somebody else was here, or our own PUT was and its answer was lost: only what stands
            # tells which.
            after, _ = await self._stored_state(name)
            fence(name, after, wanted)
            return after == wanted
        if answer.status not in (200, 201, 204):
            raise answer.refused()
        return True

    def share(self, placed: TargetState) -> float:
        return placed.share / 100

    async def healthy(self, name: str) -> bool:
        if not self._health_url:
            return True
        url = self._health_url.replace("{target}", quote(name, safe=""))
        for _ in range(_HEALTH_TRIES):
            try:
                return (await self._caller.once("GET", url, headers=self._at_health)).status == 200
            except NotNow:
                await self._caller.clock.rest(1.0)
        return False

    async def _stored_state(self, name: str) -> tuple[TargetState, str]:
        """Returns what stands, with its ETag; no ETag where nothing does."""
        answer = await self._caller.call("GET", self._at(name), headers=self._headers)
        if answer.status == 404:
            return TargetState(), ""
        if answer.status != 200:
            raise answer.refused()
        return from_json(answer.request, answer.body), _tag(answer)

    def _at(self, name: str) -> str:
        return self._url.replace("{target}", quote(name, safe=""))


def origin(url: str) -> tuple[str, str]:
    """Scheme and host with port: whom a token is for. Raises ValueError for what is no address."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, f"{parts.hostname}:{port}"


def _tag(answer: Answer) -> str:
    tag = answer.headers.get("ETag", "")
    if not tag or tag.startswith("W/"):
        raise Unusable(
            f"{answer.request} gave no strong ETag, so that nothing can be compared and set"
        )
    return tag
