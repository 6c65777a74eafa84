"""What was found: decisions, failures and their patterns, alerts."""

from typing import Any, Literal

from agents.alerts.alert_metrics import METRICS
from gateway.api.route_kinds import Family, row_of, rows_of
from gateway.api.ui_addresses import page_of_row
from gateway.views.definitions import VIEWS
from gateway.views.view_reader import PageQuery, Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer, standing
from gateway.web.lists import ListQuery, Name
from gateway.web.route import (
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TenantRule,
    extended,
    obj,
)
from gateway.web.shapes import Json, moment_or_none

_MORE_OF_ALERT = {
    "severity": TEXT_OR_NULL,
    "message": TEXT_OR_NULL,
    "metric": TEXT_OR_NULL,
    "threshold": NUMBER_OR_NULL,
    "count": {"type": ["integer", "null"]},
}
# Of what an alert may be about, the view whose page shows it, and the field that names it there.
_ABOUT = {
    "subject": ("subjects", "subject"),
    "agent": ("trust", "agent_id"),
    "tenant": ("cycles", "tenant"),
}
ALERT = extended("AlertRow", **_MORE_OF_ALERT, ui_url=TEXT_OR_NULL)


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


class SignalQuery(ListQuery):
    """By what signals rank."""

    sort: Literal["last_at", "seen"] = "last_at"


class AlertQuery(ListQuery):
    """Which alerts."""

    state: Literal["RAISED", "RESOLVED"] | None = None
    rule: Name | None = None


async def alerts(call: Call) -> HttpAnswer:
    """A page, with what each alert said when it was raised."""
    answer = await rows_of("alerts")(call)
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
        return dict.fromkeys((*_MORE_OF_ALERT, "ui_url"))
    said = call.shown(found)
    return {name: said[name] for name in _MORE_OF_ALERT} | {"ui_url": _page_about(said)}


def _page_about(alert: Json) -> str | None:
    """The page of what an alert is about."""
    metric = METRICS.get(alert["metric"])
    view, name = _ABOUT.get(metric.about if metric else "", ("", ""))
    return page_of_row(view, {name: alert["key"]})


class EventQuery(ListQuery):
    """Which happenings."""

    kind: Literal["decision", "step", "failure", "alert", "cycle"] | None = None


async def events(call: Call) -> HttpAnswer:
    """What was decided, done, found and told, of all logs together."""
    query = call.asked(EventQuery)
    after, chosen = call.after(query.after), [query.kind] if query.kind else list(_EVENTS)

    def question(view: Snapshot) -> HttpAnswer:
        found: list[tuple[Any, str, Json]] = []
        for kind in chosen:
            name = _EVENTS[kind]
            page = PageQuery(VIEWS[name].orders[0], after=after, limit=query.limit)
            rows = view.page(name, call.scope, page)
            found += [(row.order, row.key, _event(call, kind, row)) for row in rows]
        found.sort(key=lambda one: one[:2], reverse=True)
        shown = found[: query.limit]
        following = shown[-1][:2] if len(shown) == query.limit else None
        views = standing(view, [_EVENTS[kind] for kind in chosen])
        return call.page([each for _, _, each in shown], following, views)

    return await call.read(question)


def _event(call: Call, kind: str, row: StoredRow) -> Json:
    fields = call.fields(row)
    return {
        "kind": kind,
        "key": row.key,
        "at": moment_or_none(row.order),
        "about": _first(fields, "subject", "tenant", "key"),
        "state": _first(fields, "verdict", "after", "severity", "trend"),
        "text": _first(fields, "reason", "detail", "risk", "message", "insights", "event") or "",
        "ui_url": page_of_row(row.view, fields),
    }


def _first(fields: Any, *names: str) -> str | None:
    """The first of these fields that a record has and that says something; lists as sentences."""
    found = next((fields[name] for name in names if fields.get(name)), None)
    return " ".join(found) if isinstance(found, list) else found


# Of each kind of happening the log that has it.
_EVENTS = {
    "decision": "decisions",
    "step": "transitions",
    "failure": "failures",
    "alert": "alert-log",
    "cycle": "cycles",
}
EVENT = obj(
    kind={"type": "string", "enum": list(_EVENTS)},
    key=TEXT,
    at=MOMENT,
    about=TEXT_OR_NULL,
    state=TEXT_OR_NULL,
    text=TEXT,
    ui_url=TEXT_OR_NULL,
)
_FINDINGS, _WHOLE = Family("findings"), TenantRule.WHOLE
ROUTES = (
    _FINDINGS.list(
        "/api/v1/decisions",
        "Decisions of the last 30 days, the last first",
        rows_of("decisions"),
        "Decision",
        DecisionQuery,
    ),
    _FINDINGS.one(
        "/api/v1/decisions/{id}",
        "A decision with its evidence",
        row_of("decisions", "id", "decision"),
        "Decision",
    ),
    _FINDINGS.list(
        "/api/v1/failures",
        "Failures of the last 30 days with their analysis, the last first",
        rows_of("failures"),
        "FailureAnalysis",
        FailureQuery,
    ),
    _FINDINGS.one(
        "/api/v1/failures/{id}",
        "A failure: changes, causes, impact, hypotheses",
        row_of("failures", "id", "failure"),
        "FailureAnalysis",
    ),
    _FINDINGS.list(
        "/api/v1/failure-patterns",
        "Failure patterns, which are folded over all tenants",
        rows_of("patterns"),
        "PatternRow",
        PatternQuery,
        _WHOLE,
    ),
    _FINDINGS.one(
        "/api/v1/failure-patterns/{pattern}",
        "A failure pattern",
        row_of("patterns", "pattern", "failure pattern"),
        "PatternRow",
        _WHOLE,
    ),
    _FINDINGS.list(
        "/api/v1/signals",
        "What came before failures: signals, and the failure patterns that followed them",
        rows_of("signals"),
        "SignalRow",
        SignalQuery,
        _WHOLE,
    ),
    _FINDINGS.list(
        "/api/v1/alerts",
        "Alerts that were raised, the last first, with what they said",
        alerts,
        ALERT,
        AlertQuery,
    ),
    _FINDINGS.list(
        "/api/v1/events",
        "What happened in the last 30 days, the last first: decisions, steps, failures, alerts",
        events,
        EVENT,
        EventQuery,
    ),
)
