"""Agents: how far each is trusted, and what became of its recommendations day by day."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.api import orders
from gateway.api.route_kinds import Family, rows_of
from gateway.auth.identity import Scope
from gateway.views.tenants import TenantScope
from gateway.views.view_reader import Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer, ViewStanding, single, standing
from gateway.web.lists import DayCount, ListQuery, Name
from gateway.web.problems import Problem, not_found
from gateway.web.route import (
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    WHOLE_NUMBER,
    Body,
    Query,
    TenantRule,
    extended,
    items,
    obj,
)
from gateway.web.route import single as single_of
from gateway.web.shapes import Json, moment_or_none
from schemas.ids import tenant_of
from schemas.records import RequestKind
from schemas.validation.requests_and_recommendations import check_request
from state.storage.table import day_of, row_key
from streams.runtime.clock import now_ms

DAY_MS = 86_400_000
AGENTS_MAX = 50  # begun anew at once: each is a record that is waited for
# The least trust of each word; below the first a built-in rule raises an alert.
STRENGTHS = ((0.3, "moderate"), (0.6, "strong"), (0.8, "very_strong"))
_WORDS = ["weak", *(word for _, word in STRENGTHS)]
_STRENGTH = {"type": "string", "enum": _WORDS}
DAYS_READ_MAX = 500  # of an agent; at most 401 are kept
_COUNTS = ("tracked", "approved", "partial", "rejected")
_SUMS = (*_COUNTS, "confidence", "quality")

CARD = extended(
    "TrustRow",
    approval_rate=NUMBER_OR_NULL,
    strength=_STRENGTH | {"description": "`overall` as a word: weak below 0.3, strong from 0.6."},
    workspace_average={
        "type": ["number", "null"],
        "description": "Mean of `overall` over the agents of its tenant.",
    },
)
_RATES: dict[str, Json] = {
    "approval_rate": NUMBER_OR_NULL | {"description": "Approved of all that was judged."},
    "avg_confidence": NUMBER_OR_NULL | {"description": "Of the recommendations that came."},
    "avg_quality": NUMBER_OR_NULL | {"description": "Of what was judged."},
}
_DAY = extended("AgentDayRow", **_RATES)
_POINT = obj(
    day=MOMENT,
    tracked=WHOLE_NUMBER,
    approved=WHOLE_NUMBER,
    partial=WHOLE_NUMBER,
    rejected=WHOLE_NUMBER,
    **_RATES,
)
METRICS = obj(
    agent_id=TEXT,
    window=WHOLE_NUMBER | {"description": "Days, the present one among them."},
    bucket=TEXT,
    total=WHOLE_NUMBER | {"description": "Recommendations that came in the window."},
    approved=WHOLE_NUMBER,
    rejected=WHOLE_NUMBER,
    partial=WHOLE_NUMBER,
    **_RATES,
    strength={"type": ["string", "null"], "enum": [*_WORDS, None]},
    series=items(_POINT) | {"description": "Each day of the window, the oldest first."},
)


class TrustQuery(ListQuery):
    """Which agents; `slope` begins with what fell most."""

    RISING = frozenset({"slope"})

    sort: Literal["overall", "slope", "boost"] = "overall"
    kind: Literal["RECOMMENDER", "DETECTOR", "DEPLOYER", "MODEL_VERSION", "PLAYBOOK"] | None = None
    priority: Literal["DISABLED", "LOW", "NORMAL", "CRITICAL"] | None = None
    trend: Literal["DECLINING", "STABLE", "IMPROVING"] | None = None


class MetricsQuery(Query):
    """Over which time, and of which stretches the series is."""

    window: DayCount = Field(30, description="days, the present one among them")
    bucket: Literal["day"] = "day"


class TrustBody(Body):
    """Whose trust is to begin anew. `confirm` repeats how many they are: what is known of them is
    forgotten.
    """

    agents: Annotated[list[Name], Field(min_length=1, max_length=AGENTS_MAX)]
    kind: Literal["RECOMMENDER", "DETECTOR", "DEPLOYER", "MODEL_VERSION", "PLAYBOOK"] = (
        "RECOMMENDER"
    )
    confirm: int

    @property
    def subject(self) -> str:
        """The first agent, whose tenant all must be of."""
        return self.agents[0]


async def initialise(call: Call) -> HttpAnswer:
    """Writes a request for each agent. Raises Problem for an agent of another tenant, as for one
    that is not there, and where their number is not confirmed; nothing is written then.
    """
    body = call.said(TrustBody)
    agents = list(dict.fromkeys(body.agents))
    if not all(call.scope.sees_subject(agent) for agent in agents):
        raise not_found("agent")
    if body.confirm != len(agents):
        raise Problem(
            422,
            "NOT_CONFIRMED",
            f"What is known of {len(agents)} agents would be forgotten.",
            f"Say so: confirm {len(agents)}.",
        )
    asked = [
        orders.request(call, RequestKind.INITIALISE_TRUST, agent, body.kind, about=agent)
        for agent in agents
    ]
    for each in asked:
        orders.check(check_request(each))
    answers = await asyncio.gather(*(orders.asked(call, each) for each in asked))
    fates = {answer.body["fate"] for answer in answers}
    fate = fates.pop() if len(fates) == 1 else "WAITING"
    shown = {
        "initialised": agents,
        "positions": [answer.body["position"] for answer in answers],
        "fate": fate,
    }
    return HttpAnswer(shown, max(answer.status for answer in answers))


async def trust(call: Call) -> HttpAnswer:
    answer = await rows_of("trust")(call)
    rows: list[Json] = answer.body["items"]
    tenants = {tenant_of(row["agent_id"]) for row in rows}
    means = await call.read(lambda view: {name: _mean(call, view, name) for name in tenants})
    for row in rows:
        row |= _more(row, means[tenant_of(row["agent_id"])])
    return answer


async def agent(call: Call) -> HttpAnswer:
    row, standing_ = await call.one("trust", row_key(call.path("agent")), "agent")
    shown = call.shown(row)
    mean = await call.read(lambda view: _mean(call, view, row.tenant))
    return single(shown | _more(shown, mean), standing_)


async def metrics(call: Call) -> HttpAnswer:
    """What an agent recommended in a window of days, together and day by day. Raises Problem for an
    agent of which neither a day nor trust is known.
    """
    agent_id, query = call.path("agent"), call.asked(MetricsQuery)

    def question(view: Snapshot) -> tuple[StoredRow | None, list[StoredRow], ViewStanding]:
        known = view.row("trust", call.scope, row_key(agent_id))
        days = view.beginning("agent-days", call.scope, f"{row_key(agent_id)}|", DAYS_READ_MAX)
        return known, days, standing(view, ["agent-days", "trust"])

    known, rows, standing_ = await call.read(question)
    if known is None and not rows:
        raise not_found("agent")
    now = standing_.as_of if standing_.as_of is not None else now_ms()
    today = now - now % DAY_MS
    days = {row.key: call.fields(row) for row in rows}
    moments = range(today - (query.window - 1) * DAY_MS, today + 1, DAY_MS)
    window = [(day, days.get(row_key(agent_id, day_of(day)))) for day in moments]
    shown = {
        "agent_id": agent_id,
        "window": query.window,
        "bucket": query.bucket,
        **_together([fields for _, fields in window if fields is not None]),
        "strength": None if known is None else strength(call.fields(known)["overall"]),
        "series": [_point(day, fields) for day, fields in window],
    }
    return single(shown, standing_, {"ETag": _tag(call, standing_, today)})


async def days(call: Call) -> HttpAnswer:
    """The days of an agent on which there was anything, the oldest first."""
    agent_id, query = call.path("agent"), call.asked(ListQuery)
    prefix, after = f"{row_key(agent_id)}|", call.after(query.after)

    def question(view: Snapshot) -> tuple[bool, list[StoredRow], ViewStanding]:
        behind = str(after[1]) if after is not None else ""
        known = view.row("trust", call.scope, row_key(agent_id)) is not None
        rows = view.beginning("agent-days", call.scope, prefix, query.limit, behind)
        return known or after is not None, rows, standing(view, ["agent-days"])

    known, rows, standing_ = await call.read(question)
    if not known and not rows:
        raise not_found("agent")
    following = ("", rows[-1].key) if len(rows) == query.limit else None
    shown = [call.shown(row) | _rates(call.fields(row)) for row in rows]
    return call.page(shown, following, standing_)


def strength(overall: float) -> str:
    """Trust as a word.

    >>> [strength(overall) for overall in (0.29, 0.3, 0.6, 0.8)]
    ['weak', 'moderate', 'strong', 'very_strong']
    """
    return next((word for least, word in reversed(STRENGTHS) if overall >= least), "weak")


def _mean(call: Call, view: Snapshot, tenant: str) -> float | None:
    assert call.scope.sees(tenant), "the mean of a tenant of the caller"
    return view.mean("trust", TenantScope((tenant,)), "overall")


def _more(row: Json, mean: float | None) -> dict[str, Any]:
    judged = row["approved"] + row["partial"] + row["rejected"]
    rate = row["approved"] / judged if judged else None
    return {
        "approval_rate": rate,
        "strength": strength(row["overall"]),
        "workspace_average": mean,
    }


def _together(days: Sequence[Mapping[str, Any]]) -> Json:
    """The counts of several days, and the rates of them together."""
    sums = {name: sum(fields[name] for fields in days) for name in _SUMS}
    counts = {name: sums[name] for name in ("approved", "rejected", "partial")}
    return {"total": sums["tracked"], **counts, **_rates(sums)}


def _point(day: int, fields: Mapping[str, Any] | None) -> Json:
    """A day of a series; of one without a row nothing came."""
    known = fields or dict.fromkeys(_SUMS, 0)
    return {
        "day": moment_or_none(day),
        **{name: known[name] for name in _COUNTS},
        **_rates(known),
    }


def _rates(sums: Mapping[str, Any]) -> Json:
    judged = sums["approved"] + sums["partial"] + sums["rejected"]
    tracked = sums["tracked"]
    return {
        "approval_rate": sums["approved"] / judged if judged else None,
        "avg_confidence": sums["confidence"] / tracked if tracked else None,
        "avg_quality": sums["quality"] / judged if judged else None,
    }


def _tag(call: Call, standing_: ViewStanding, today: int) -> str:
    """An answer is another on another day, though nothing came."""
    told = f"{standing_.position} {today} {call.request.path_qs}"
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:24]}"'


_LEARNING, _ONE = Family("learning"), "/api/v1/learning/agents/{agent}"
ROUTES = (
    _LEARNING.list("/api/v1/learning/trust", "Agents by trust", trust, CARD, TrustQuery),
    _LEARNING.one("/api/v1/learning/trust/{agent}", "Trust in an agent", agent, CARD),
    _LEARNING.word(
        "/api/v1/learning/debug/initialize-trust-scores",
        "Begin the trust in agents anew, as if nothing were known of them",
        initialise,
        TrustBody,
        TenantRule.BODY,
        scope=Scope.ADMIN,
        answer=obj(initialised=items(TEXT), positions=items(TEXT), fate=TEXT),
    ),
    _LEARNING.read(
        f"{_ONE}/metrics",
        "What an agent recommended in the last days, and how it was judged",
        metrics,
        single_of(METRICS),
        TenantRule.ITEM,
        MetricsQuery,
    ),
    _LEARNING.list(
        f"{_ONE}/days",
        "Each day of the last 400 on which an agent recommended something or was judged",
        days,
        _DAY,
        tenants=TenantRule.ITEM,
    ),
)
