"""The web application: its routes, and what holds for every answer."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp_cors
from aiohttp import hdrs, web
from pydantic_core import to_json

from gateway.live.hub import Hub
from gateway.live.socket import Sockets
from gateway.pages.serving import Pages
from gateway.web.calls import Gateway
from gateway.web.dispatch import AT_LEAST, Door, handler_of
from gateway.web.limits import ADDRESS_MAX, LARGE_BODY_BYTES_MAX
from gateway.web.openapi import document
from gateway.web.problems import REFUSED, TRACE_ID, Problem
from gateway.web.route import Route
from streams.runtime.clock import monotonic
from streams.runtime.metrics import GATEWAY_REFUSALS, GATEWAY_REQUESTS, GATEWAY_SECONDS

log = logging.getLogger("mendstream.gateway")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Of answers that no page shows as such: nothing of them may be run or framed.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_EXPOSED = ("ETag", "Location", "Retry-After", "RateLimit", "Age")
_ALLOWED = ("Authorization", "Content-Type", "If-Match", "If-None-Match", "Prefer", AT_LEAST)


def application(
    gateway: Gateway, door: Door, routes: Sequence[Route], origins: Sequence[str] = ()
) -> web.Application:
    """The application with these routes and the WebSocket; to be called in the event loop.

    origins: whose pages may call it with a token of their own; cookies are never taken from them.
    """
    app = web.Application(middlewares=[_told], client_max_size=LARGE_BODY_BYTES_MAX)
    app.on_response_prepare.append(_protect)
    add = _shared(app, origins) if origins else lambda entry: entry
    # Of a path one resource, so that what a page of another origin asks before is answered for all
    # methods of it.
    paths = dict.fromkeys(path for route in routes for path in _paths(route))
    resources = {path: add(app.router.add_resource(path)) for path in paths}
    for route in routes:
        handler = handler_of(route, gateway, door)
        for path in _paths(route):
            add(resources[path].add_route(route.method, handler))
    hub = Hub(gateway)
    sockets = Sockets(gateway, door, hub, frozenset(origins))
    app.router.add_get("/ws", sockets.handle)
    described = to_json(document(routes))

    async def openapi(_request: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get("/openapi.json", openapi)
    Pages(routes).add_to(app)

    async def closing(_app: web.Application) -> None:
        await sockets.close()
        await hub.close()

    app.on_shutdown.append(closing)
    return app


def _paths(route: Route) -> tuple[str, str]:
    """A slash at the end changes nothing; a redirect would lose bodies."""
    return route.path, f"{route.path}/"


def _shared(app: web.Application, origins: Sequence[str]) -> Callable[[Any], Any]:
    """What lets pages of these origins call a resource or route, without cookies."""
    options = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call]
        allow_credentials=False,
        expose_headers=_EXPOSED,
        allow_headers=(*_ALLOWED, "Idempotency-Key"),
        max_age=600,
    )
    added: Callable[[Any], Any] = aiohttp_cors.setup(
        app, defaults=dict.fromkeys(origins, options)
    ).add
    return added


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives each answer its headers, and each error its body."""
    trace_id = request[TRACE_ID] = secrets.token_hex(8)
    began = monotonic()
    response: web.StreamResponse
    try:
        _check_address(request)
        response = await handler(request)
    except Problem as problem:
        response = _refused(problem, trace_id)
    except web.HTTPException as error:
        response = _refused(_known(error), trace_id)
    except ConnectionResetError:
        raise  # whoever asked has gone
    except Exception:
        log.exception("%s %s failed, trace %s", request.method, _route(request), trace_id)
        sentence = "Something went wrong here."
        remedy = "The log has more under the trace_id."
        response = _refused(Problem(500, "INTERNAL", sentence, remedy), trace_id)
    # Of a socket or an export it would be how long it was open.
    seconds = monotonic() - began if isinstance(response, web.Response) else None
    _counted(request, response.status, seconds)
    return response


def _check_address(request: web.Request) -> None:
    """Raises Problem for an address that is longer than any that this gateway gives."""
    length = len(request.raw_path)
    if length > ADDRESS_MAX:
        raise Problem(
            414,
            "ADDRESS_TOO_LONG",
            f"The path with its query has {length} characters, more than {ADDRESS_MAX}.",
            "Filter by fewer or shorter values.",
        )


def _refused(problem: Problem, trace_id: str) -> web.Response:
    GATEWAY_REFUSALS.labels(problem.reason).inc()
    return problem.answer(trace_id)


async def _protect(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "mendstream"  # and no versions of what it is made of


def _known(error: web.HTTPException) -> Problem:
    if error.status == 404:
        return Problem(404, "NO_ROUTE", "There is no such route.", "See /docs for all of them.")
    if error.status == 405:
        allowed = ", ".join(sorted(getattr(error, "allowed_methods", ())))
        return Problem(
            405,
            "NO_METHOD",
            f"This takes {allowed} alone.",
            "See /docs.",
            headers={"Allow": allowed},
        )
    return Problem(error.status, "REFUSED", f"{error.reason}.", "See /docs.")


def _route(request: web.Request) -> str:
    """The route of a request, by which counts are kept: what strangers ask for makes no series."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def _method(request: web.Request) -> str:
    """The method of a request, by which counts are kept, as are routes."""
    return request.method if request.method in hdrs.METH_ALL else "other"


def _counted(request: web.Request, status: int, seconds: float | None) -> None:
    route = _route(request)
    GATEWAY_REQUESTS.labels(_method(request), route, str(status)).inc()
    if seconds is not None:
        GATEWAY_SECONDS.labels(_method(request), route).observe(seconds)
    if status in (401, 403, 409, 412, 429) or request.method != "GET":
        why = request.get(REFUSED, "")
        said = f": {why}" if why else ""
        log.info("%s %s %d, trace %s%s", request.method, route, status, request[TRACE_ID], said)
