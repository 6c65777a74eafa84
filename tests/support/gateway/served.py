"""A gateway in a thread of a test, and a client that says what went over the wire."""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.gateway_process import RunningGateway, running
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.settings import Settings
from tests.support.gateway.world import CODEC
from tests.support.kafka.running import SECONDS, changed

SECRET = "0123456789abcdef0123456789abcdef"
ISSUER, AUDIENCE = "https://login.example", "mendstream"
ALL_SCOPES = "read publish order approve policy admin"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it came. headers: by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def whole(self) -> bytes:
        """Everything that came, to be searched for what must not be there."""
        return repr(sorted(self.headers.items())).encode() + self.body


class Served:
    """A gateway that answers. A context manager; leaving it raises what ended it before."""

    def __init__(
        self, settings: Settings, folder: Path, no_auth: bool = False, **more: Any
    ) -> None:
        secret = {} if no_auth else {"jwt_secret": SECRET, "jwt_issuer": ISSUER}
        self.settings = changed(
            settings,
            gateway_port=0,
            views_directory=str(folder),
            jwt_audience="" if no_auth else AUDIENCE,
            **(secret | more),
        )
        self._no_auth = no_auth
        self._thread = threading.Thread(target=self._run, name="gateway")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.running: RunningGateway | None = None
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        ready = wait_until(lambda: self.failed is not None or self.built, SECONDS)
        if self.failed is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(SECONDS)
            raise self.failed
        assert ready, "the gateway never came up"
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), "a gateway that was asked to stop goes on"
        if self.error is not None and kind is None:
            raise self.error

    @property
    def failed(self) -> BaseException | None:
        """What ended it, or its views."""
        feed = self.running.feed if self.running is not None else None
        return self.error or (feed.failure if feed is not None else None)

    @property
    def built(self) -> bool:
        return self.running is not None and self.running.feed.built.is_set()

    @property
    def port(self) -> int:
        assert self.running is not None
        return int(self.running.address.rpartition(":")[2])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - the test is told
            self.error = error
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        async with running(self.settings, CODEC, self._no_auth) as self.running:
            await self._stop.wait()

    def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """One request. body: sent as JSON, or as it is where it is bytes."""
        given = dict(headers or {})
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        data: bytes | None = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            given = JSON | given
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30.0)
        try:
            connection.request(method, path, body=data, headers=given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())
        finally:
            connection.close()


def claims(name: str = "ann", tenants: Any = ("*",), **more: Any) -> dict[str, Any]:
    """What a good token says."""
    now = now_ms() // 1_000
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": name,
        "iat": now,
        "exp": now + 600,
        "auth_time": now,
        "amr": ["pwd"],
        "scope": ALL_SCOPES,
        "tenants": list(tenants) if isinstance(tenants, tuple) else tenants,
    }
    return {key: value for key, value in (said | more).items() if value is not None}


def token(name: str = "ann", tenants: Any = ("*",), **more: Any) -> str:
    """A good token."""
    return signed(claims(name, tenants, **more))


def signed(said: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """A token with these claims, signed with the secret."""
    return jwt.encode({"alg": "HS256", **(header or {})}, dict(said), OctKey.import_key(SECRET))
