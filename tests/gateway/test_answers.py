"""What a route answers is what OpenAPI says of it."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.api.route_table import ROUTES
from gateway.views.view_reader import Snapshot
from gateway.web.route import Route
from schemas.catalog import REQUESTS
from tests.support.gateway.asking import PLACES, body_for, path_for, someone
from tests.support.gateway.served import Served
from tests.support.gateway.world import BRAVO, Tenant

pytestmark = pytest.mark.kafka
OWNER = Tenant(BRAVO)


def named(routes: list[Route]) -> list[Any]:
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in routes]


def fits(route: Route, body: Any) -> None:
    faults = [*Draft202012Validator(route.answer).iter_errors(body)]
    assert not faults, "\n".join(f"{list(fault.path)}: {fault.message[:200]}" for fault in faults)


@pytest.fixture(autouse=True)
def _place(served: Served) -> None:
    assert served.running is not None

    def question(view: Snapshot) -> tuple[int, int]:
        (row,) = view.written(REQUESTS, OWNER.id("request"))
        return row.partition, row.offset

    PLACES[OWNER.name] = served.running.gateway.reader.ask(question)


@pytest.mark.parametrize("route", named([r for r in ROUTES if r.method == "GET"]))
def test_what_is_read_fits_its_schema(served: Served, route: Route) -> None:
    query = "?q=checkout" if "q" in route.query.model_fields else ""
    answer = served.call("GET", path_for(route, OWNER) + query, someone(("*",)))
    assert answer.status == 200, answer.body
    fits(route, answer.json)


@pytest.mark.parametrize(
    "route", named([r for r in ROUTES if r.method == "POST" and r.body is not None])
)
def test_what_is_written_is_answered_as_its_schema_says(served: Served, route: Route) -> None:
    """Or refused with a reason; never with a fault of the gateway's own."""
    headers: dict[str, str] = {}
    if "If-Match" in route.headers:
        row = served.call("GET", f"/api/v1/commands/{OWNER.id('pending')}", someone(("*",))).json
        headers["If-Match"] = f'"{row["item"]["digest"]}"'
    answer = served.call(
        "POST", path_for(route, OWNER), someone(("*",)), body_for(route, OWNER), headers
    )
    assert answer.status in (*route.statuses, 409, 422), answer.body
    if answer.status in route.statuses:
        fits(route, answer.json)
