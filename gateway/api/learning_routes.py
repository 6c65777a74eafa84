"""Trust in agents, and what was learned of recommendations."""

from typing import Any, Literal

from gateway.api.route_kinds import Family, rows_of
from gateway.views.tenants import TenantScope
from gateway.views.view_reader import PageQuery, Snapshot
from gateway.web.calls import Call, HttpAnswer
from gateway.web.calls import single as one_answer
from gateway.web.lists import ListQuery
from gateway.web.route import NUMBER_OR_NULL, TRUTH, WHOLE_NUMBER, extended, renamed
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
# Fields of a row of a recommendation pattern, as clients know them.
_NAMES = {
    "name": "pattern_name",
    "lower": "confidence",
    "confirmed_at": "last_confirmed",
    "first_at": "first_seen",
}
LESSON = extended(
    renamed(described("LessonRow"), _NAMES),
    success_rate=NUMBER_OR_NULL | {"description": "Of its outcomes, how many were approved."},
    participating_agents=WHOLE_NUMBER | {"description": "How many `agents` names."},
)
STATUS = extended(
    "LearningRow",
    enabled=TRUTH | {"description": "As this gateway's setting `learning_enabled` has it."},
    last_cycle={"anyOf": [described("LearningCycle"), {"type": "null"}]},
)


class TrustQuery(ListQuery):
    """Which agents; `slope` begins with what fell most."""

    RISING = frozenset({"slope"})

    sort: Literal["overall", "slope", "boost"] = "overall"
    kind: Literal["RECOMMENDER", "DETECTOR", "DEPLOYER", "MODEL_VERSION", "PLAYBOOK"] | None = None
    priority: Literal["DISABLED", "LOW", "NORMAL", "CRITICAL"] | None = None
    trend: Literal["DECLINING", "STABLE", "IMPROVING"] | None = None


class LessonQuery(ListQuery):
    """Which recommendation patterns."""

    sort: Literal["approved", "outcomes"] = "approved"
    category: Literal["CONSENSUS", "EXPERT", "HIGH_CONFIDENCE"] | None = None
    status: Literal["CANDIDATE", "CONFIRMED", "DROPPED"] | None = None


class StatusQuery(ListQuery):
    """Tenants by name."""

    RISING = frozenset({"owner"})


async def trust(call: Call) -> HttpAnswer:
    answer = await rows_of("trust")(call)
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
    answer = await rows_of("lessons")(call)
    rows: list[Json] = answer.body["items"]
    answer.body["items"] = [_lesson(row) for row in rows]
    return answer


def _lesson(row: Json) -> Json:
    shown = {_NAMES.get(name, name): value for name, value in row.items()}
    rate = row["approved"] / row["outcomes"] if row["outcomes"] else None
    return shown | {"success_rate": rate, "participating_agents": len(row["agents"])}


async def status(call: Call) -> HttpAnswer:
    """A row of each tenant, with its last cycle as far back as cycles are kept."""
    answer = await rows_of("learning")(call)
    shown: list[Json] = answer.body["items"]
    last = await call.read(lambda view: [_last(call, view, row["tenant"]) for row in shown])
    for row, cycle in zip(shown, last, strict=True):
        row |= {"enabled": call.gateway.settings.learning_enabled, "last_cycle": cycle}
    return answer


def _last(call: Call, view: Snapshot, tenant: str) -> Json | None:
    assert call.scope.sees(tenant), "a tenant of the caller"
    rows = view.page("cycles", TenantScope((tenant,)), PageQuery("cycled_at", limit=1))
    found = next(iter(rows), None)
    return None if found is None else call.shown(found)


def _mean(call: Call, view: Snapshot, tenant: str) -> float | None:
    assert call.scope.sees(tenant), "the mean of a tenant of the caller"
    return view.mean("trust", TenantScope((tenant,)), "overall")


def _more(row: Json, mean: float | None) -> dict[str, Any]:
    judged = row["approved"] + row["partial"] + row["rejected"]
    rate = row["approved"] / judged if judged else None
    return {"approval_rate": rate, "workspace_average": mean}


_LEARNING = Family("learning")
ROUTES = (
    _LEARNING.list("/api/v1/learning/trust", "Agents by trust", trust, CARD, TrustQuery),
    _LEARNING.one("/api/v1/learning/trust/{agent}", "Trust in an agent", agent, CARD),
    _LEARNING.list(
        "/api/v1/learning/patterns",
        "Recommendation patterns: which advice pays",
        lessons,
        LESSON,
        LessonQuery,
    ),
    _LEARNING.list(
        "/api/v1/learning/cycles",
        "Learning cycles of the last 30 days with what each found, the last first",
        rows_of("cycles"),
        "LearningCycle",
    ),
    _LEARNING.list(
        "/api/v1/learning/status",
        "Whether anything is learned, what came since the last cycle, and what that one found",
        status,
        STATUS,
        StatusQuery,
    ),
)
