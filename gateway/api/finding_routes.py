"""What was found: decisions, failures and their patterns, alerts."""

from typing import Any, Literal

from gateway.auth.identity import Scope
from gateway.views.view_reader import PageQuery, Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer
from gateway.web.calls import single as one_answer
from gateway.web.lists import ListQuery, Name, newest
from gateway.web.route import (
    NUMBER_OR_NULL,
    TEXT_OR_NULL,
    Route,
    TenantRule,
    extended,
    listing,
    single,
)
from gateway.web.shapes import Json, described

_MORE_OF_ALERT = {
    "severity": TEXT_OR_NULL,
    "message": TEXT_OR_NULL,
    "metric": TEXT_OR_NULL,
    "threshold": NUMBER_OR_NULL,
    "count": {"type": ["integer", "null"]},
}
ALERT = extended("AlertRow", **_MORE_OF_ALERT)


class DecisionQuery(ListQuery):
    """Which decisions."""

    subject: Name | None = None
    verdict: Name | None = None
    order: Name | None = None
    outcome: Name | None = None
    experiment_id: Name | None = None


class FailureQuery(ListQuery):
    """Which failures."""

    subject: Name | None = None
    severity: Literal["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"] | None = None
    pattern: Name | None = None


class PatternQuery(ListQuery):
    """Which failure patterns, and by what they rank."""

    sort: Literal["month", "week", "loss", "last_at"] = "month"
    status: Literal["EMERGING", "CONFIRMED", "DORMANT", "RESOLVED"] | None = None


class AlertQuery(ListQuery):
    """Which alerts."""

    state: Literal["RAISED", "RESOLVED"] | None = None
    rule: Name | None = None


async def decisions(call: Call) -> HttpAnswer:
    return await call.listed("decisions", newest(call.asked(DecisionQuery), call, "decided_at"))


async def decision(call: Call) -> HttpAnswer:
    row, standing = await call.one("decisions", call.path("id"), "decision")
    return one_answer(call.shown(row), standing)


async def failures(call: Call) -> HttpAnswer:
    return await call.listed("failures", newest(call.asked(FailureQuery), call, "analysed_at"))


async def failure(call: Call) -> HttpAnswer:
    row, standing = await call.one("failures", call.path("id"), "failure")
    return one_answer(call.shown(row), standing)


async def patterns(call: Call) -> HttpAnswer:
    query = call.asked(PatternQuery)
    return await call.listed("patterns", newest(query, call, query.sort))


async def pattern(call: Call) -> HttpAnswer:
    row, standing = await call.one("patterns", call.path("pattern"), "failure pattern")
    return one_answer(call.shown(row), standing)


async def alerts(call: Call) -> HttpAnswer:
    """A page, with what each alert said when it was raised."""
    query = newest(call.asked(AlertQuery), call, "raised_at")
    answer = await call.listed("alerts", query)
    shown: list[Json] = answer.body["items"]
    told = await call.read(lambda view: [told_of(call, view, row) for row in shown])
    for row, more in zip(shown, told, strict=True):
        row |= more
    return answer


def told_of(call: Call, view: Snapshot, row: Json) -> dict[str, Any]:
    """What the alert of a row said, as far back as the log's tail is kept."""
    found: StoredRow | None = None
    if row["alert_id"]:
        query = PageQuery("raised_at", equal={"alert_id": row["alert_id"]}, limit=1)
        found = next(iter(view.page("alert-log", call.scope, query)), None)
    if found is None:
        return dict.fromkeys(_MORE_OF_ALERT)
    said = call.shown(found)
    return {name: said[name] for name in _MORE_OF_ALERT}


_TAG = "findings"
ROUTES = (
    Route(
        "GET",
        "/api/v1/decisions",
        "Decisions of the last 30 days, the last first",
        decisions,
        Scope.READ,
        TenantRule.ROWS,
        listing(described("Decision")),
        _TAG,
        DecisionQuery,
        csv=True,
    ),
    Route(
        "GET",
        "/api/v1/decisions/{id}",
        "A decision with its evidence",
        decision,
        Scope.READ,
        TenantRule.ITEM,
        single(described("Decision")),
        _TAG,
    ),
    Route(
        "GET",
        "/api/v1/failures",
        "Failures of the last 30 days with their analysis, the last first",
        failures,
        Scope.READ,
        TenantRule.ROWS,
        listing(described("FailureAnalysis")),
        _TAG,
        FailureQuery,
        csv=True,
    ),
    Route(
        "GET",
        "/api/v1/failures/{id}",
        "A failure: changes, causes, impact, hypotheses",
        failure,
        Scope.READ,
        TenantRule.ITEM,
        single(described("FailureAnalysis")),
        _TAG,
    ),
    Route(
        "GET",
        "/api/v1/failure-patterns",
        "Failure patterns, which are folded over all tenants",
        patterns,
        Scope.READ,
        TenantRule.WHOLE,
        listing(described("PatternRow")),
        _TAG,
        PatternQuery,
        csv=True,
    ),
    Route(
        "GET",
        "/api/v1/failure-patterns/{pattern}",
        "A failure pattern",
        pattern,
        Scope.READ,
        TenantRule.WHOLE,
        single(described("PatternRow")),
        _TAG,
    ),
    Route(
        "GET",
        "/api/v1/alerts",
        "Alerts that were raised, the last first, with what they said",
        alerts,
        Scope.READ,
        TenantRule.ROWS,
        listing(ALERT),
        _TAG,
        AlertQuery,
        csv=True,
    ),
)
