"""The kinds of routes that the families' tables are made of, and the handlers that most of them
share: lists of a view, single things of it, words of people.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.api.orders import ACCEPTED
from gateway.auth.identity import Scope
from gateway.web import calls, route
from gateway.web.calls import Call, HttpAnswer
from gateway.web.lists import ListQuery, page_of
from gateway.web.route import Body, Query, Route, TenantRule
from gateway.web.shapes import Json, described

Handler = Callable[[Call], Awaitable[HttpAnswer]]


def rows_of(view: str) -> Handler:
    """What answers with a page of a view."""

    async def handler(call: Call) -> HttpAnswer:
        return await call.listed(view, page_of(call, view))

    return handler


def row_of(view: str, parameter: str, what: str) -> Handler:
    """What answers with the row of a view that a parameter of the path names."""

    async def handler(call: Call) -> HttpAnswer:
        row, standing = await call.one(view, call.path(parameter), what)
        return calls.single(call.shown(row), standing)

    return handler


@dataclass(frozen=True, slots=True)
class Family:
    """Makes the routes of one family. tag: what OpenAPI has them under."""

    tag: str

    def read(
        self,
        path: str,
        summary: str,
        handler: Handler,
        answer: Json,
        tenants: TenantRule,
        query: type[Query] = Query,
    ) -> Route:
        """A route that shows something."""
        scope = Scope.READ
        return Route("GET", path, summary, handler, scope, tenants, answer, self.tag, query)

    def one(
        self,
        path: str,
        summary: str,
        handler: Handler,
        item: Json | str,
        tenants: TenantRule = TenantRule.ITEM,
    ) -> Route:
        """A route that shows the one thing that its path names. item: its schema, or its record."""
        return self.read(path, summary, handler, route.single(_schema(item)), tenants)

    def list(
        self,
        path: str,
        summary: str,
        handler: Handler,
        item: Json | str,
        query: type[ListQuery] = ListQuery,
        tenants: TenantRule = TenantRule.ROWS,
    ) -> Route:
        """A route that lists things, a page of them or all as CSV. item: the schema of one."""
        return Route(
            "GET",
            path,
            summary,
            handler,
            Scope.READ,
            tenants,
            route.listing(_schema(item)),
            self.tag,
            query,
            csv=True,
        )

    def word(
        self,
        path: str,
        summary: str,
        handler: Handler,
        body: type[Body] | None,
        tenants: TenantRule,
        **more: Any,
    ) -> Route:
        """A route that writes a person's word; an order, unless `more` says otherwise."""
        given: dict[str, Any] = {
            "method": "POST",
            "scope": Scope.ORDER,
            "answer": ACCEPTED,
            "statuses": (200, 202),
            "waits": True,
        }
        return Route(
            path=path,
            summary=summary,
            handler=handler,
            body=body,
            tenants=tenants,
            tag=self.tag,
            **(given | more),
        )


def _schema(item: Json | str) -> Json:
    return described(item) if isinstance(item, str) else item
