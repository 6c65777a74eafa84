"""Trust in agents, and what was learned of recommendations."""

from typing import Any, Literal

from gateway.auth.identity import Scope
from gateway.views.tenants import TenantScope
from gateway.views.view_reader import PageQuery, Snapshot
from gateway.web.calls import Call, HttpAnswer
from gateway.web.calls import single as one_answer
from gateway.web.lists import ListQuery, newest
from gateway.web.route import NUMBER_OR_NULL, Route, TenantRule, extended, listing, single
from gateway.web.shapes import Json, described
from schemas.ids import tenant_of
from state.storage.table import row_key

CARD = extended(
    "TrustRow",
    approval_rate=NUMBER_OR_NULL,
    workspace_average={
        "type": ["number", "null"],
        "description": "Mean of `overall` over the agents of its tenant.",
    },
)


class TrustQuery(ListQuery):
    """Which agents; `slope` begins with what fell most."""

    sort: Literal["overall", "slope", "boost"] = "overall"
    kind: Literal["RECOMMENDER", "DETECTOR", "DEPLOYER", "MODEL_VERSION", "PLAYBOOK"] | None = None
    priority: Literal["DISABLED", "LOW", "NORMAL", "CRITICAL"] | None = None
    trend: Literal["DECLINING", "STABLE", "IMPROVING"] | None = None


class LessonQuery(ListQuery):
    """Which recommendation patterns."""

    sort: Literal["approved", "outcomes"] = "approved"
    category: Literal["CONSENSUS", "EXPERT", "HIGH_CONFIDENCE"] | None = None
    status: Literal["CANDIDATE", "CONFIRMED", "DROPPED"] | None = None


async def trust(call: Call) -> HttpAnswer:
    query = call.asked(TrustQuery)
    page = newest(query, call, query.sort)
    if query.sort == "slope":
        page = PageQuery("slope", False, page.equal, page.after, page.limit)
    answer = await call.listed("trust", page)
    rows: list[Json] = answer.body["items"]
    tenants = {tenant_of(row["agent_id"]) for row in rows}
    means = await call.read(lambda view: {name: _mean(call, view, name) for name in tenants})
    for row in rows:
        row |= _more(row, means[tenant_of(row["agent_id"])])
    return answer


async def agent(call: Call) -> HttpAnswer:
    row, standing = await call.one("trust", row_key(call.path("agent")), "agent")
    shown = call.shown(row)
    mean = await call.read(lambda view: _mean(call, view, row.tenant))
    return one_answer(shown | _more(shown, mean), standing)


async def lessons(call: Call) -> HttpAnswer:
    query = call.asked(LessonQuery)
    return await call.listed("lessons", newest(query, call, query.sort))


def _mean(call: Call, view: Snapshot, tenant: str) -> float | None:
    assert call.scope.sees(tenant), "the mean of a tenant of the caller"
    return view.mean("trust", TenantScope((tenant,)), "overall")


def _more(row: Json, mean: float | None) -> dict[str, Any]:
    judged = row["approved"] + row["partial"] + row["rejected"]
    rate = row["approved"] / judged if judged else None
    return {"approval_rate": rate, "workspace_average": mean}


_TAG = "learning"
ROUTES = (
    Route(
        "GET",
        "/api/v1/learning/trust",
        "Agents by trust",
        trust,
        Scope.READ,
        TenantRule.ROWS,
        listing(CARD),
        _TAG,
        TrustQuery,
        csv=True,
    ),
    Route(
        "GET",
        "/api/v1/learning/trust/{agent}",
        "Trust in an agent",
        agent,
        Scope.READ,
        TenantRule.ITEM,
        single(CARD),
        _TAG,
    ),
    Route(
        "GET",
        "/api/v1/learning/patterns",
        "Recommendation patterns: which advice pays",
        lessons,
        Scope.READ,
        TenantRule.ROWS,
        listing(described("LessonRow")),
        _TAG,
        LessonQuery,
        csv=True,
    ),
)
