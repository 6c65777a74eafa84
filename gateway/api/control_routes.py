"""How far automation may go: freezes, policies, experiment specs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from agents.alerts.alert_metrics import check_policy
from gateway.api import orders
from gateway.api.command_routes import Why
from gateway.api.route_kinds import Family
from gateway.auth.identity import Scope
from gateway.views.tenants import WHOLE, may_govern
from gateway.views.view_reader import PageQuery, Snapshot
from gateway.web.calls import Call, HttpAnswer, ViewStanding, standing
from gateway.web.lists import ListQuery, Name, PageSize
from gateway.web.problems import Problem, not_found
from gateway.web.route import Body, Query, TenantRule, obj
from gateway.web.shapes import Json
from schemas.catalog import POLICIES, SPECS
from schemas.ids import tenant_of
from schemas.records import ExperimentSpec, Policy, RequestKind
from schemas.validation import spec_checks
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import spread
from schemas.validation.text import EVERYTHING
from state.storage.table import row_key
from streams.files.parsing import FormError, build

POLICIES_MAX = 500
CHECKED: Json = obj(valid={"type": "boolean"}, written={"type": "boolean"})


class FreezeBody(Body):
    """What is left to people: a subject, a tenant as `acme/*`, or `*`."""

    subject: Name
    why: Why = ""


class UnfreezeQuery(Query):
    """Why it is given back."""

    why: Why = ""


class WriteQuery(Query):
    """dry_run: only say whether the processor would take it."""

    dry_run: Literal["true", "false"] = "false"


class PolicyListQuery(ListQuery):
    """Policies; there are few, so one page holds them."""

    limit: PageSize = Field(POLICIES_MAX)


class SpecBody(Body):
    """An experiment spec, with the fields that docs/reference/records.md has under ExperimentSpec
    but for `event_id`.
    """

    model_config = ConfigDict(extra="allow")
    subject: Name
    experiment_id: Name


class PolicyBody(Body):
    """A policy, with the fields that docs/reference/records.md has under Policy, no `event_id`."""

    model_config = ConfigDict(extra="allow")
    policy_id: Annotated[str, Field(min_length=1, max_length=512)]


async def frozen(call: Call) -> HttpAnswer:
    """Frozen subjects of the caller's, and the freeze of everything, which concerns everybody."""
    query = call.asked(ListQuery)
    page = PageQuery("subject", False, {"frozen": 1}, call.after(query.after), query.limit)
    answer = await call.listed("subjects", page)
    if page.after is None and not call.scope.everything:
        row = await call.read(lambda view: view.row("subjects", WHOLE, row_key(EVERYTHING)))
        if row is not None and call.fields(row)["frozen_by"]:
            answer.body["items"].insert(0, call.shown(row))
    return answer


async def freeze(call: Call) -> HttpAnswer:
    body = call.said(FreezeBody)
    return await _hold(call, RequestKind.FREEZE, body.subject, body.why)


async def unfreeze(call: Call) -> HttpAnswer:
    subject = call.path("subject")
    if not call.scope.sees_subject(subject):
        raise not_found("freeze")
    row = await call.read(lambda view: view.row("subjects", call.scope, row_key(subject)))
    if row is None or not call.fields(row)["frozen_by"]:
        raise not_found("freeze")
    return await _hold(call, RequestKind.UNFREEZE, subject, call.asked(UnfreezeQuery).why)


async def _hold(call: Call, kind: RequestKind, subject: str, why: str) -> HttpAnswer:
    if subject == EVERYTHING and not call.identity.may(Scope.ADMIN):
        raise Problem(
            403, "SCOPE_MISSING", "To freeze everything needs the scope 'admin'.", "Name a tenant."
        )
    request = orders.request(call, kind, subject, why)
    everywhere = range(call.gateway.settings.partitions) if spread(request) else None
    return await orders.asked(call, request, everywhere)


async def policies(call: Call) -> HttpAnswer:
    """Policies that may govern a subject of the caller's. Of patterns that cannot, and of who may
    approve, only those are told who may see everything.
    """
    query = call.asked(PolicyListQuery)
    page = PageQuery("policy_id", False, {}, call.after(query.after), query.limit)

    def question(view: Snapshot) -> tuple[list[Json], tuple[Any, str] | None, ViewStanding]:
        rows = view.page("policies", WHOLE, page)
        after = (rows[-1].order, rows[-1].key) if len(rows) == page.limit else None
        return [call.shown(row) for row in rows], after, standing(view, ["policies"])

    shown, after, standing_ = await call.read(question)
    if not call.scope.everything:
        shown = [cut for row in shown if (cut := _cut(call, row)) is not None]
    return call.page(shown, after, standing_)


def _cut(call: Call, row: Json) -> Json | None:
    own = [
        pattern
        for pattern in row["subjects"]
        if any(may_govern(pattern, tenant) for tenant in call.scope.names)
    ]
    return {**row, "subjects": own, "approvers": []} if own else None


async def apply_policy(call: Call) -> HttpAnswer:
    written = call.said(PolicyBody).model_dump()
    policy = _built(call, Policy, written, check_policy, EVERYTHING)
    return await _apply(call, orders.Word(POLICIES, policy.policy_id, policy))


async def apply_spec(call: Call) -> HttpAnswer:
    body = call.said(SpecBody)
    check, tenant = spec_checks.check_spec, tenant_of(body.subject)
    spec = _built(call, ExperimentSpec, body.model_dump(), check, tenant)
    return await _apply(call, orders.Word(SPECS, spec.subject, spec))


async def _apply(call: Call, word: orders.Word) -> HttpAnswer:
    if call.asked(WriteQuery).dry_run == "true":
        return HttpAnswer({"valid": True, "written": False})
    answer = await orders.said(call, word)
    return HttpAnswer(answer.body | {"valid": True, "written": True}, answer.status)


def _built(
    call: Call,
    record: type[Any],
    written: Json,
    faults_of: Callable[[Any], list[Fault]],
    tenant: str,
) -> Any:
    """The record that was written. Raises Problem with each fault that the processor finds."""
    if "event_id" in written:
        raise Problem(
            422, "NOT_UNDERSTOOD", "event_id is no field of it.", "Send an Idempotency-Key instead."
        )
    try:
        made = build(record, {"event_id": "", **written}, "the body")
    except FormError as error:
        raise Problem(
            422, "NOT_UNDERSTOOD", f"{error}.", "See docs/reference/records.md."
        ) from error
    made = replace(made, event_id=orders.event_id(call, tenant))
    orders.check(faults_of(made))
    return made


_CONTROL = Family("control")
_APPLIED = {
    "anyOf": [
        CHECKED,
        {
            **orders.ACCEPTED,
            "properties": {**orders.ACCEPTED["properties"], **CHECKED["properties"]},
        },
    ]
}
_POLICY_WORD: Json = {"scope": Scope.POLICY, "answer": _APPLIED, "query": WriteQuery}
ROUTES = (
    _CONTROL.list("/api/v1/freezes", "What is left to people", frozen, "SubjectRow"),
    _CONTROL.word(
        "/api/v1/freezes",
        "Leave a subject, a tenant or everything to people",
        freeze,
        FreezeBody,
        TenantRule.BODY,
    ),
    _CONTROL.word(
        "/api/v1/freezes/{subject}",
        "Let automation act again",
        unfreeze,
        None,
        TenantRule.ITEM,
        method="DELETE",
        query=UnfreezeQuery,
    ),
    _CONTROL.list(
        "/api/v1/policies",
        "Policies that may govern a subject of yours",
        policies,
        "Policy",
        PolicyListQuery,
    ),
    _CONTROL.word(
        "/api/v1/policies",
        "Apply a policy, or only check it",
        apply_policy,
        PolicyBody,
        TenantRule.WHOLE,
        **_POLICY_WORD,
    ),
    _CONTROL.word(
        "/api/v1/specs",
        "Apply an experiment spec, or only check it",
        apply_spec,
        SpecBody,
        TenantRule.BODY,
        **_POLICY_WORD,
    ),
)
