"""Recommendations and what became of them, for agents that have no client of Kafka."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from gateway.api import orders
from gateway.api.route_kinds import Family
from gateway.auth.identity import Scope
from gateway.web.calls import Call, HttpAnswer
from gateway.web.problems import Problem, not_found
from gateway.web.route import TEXT, Body, TenantRule, items, obj
from gateway.web.shapes import Json, moment_or_none
from schemas.catalog import OUTCOMES, RECOMMENDATIONS
from schemas.ids import tenant_of
from schemas.records import Recommendation, RecommendationOutcome
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import check_outcome, check_recommendation
from streams.files.parsing import FormError, build
from streams.runtime.clock import now_ms

ITEMS_MAX = 500  # of one call
# Topics that a gateway writes beside those whose records it finds again by their event ids.
PASSED_ON = (RECOMMENDATIONS, OUTCOMES)
_OURS = {"event_id": "Send an Idempotency-Key instead.", "judged_by": "The token says who it is."}


class BatchBody(Body):
    """Records with the fields that docs/reference/records.md has under Recommendation or
    RecommendationOutcome, but for `event_id` and `judged_by`; `made_at` and `judged_at` are now
    where they are left out.
    """

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=ITEMS_MAX)]

    @property
    def subject(self) -> str:
        """The first agent, whose tenant all must be of."""
        found = self.items[0].get("agent_id")
        return found if isinstance(found, str) else ""


async def recommend(call: Call) -> HttpAnswer:
    now = {"made_at": moment_or_none(now_ms())}
    return await _publish(call, RECOMMENDATIONS, Recommendation, now, check_recommendation)


async def judge(call: Call) -> HttpAnswer:
    own = {"judged_at": moment_or_none(now_ms()), "judged_by": call.identity.name}
    return await _publish(call, OUTCOMES, RecommendationOutcome, own, check_outcome)


async def _publish(
    call: Call,
    topic: str,
    record: type[Any],
    usual: Json,
    faults_of: Callable[[Any], list[Fault]],
) -> HttpAnswer:
    """Writes each, once all are well-formed, and says where. Raises Problem for the first that is
    not, and for an agent of another tenant; nothing is written then.
    """
    written = call.said(BatchBody).items
    made = [_built(call, record, number, usual, each) for number, each in enumerate(written)]
    if not all(call.scope.sees_subject(one.agent_id) for one in made):
        raise not_found("agent")
    for one in made:
        orders.check(faults_of(one))
    writer = call.gateway.writer
    places = await asyncio.gather(*(writer.write(topic, one.agent_id, one) for one in made))
    shown = {"event_ids": [one.event_id for one in made], "positions": [str(p) for p in places]}
    return HttpAnswer(shown, 202)


def _built(call: Call, record: type[Any], number: int, usual: Json, written: Json) -> Any:
    where = f"items[{number}]"
    for name, remedy in _OURS.items():
        if name in written:
            raise Problem(422, "NOT_UNDERSTOOD", f"{name} is no field of {where}.", remedy)
    agent = written.get("agent_id")
    tenant = tenant_of(agent) if isinstance(agent, str) else ""
    given = {"event_id": orders.event_id(call, tenant, str(number)), **usual, **written}
    try:
        return build(record, given, where)
    except FormError as error:
        raise Problem(
            422, "NOT_UNDERSTOOD", f"{error}.", "See docs/reference/records.md."
        ) from error


_LEARNING = Family("learning")
_TAKEN = obj(event_ids=items(TEXT), positions=items(TEXT))
_WORD: Json = {"scope": Scope.PUBLISH, "answer": _TAKEN, "statuses": (202,), "waits": False}
ROUTES = (
    _LEARNING.word(
        "/api/v1/learning/recommendations",
        "Tell what agents recommend",
        recommend,
        BatchBody,
        TenantRule.BODY,
        **_WORD,
    ),
    _LEARNING.word(
        "/api/v1/learning/outcomes",
        "Tell what became of recommendations",
        judge,
        BatchBody,
        TenantRule.BODY,
        **_WORD,
    ),
)
