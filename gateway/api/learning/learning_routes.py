"""What was learned of recommendations."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.api import orders
from gateway.api.route_kinds import Family, rows_of
from gateway.views.tenants import TenantScope
from gateway.views.view_reader import PageQuery, Snapshot
from gateway.web.calls import Call, HttpAnswer
from gateway.web.lists import ListQuery, Name
from gateway.web.route import (
    NUMBER_OR_NULL,
    TRUTH,
    WHOLE_NUMBER,
    Body,
    TenantRule,
    extended,
    renamed,
)
from gateway.web.shapes import Json, described
from schemas.ids import JOINER
from schemas.records import RequestKind
from schemas.validation.text import EVERYTHING
from state.storage.table import row_key

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


class LessonQuery(ListQuery):
    """Which recommendation patterns."""

    sort: Literal["approved", "outcomes"] = "approved"
    category: Literal["CONSENSUS", "EXPERT", "HIGH_CONFIDENCE"] | None = None
    status: Literal["CANDIDATE", "CONFIRMED", "DROPPED"] | None = None


class StatusQuery(ListQuery):
    """Tenants by name."""

    RISING = frozenset({"owner"})


class CycleBody(Body):
    """Whose recommendations are to be learned from."""

    tenant: Name
    why: Annotated[str, Field(max_length=512)] = ""

    @property
    def subject(self) -> str:
        """All of the tenant: the partition that has what it learns is the one that answers."""
        return f"{self.tenant}{JOINER}{EVERYTHING}"


async def learn(call: Call) -> HttpAnswer:
    body = call.said(CycleBody)
    await call.one("learning", row_key(body.tenant), "tenant")
    request = orders.request(call, RequestKind.LEARN, body.subject, body.why)
    return await orders.asked(call, request, range(call.gateway.settings.partitions))


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


_LEARNING = Family("learning")
ROUTES = (
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
    _LEARNING.word(
        "/api/v1/learning/cycles",
        "Learn of what came since the last cycle, without waiting for the next",
        learn,
        CycleBody,
        TenantRule.BODY,
    ),
    _LEARNING.list(
        "/api/v1/learning/status",
        "Whether anything is learned, what came since the last cycle, and what that one found",
        status,
        STATUS,
        StatusQuery,
    ),
)
