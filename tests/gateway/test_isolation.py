"""A tenant's token shows nothing of another's: each route of the table, whatever it is asked."""

from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from gateway.api.route_table import ROUTES
from gateway.views.definitions import VIEWS
from gateway.views.tenants import WHOLE
from gateway.views.view_reader import PageQuery, Snapshot
from gateway.web.lists import ListQuery
from gateway.web.route import Route, TenantRule
from schemas.catalog import REQUESTS
from tests.support.gateway.asking import PLACES, body_for, path_for, someone
from tests.support.gateway.served import Served
from tests.support.gateway.world import ALPHA, BRAVO, Tenant

pytestmark = pytest.mark.kafka
STRANGER, OWNER = Tenant(ALPHA), Tenant(BRAVO)


@pytest.fixture(autouse=True)
def _places(served: Served) -> None:
    assert served.running is not None
    reader = served.running.gateway.reader
    for who in (STRANGER, OWNER):
        rows = reader.ask(partial(Snapshot.written, topic=REQUESTS, event_id=who.id("request")))
        PLACES[who.name] = (rows[0].partition, rows[0].offset)


def queries_for(route: Route) -> list[str]:
    """Queries with which a list is asked for the other tenant's rows."""
    if "q" in route.query.model_fields:
        return [f"?q={quote(text)}" for text in (BRAVO, "checkout", "text", "größe")]
    if not issubclass(route.query, ListQuery):
        return [""]
    found = ["", "?limit=500", "?format=csv"] if route.csv else ["", "?limit=500"]
    names = {
        "subject": OWNER.subject,
        "experiment_id": OWNER.experiment,
        "pattern": OWNER.id("pattern"),
    }
    return found + [
        f"?{name}={quote(value, safe='')}"
        for name, value in names.items()
        if name in route.query.model_fields
    ]


def named(routes: list[Route]) -> list[Any]:
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in routes]


@pytest.mark.parametrize("route", named(list(ROUTES)))
def test_every_route_has_a_rule_that_a_test_knows(route: Route) -> None:
    assert isinstance(route.tenants, TenantRule)
    if route.tenants == TenantRule.NOBODY:
        assert route.path in ("/health", "/api/v1/system"), "whose data is it?"
    if route.tenants == TenantRule.CALLER:
        assert route.path in ("/api/v1/whoami", "/api/v1/session"), "what of the caller's is it?"
    if route.tenants == TenantRule.BODY:
        assert route.body is not None
        assert "subject" in route.body.model_fields or hasattr(route.body, "subject")
    if route.tenants == TenantRule.ITEM:
        assert "{" in route.path, "what does the path name?"


@pytest.mark.parametrize("route", named([r for r in ROUTES if r.tenants == TenantRule.ITEM]))
def test_what_is_another_tenants_is_as_if_it_were_not_there(served: Served, route: Route) -> None:
    mine, headers = someone((ALPHA,)), {"If-Match": '"x"'}
    body = body_for(route, OWNER)
    foreign = served.call(route.method, path_for(route, OWNER), mine, body, headers)
    nowhere = served.call(route.method, path_for(route, Nowhere("nobody")), mine, body, headers)
    assert foreign.status == nowhere.status == 404
    assert bare(foreign.json) == bare(nowhere.json)
    assert BRAVO.encode() not in foreign.whole


@pytest.mark.parametrize("route", named([r for r in ROUTES if r.tenants == TenantRule.BODY]))
def test_nobody_orders_for_another_tenant(served: Served, route: Route) -> None:
    mine = someone((ALPHA,))
    answer = served.call(route.method, path_for(route, OWNER), mine, body_for(route, OWNER))
    assert answer.status == 404
    assert BRAVO.encode() not in answer.whole


@pytest.mark.parametrize("route", named([r for r in ROUTES if r.tenants == TenantRule.WHOLE]))
def test_what_is_of_all_tenants_is_for_who_may_see_all(served: Served, route: Route) -> None:
    mine = someone((ALPHA,))
    answer = served.call(route.method, path_for(route, OWNER), mine, body_for(route, OWNER))
    assert answer.status == 403
    assert BRAVO.encode() not in answer.whole


READS = [r for r in ROUTES if r.method == "GET" and r.scope is not None]


@pytest.mark.parametrize("route", named(READS))
def test_no_byte_of_another_tenant_is_in_any_answer(served: Served, route: Route) -> None:
    """The stranger's own things, lists, filters, searches and exports."""
    mine = someone((ALPHA,))
    for query in queries_for(route):
        answer = served.call("GET", path_for(route, STRANGER) + query, mine)
        refused = route.tenants == TenantRule.WHOLE
        assert answer.status == (403 if refused else 200), answer.body
        # What was asked for stands in no answer either.
        assert BRAVO.encode() not in answer.whole, query
        nothing = served.call("GET", path_for(route, STRANGER) + query, someone(()))
        assert nothing.status in (200, 403, 404), nothing.body
        assert ALPHA.encode() not in nothing.whole, query
        assert BRAVO.encode() not in nothing.whole, query


@pytest.mark.parametrize("route", named(READS))
def test_the_owner_sees_what_the_stranger_does_not(served: Served, route: Route) -> None:
    """Or the tests above would pass on answers that are empty."""
    whole = someone(("*",))
    if route.tenants not in (TenantRule.ROWS, TenantRule.ITEM, TenantRule.WHOLE):
        return
    query = f"?q={BRAVO}" if "q" in route.query.model_fields else ""
    answer = served.call("GET", path_for(route, OWNER) + query, whole)
    assert answer.status == 200, answer.body
    assert BRAVO.encode() in answer.whole or "dead-letters" in route.path


def test_counts_are_the_tenants_own(served: Served) -> None:
    one = served.call("GET", "/api/v1/now", someone((ALPHA,))).json
    both = served.call("GET", "/api/v1/now", someone(("*",))).json
    assert one["command_counts"] == {"PENDING_APPROVAL": 1, "COMPLETED": 2}
    assert both["command_counts"] == {"PENDING_APPROVAL": 2, "COMPLETED": 4}


def test_every_view_has_rows_of_both_tenants(served: Served) -> None:
    """A view without any would be isolated by chance."""

    assert served.running is not None
    for view in VIEWS.values():
        rows = served.running.gateway.reader.ask(
            lambda snapshot, v=view: (  # type: ignore[misc]
                snapshot.page(v.name, WHOLE, PageQuery(v.orders[0], limit=500))
                if v.orders
                else snapshot.beginning(v.name, WHOLE, "", 500)
            )
        )
        values = b"".join(row.value for row in rows)
        assert ALPHA.encode() in values, view.name
        assert BRAVO.encode() in values, view.name


class Nowhere(Tenant):
    """Names that nothing has."""


PLACES["nobody"] = (0, 999_999)


def bare(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "trace_id"}
