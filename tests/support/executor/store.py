"""A server of targets as the HTTP target's documentation asks for one."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.support.executor.fakes import SHOP
from tests.support.executor.servers import Recorded


class Store(Recorded):
    """Keeps one document under an ETag, and every one that ever stood."""

    def __init__(self, name: str = SHOP) -> None:
        super().__init__()
        self.name = name
        self.document: bytes | None = None
        self.healthy = 200
        self.lose_answers = 0
        self.after_get: bytes | None = None  # what somebody else writes right after the next GET
        self.effects: list[dict[str, Any]] = []
        self.after_put: Callable[[dict[str, Any]], None] = lambda _: (
            None
        )  # before the answer is sent

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.middleware])
        app.router.add_get("/targets/{name}", self._get)
        app.router.add_put("/targets/{name}", self._put)
        app.router.add_get("/health", self._health)
        return app

    def puts(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.asked if one.method == "PUT"]

    @property
    def _tag(self) -> str:
        return f'"{hashlib.sha256(self.document or b"").hexdigest()}"'

    async def _get(self, request: web.Request) -> web.Response:
        assert request.match_info["name"] == self.name
        if self.document is None:
            answer = web.Response(status=404)
        else:
            answer = web.Response(body=self.document, headers={"ETag": self._tag})
        if self.after_get is not None:
            self.document, self.after_get = self.after_get, None
        return answer

    async def _put(self, request: web.Request) -> web.Response:
        condition, creating = (
            request.headers.get("If-Match"),
            request.headers.get("If-None-Match") == "*",
        )
        assert bool(condition) != creating, "every PUT has one condition"
        if (creating and self.document is not None) or (condition and condition != self._tag):
            return web.Response(status=412)
        self.document = await request.read()
        self.effects.append(json.loads(self.document))
        self.after_put(self.effects[-1])
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=204, headers={"ETag": self._tag})

    async def _health(self, request: web.Request) -> web.Response:
        assert request.query["of"] == self.name
        return web.Response(status=self.healthy)
