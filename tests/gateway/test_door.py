"""Who is let in, what is refused at the door, and how lists leave it."""

import csv
import io
import json
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.api.route_table import ROUTES
from gateway.gateway_process import check_settings
from gateway.web.dispatch import COOKIE
from gateway.web.limits import ADDRESS_MAX, BODY_BYTES_MAX
from gateway.web.route import Route
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.gateway.served import SECRET, Answered, Served, claims, signed, token
from tests.support.gateway.world import ALPHA, BRAVO, Tenant
from tests.support.kafka.running import changed

pytestmark = pytest.mark.kafka
COMMANDS = "/api/v1/commands"
ASKED = [route for route in ROUTES if route.scope is not None]
_NUMBERS = count()


def someone(**more: Any) -> str:
    """A token of a person who has not asked yet."""
    return token(f"visitor {next(_NUMBERS)}", (ALPHA,), **more)


def named(routes: list[Route]) -> list[Any]:
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in routes]


@pytest.mark.parametrize("route", named(ASKED))
def test_a_route_needs_its_scope_and_no_other_will_do(served: Served, route: Route) -> None:
    path = route.path.replace("{", "").replace("}", "")
    others = {"read", "publish", "order", "approve", "policy", "admin"} - {str(route.scope)}
    answer = served.call(route.method, path, someone(scope=" ".join(sorted(others))))
    assert (answer.status, answer.json["reason"]) == (403, "SCOPE_MISSING")


def test_every_token_that_is_not_believed_gets_the_same_answer(
    two_tenants: Settings, tmp_path: Path
) -> None:
    bad = [
        "x",
        signed(claims(exp=1)),
        signed(claims(iss="https://evil.example")),
        signed(claims(aud="other")),
        signed(claims(), {"jku": "https://evil.example"}),
    ]
    with Served(two_tenants, tmp_path) as gateway:
        answers = [gateway.call("GET", COMMANDS, each) for each in [*bad, None]]
        assert {answer.status for answer in answers} == {401}
        assert len({same(answer) for answer in answers}) == 1
        assert all(a.headers["www-authenticate"].startswith("Bearer") for a in answers)
        more = [gateway.call("GET", COMMANDS, "x").status for _ in range(10)]
        assert 429 in more, "tokens may be guessed as often as one likes"
        assert gateway.call("GET", COMMANDS, token()).status == 200, "nobody shuts others out"


def same(answer: Answered) -> str:
    return json.dumps({k: v for k, v in answer.json.items() if k != "trace_id"}, sort_keys=True)


def test_a_login_is_a_cookie_that_no_other_site_can_use(served: Served) -> None:
    mine = someone()
    logged_in = served.call("POST", "/api/v1/session", mine)
    assert logged_in.status == 204
    kept = logged_in.headers["set-cookie"]
    assert kept.startswith(f"{COOKIE}={mine};")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(kept.split("; "))
    cookie = {"Cookie": f"{COOKIE}={mine}"}
    assert served.call("GET", "/api/v1/whoami", headers=cookie).status == 200
    own = f"http://127.0.0.1:{served.port}"
    body = {"kind": "RETRAIN", "subject": f"{ALPHA}/bot"}
    for headers, status in (
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": own}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": own}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
    ):
        answer = served.call("POST", COMMANDS, body=body, headers=cookie | headers)
        assert answer.status == status, (headers, answer.body)
    out = served.call(
        "DELETE", "/api/v1/session", headers=cookie | {"Sec-Fetch-Site": "same-origin"}
    )
    assert "Max-Age=0" in out.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b'{"kind":', {}, 400, "NO_JSON"),
        (b"[" * 40 + b"]" * 40, {}, 400, "NO_JSON"),
        (b'{"kind": NaN}', {}, 400, "NO_JSON"),
        (b"\xff", {}, 400, "NO_JSON"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "NO_JSON"),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "NO_JSON"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "ENCODED"),
        (b" " * (BODY_BYTES_MAX + 1), {}, 413, "TOO_LARGE"),
        (b"[]", {}, 422, "NOT_UNDERSTOOD"),
        (b'{"kind": "RETRAIN", "subject": 7}', {}, 422, "NOT_UNDERSTOOD"),
    ],
)
def test_a_body_that_cannot_be_meant_is_refused(
    served: Served, body: bytes, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = served.call("POST", COMMANDS, someone(), body, headers)
    assert (answer.status, answer.json["reason"]) == (status, reason), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["remedy"]


def test_a_large_body_without_a_length_is_cut_off(served: Served) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30.0)
    headers = {"Authorization": f"Bearer {someone()}", "Content-Type": "application/json"}
    chunks = (b" " * 16_384 for _ in range(8))
    connection.request("POST", COMMANDS, body=chunks, headers=headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=501",
        "?limit=x",
        "?colour=red",
        "?phase=",
        "?limit=1&limit=2",
        "?after=x",
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(served: Served, query: str) -> None:
    answer = served.call("GET", COMMANDS + query, someone())
    assert answer.status == 422, answer.body


def test_who_asks_too_much_waits(served: Served) -> None:
    mine = someone()
    answers = [served.call("GET", "/api/v1/whoami", mine) for _ in range(80)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert served.call("GET", "/api/v1/whoami", someone()).status == 200, "another has his own"


def test_a_list_goes_on_where_its_cursor_stands_and_nowhere_else(served: Served) -> None:
    mine = someone()
    first = served.call("GET", f"{COMMANDS}?limit=2", mine).json
    second = served.call("GET", f"{COMMANDS}?limit=1&after={first['next']}", mine).json
    keys = [one["command_id"] for page in (first, second) for one in page["items"]]
    assert sorted(keys) == [Tenant(ALPHA).id(what) for what in ("done", "pending", "served")]
    last = served.call("GET", f"{COMMANDS}?limit=1&after={second['next']}", mine).json
    assert (last["items"], last["next"]) == ([], None)
    for other in (f"{COMMANDS}?phase=FAILED&after=", "/api/v1/decisions?after="):
        answer = served.call("GET", other + first["next"], mine)
        assert (answer.status, answer.json["reason"]) == (422, "BAD_CURSOR")
    bent = first["next"][:-2] + ("AA" if first["next"][-2:] != "AA" else "BB")
    assert served.call("GET", f"{COMMANDS}?limit=1&after={bent}", mine).status == 422


def test_an_answer_that_did_not_change_is_not_sent_again(served: Served) -> None:
    mine = someone()
    first = served.call("GET", "/api/v1/decisions", mine)
    again = served.call(
        "GET", "/api/v1/decisions", mine, headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")


def test_an_export_has_every_row_and_no_formula(served: Served) -> None:
    answer = served.call("GET", f"{COMMANDS}?format=csv&limit=1", someone())
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    shown = served.call("GET", COMMANDS, someone()).json["items"]
    assert [row["command_id"] for row in rows] == [item["command_id"] for item in shown]
    assert rows[0]["issued_at"] == shown[0]["issued_at"]
    by_type = served.call("GET", COMMANDS, someone(), headers={"Accept": "text/csv"})
    assert by_type.body == answer.body


def test_answers_tell_how_far_they_are(served: Served) -> None:
    answer = served.call("GET", COMMANDS, someone())
    assert answer.json["as_of"].endswith("Z")
    assert answer.json["position"].startswith("tables.commands.v1@")
    assert "age" in answer.headers
    assert served.call("GET", "/health").json["status"] in ("ok", "degraded")


def test_answers_may_not_be_framed_sniffed_or_kept(served: Served) -> None:
    for path in (COMMANDS, "/nowhere"):
        headers = served.call("GET", path, someone()).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["server"] == "mendstream"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_errors_of_the_router_are_problems_too(served: Served) -> None:
    nowhere = served.call("GET", "/api/v1/nowhere", someone())
    assert (nowhere.status, nowhere.json["reason"]) == (404, "NO_ROUTE")
    wrong = served.call("PUT", COMMANDS, someone())
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, POST")


def test_a_slash_at_the_end_changes_nothing(served: Served) -> None:
    assert served.call("GET", f"{COMMANDS}/", someone()).status == 200


def test_pages_of_named_origins_may_ask_without_cookies(
    two_tenants: Settings, tmp_path: Path
) -> None:
    origin = "https://dash.example"
    with Served(two_tenants, tmp_path, cors_origins=origin) as gateway:
        asked = {"Access-Control-Request-Method": "POST"}
        told = gateway.call("OPTIONS", COMMANDS, headers={"Origin": origin} | asked)
        assert told.headers["access-control-allow-origin"] == origin
        assert told.headers.get("access-control-allow-credentials") != "true"
        other = gateway.call("OPTIONS", COMMANDS, headers={"Origin": "https://x.example"} | asked)
        assert "access-control-allow-origin" not in other.headers
        answer = gateway.call("GET", COMMANDS, token(), headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin


def test_a_token_of_all_tenants_sees_all(served: Served) -> None:
    items = served.call("GET", COMMANDS, token("root of all")).json["items"]
    assert {item["subject"] for item in items} == {f"{ALPHA}/bot", f"{BRAVO}/bot"}


def test_without_authentication_it_is_for_this_machine_alone(
    two_tenants: Settings, tmp_path: Path
) -> None:
    with pytest.raises(MendstreamError, match=r"0\.0\.0\.0"):
        check_settings(changed(two_tenants, gateway_host="0.0.0.0"), no_auth=True)
    check_settings(
        changed(two_tenants, gateway_host="0.0.0.0"), no_auth=True, published_locally=True
    )
    with Served(two_tenants, tmp_path, no_auth=True) as gateway:
        assert gateway.call("GET", "/api/v1/whoami").json["authenticated"] is False
        rebound = gateway.call("GET", COMMANDS, headers={"Host": "evil.example"})
        assert (rebound.status, rebound.json["reason"]) == (403, "OTHER_HOST")
        body = {"kind": "RETRAIN", "subject": "bot"}
        foreign = gateway.call("POST", COMMANDS, body=body, headers={"Origin": "https://x.example"})
        assert (foreign.status, foreign.json["reason"]) == (403, "OTHER_SITE")


def test_where_a_port_is_published_is_said_of_a_gateway_without_authentication_alone() -> None:
    with pytest.raises(MendstreamError, match="--published-locally"):
        check_settings(Settings(jwt_secret=SECRET), no_auth=False, published_locally=True)


@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        ({}, {}, "JWT_JWKS_URL"),
        ({"jwt_secret": SECRET}, {}, "JWT_ISSUER"),
        ({"jwt_secret": SECRET, "jwt_jwks_url": "https://x.example/keys"}, {}, "both set"),
        ({"jwt_secret": SECRET}, {"JWT_SECRET_KEY": "x"}, "MENDSTREAM_JWT_SECRET"),
        ({"jwt_secret": SECRET}, {"CORS_ORIGINS": "*"}, "MENDSTREAM_CORS_ORIGINS"),
    ],
)
def test_settings_that_would_let_anybody_in_keep_it_from_starting(
    settings: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(MendstreamError, match=said):
        check_settings(Settings(**settings), no_auth=False, environment=environment)


@pytest.mark.parametrize(("length", "status"), [(ADDRESS_MAX, 422), (ADDRESS_MAX + 1, 414)])
def test_an_address_that_is_too_long_is_told_with_what_to_do(
    served: Served, length: int, status: int
) -> None:
    path = "/api/v1/search?q="
    answer = served.call("GET", path + "q" * (length - len(path)), someone())
    assert answer.status == status, answer.body
    if status == 414:
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json
        assert (told["reason"], told["status"]) == ("ADDRESS_TOO_LONG", 414)
        assert f"{length} characters" in told["detail"]
        assert told["remedy"]
        assert told["trace_id"]


def test_a_socket_and_a_page_have_the_same_bound(served: Served) -> None:
    for path in ("/ws", "/ui/now", "/nowhere"):
        answer = served.call("GET", f"{path}?q={'x' * ADDRESS_MAX}")
        assert (answer.status, answer.json["reason"]) == (414, "ADDRESS_TOO_LONG")
