"""Takes a request to the handler of its route, and its answer back: who asks, whether he may, what
he says, how far the views must be.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import to_json

from gateway.auth.identity import DEVELOPER, Identity, Way
from gateway.auth.tokens import TokenFault, Verifier
from gateway.orders.order_writer import NotDelivered
from gateway.views import positions
from gateway.views.positions import PositionError
from gateway.web import lists
from gateway.web.calls import Call, Gateway, HttpAnswer
from gateway.web.csrf import check_host, check_site
from gateway.web.limits import (
    BODY_BYTES_MAX,
    LARGE_BODY_BYTES_MAX,
    REQUEST_SECONDS,
    Limits,
    read_json,
)
from gateway.web.problems import REFUSED, TRACE_ID, Problem, not_found, not_understood
from gateway.web.route import Body, Query, Route, TenantRule
from streams.runtime.clock import now_ms

_LARGE = ("/specs", "/policies", "/recommendations", "/outcomes")  # what has a large body
COOKIE = "__Host-mendstream"
AT_LEAST = "Mendstream-At-Least"
AT_LEAST_SECONDS = 2.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mendstream"'}


@dataclass(frozen=True, slots=True)
class Door:
    """How callers are let in. verifier: None where nobody is asked who he is. origin: of this
    gateway, as browsers know it.
    """

    verifier: Verifier | None
    origins: list[str]
    limits: Limits

    async def identity(self, request: web.Request) -> Identity:
        """Who asks. Raises Problem 401 where that is not proved, with one body for every reason."""
        if self.verifier is None:
            check_host(request.host, self.origins)
            return DEVELOPER
        token, way = _token(request)
        if token is None:
            raise _not_authenticated()
        try:
            return await self.verifier.identity(token, way, now_ms() / 1_000)
        except TokenFault as fault:
            request[REFUSED] = str(fault)
            await self.limits.failed(request.remote or "")
            raise _not_authenticated() from None


def _token(request: web.Request) -> tuple[str | None, Way]:
    header = request.headers.get("Authorization")
    if header is not None:
        kind, _, token = header.partition(" ")
        return (token.strip() if kind.lower() == "bearer" else None), Way.BEARER
    return request.cookies.get(COOKIE), Way.COOKIE


def _not_authenticated() -> Problem:
    return Problem(
        401,
        "NOT_AUTHENTICATED",
        "No valid token came with this request.",
        "Send `Authorization: Bearer TOKEN`, or log in.",
        headers=_CHALLENGE,
    )


def handler_of(
    route: Route, gateway: Gateway, door: Door
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The function that aiohttp calls for a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        identity, headers = await _let_in(route, request, gateway, door)
        call = await _call(route, request, gateway, identity)
        await _at_least(call)
        if lists.wants_csv(call):
            return await _csv(call)
        async with asyncio.timeout(REQUEST_SECONDS):
            answer = await route.handler(call)
        return _response(request, answer, headers)

    async def told(request: web.Request) -> web.StreamResponse:
        try:
            return await handle(request)
        except NotDelivered as error:
            raise Problem(
                503, "NOT_DELIVERED", error.fault, error.remedy, headers=_soon()
            ) from error
        except TimeoutError as error:
            raise Problem(
                503, "TOO_SLOW", "It took too long.", "Try again.", headers=_soon()
            ) from error

    return told


async def _let_in(
    route: Route, request: web.Request, gateway: Gateway, door: Door
) -> tuple[Identity, Mapping[str, str]]:
    if route.scope is None:
        return DEVELOPER, {}
    identity = await door.identity(request)
    if not gateway.feed.built.is_set():
        raise Problem(
            503,
            "STARTING",
            "The views of this replica are being built.",
            "Try again in a moment, or ask another replica.",
            headers=_soon(),
        )
    if route.writes:
        check_site(request.headers, identity.way, door.origins)
    headers = await door.limits.spend(f"{identity.issuer} {identity.name}", route.writes)
    if not identity.may(route.scope):
        raise Problem(
            403,
            "SCOPE_MISSING",
            f"This needs the scope {str(route.scope)!r}, which the token does not name.",
            "Ask whoever gives out tokens.",
        )
    if route.tenants == TenantRule.WHOLE and not identity.tenants.everything:
        raise Problem(
            403,
            "WHOLE_INSTALLATION",
            "This is about all tenants together.",
            'Only a token whose tenants are ["*"] may ask for it.',
        )
    return identity, headers


async def _call(route: Route, request: web.Request, gateway: Gateway, identity: Identity) -> Call:
    query, body = _query(route, request), None
    if route.body is not None:
        body = await _body(route.body, route, request)
    elif request.can_read_body:
        raise Problem(422, "NOT_UNDERSTOOD", "This takes no body.", "Leave it out.")
    if route.tenants == TenantRule.BODY:
        subject = getattr(body, "subject", None)
        assert isinstance(subject, str), f"{route.path} is of the subject in its body"
        if not identity.tenants.sees_subject(subject):
            raise not_found("subject")
    return Call(gateway, request, route, identity, query, body, request[TRACE_ID])


def _query(route: Route, request: web.Request) -> Query:
    given = dict(request.query)
    if len(given) != len(request.query):
        raise Problem(422, "NOT_UNDERSTOOD", "A parameter is given twice.", "Give each once.")
    try:
        return route.query.model_validate(given)
    except ValidationError as error:
        raise not_understood(error, "query") from error


async def _body(kind: type[Body], route: Route, request: web.Request) -> Body:
    large = route.path.endswith(_LARGE)
    read = await read_json(request, LARGE_BODY_BYTES_MAX if large else BODY_BYTES_MAX)
    try:
        return kind.model_validate(read.value)
    except ValidationError as error:
        raise not_understood(error, "body") from error


async def _at_least(call: Call) -> None:
    """Waits until the views are as far as the caller wants. Raises Problem 503 if they are not."""
    wanted = call.request.headers.get(AT_LEAST)
    if wanted is None:
        return
    try:
        places, records = positions.read(wanted)
    except PositionError as error:
        raise Problem(422, "BAD_POSITION", f"{error}.", "Take it from an answer.") from error
    known = {part.topic for part in call.gateway.feed.parts}
    fed = {place: at for place, at in places.items() if place in call.gateway.feed.positions}
    if len(fed) != len(places) or any(one.topic not in known for one in records):
        raise Problem(422, "BAD_POSITION", "It names what is not kept.", "Take it from an answer.")
    if not await call.gateway.fates.reached(fed, records, AT_LEAST_SECONDS):
        raise Problem(
            503,
            "BEHIND",
            "This replica is not as far as you have seen already.",
            "Try again, or ask another replica.",
            headers=_soon(),
        )


def _soon() -> dict[str, str]:
    return {"Retry-After": "1"}


def _response(request: web.Request, answer: HttpAnswer, headers: Mapping[str, str]) -> web.Response:
    made = {**headers, **answer.headers}
    if answer.standing is not None:
        told = f"{answer.standing.position} {request.path_qs}"
        made.setdefault("ETag", f'W/"{hashlib.sha256(told.encode()).hexdigest()[:24]}"')
        if answer.standing.as_of is not None:
            made["Age"] = str(max(0, now_ms() - answer.standing.as_of) // 1_000)
        if request.method == "GET" and request.headers.get("If-None-Match") == made["ETag"]:
            return web.Response(status=304, headers=made)
    if answer.body is None:
        return web.Response(status=answer.status, headers=made)
    return web.Response(
        body=to_json(answer.body, inf_nan_mode="null"),
        status=answer.status,
        content_type="application/json",
        headers=made,
    )


async def _csv(call: Call) -> web.StreamResponse:
    name = call.route.path.rpartition("/")[2]
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{lists.CSV_TYPE}; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}.csv"',
        }
    )
    chunks = lists.exported(call)
    first = await anext(chunks)  # what is wrong with the query is told before anything is sent
    await response.prepare(call.request)
    await response.write(first)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def seconds_to_wait(call: Call, most: float) -> float:
    """How long a caller wants to wait for what becomes of a record (RFC 7240); 0: not at all."""
    for part in call.request.headers.get("Prefer", "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.isascii() and value.isdecimal():
            return min(float(value), most)
    return 0.0
