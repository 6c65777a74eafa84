"""The routes of the improvement orchestrator, in its spelling: a workflow is a command's life."""

from typing import Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from agents.commands.lifecycle import AT_WORK
from gateway.api import command_routes, orders
from gateway.api.command_reviews import reviewed
from gateway.api.command_routes import decoded
from gateway.api.orchestrator.orchestrator_bodies import (
    DeployBody,
    ImproveBody,
    ReasonBody,
    RetrainBody,
    WorkflowBody,
    WorkflowReviewBody,
)
from gateway.api.route_kinds import Family
from gateway.api.ui_addresses import page_of_row
from gateway.auth.identity import Scope
from gateway.views.view_reader import PageQuery, Snapshot, StoredRow
from gateway.web.calls import Call, HttpAnswer, ViewStanding, standing
from gateway.web.lists import Name, PageSize
from gateway.web.problems import Problem
from gateway.web.route import (
    ANYTHING,
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    WHOLE_NUMBER,
    CamelBody,
    Query,
    Route,
    TenantRule,
    items,
    obj,
)
from gateway.web.shapes import Json, moment_or_none
from gateway.web.workflow_status import RUNNING, STATUSES, status_of
from schemas.ids import environment_of
from schemas.records import Order, Phase, RequestKind, RequestPriority, ReviewVerdict

_STEPS_MAX = 100


class HistoryQuery(Query):
    """Of which model, and how many."""

    model_type: Name | None = Field(None, alias="modelType")
    limit: PageSize = 50


async def improve(call: Call) -> HttpAnswer:
    body = call.said(ImproveBody)
    more: Json = {
        "priority": RequestPriority(body.priority or "UNKNOWN"),
        "max_retries": body.retries,
    }
    if body.failure_id is not None:
        failure = await command_routes.failure_of(call, body.failure_id, body.model_type)
        best = next(iter(failure["hypotheses"]), None)
        more |= {
            "why": f"after failure {body.failure_id}",
            "strategy": best["strategy"] if best is not None else "",
            "experiment_id": failure["experiment_id"],
            "variant": failure["variant"],
            "model_version": failure["model_version"],
            "failure_id": body.failure_id,
        }
    return await _begin(call, body, RequestKind.IMPROVE, **more)


async def retrain(call: Call) -> HttpAnswer:
    body = call.said(RetrainBody)
    return await _begin(call, body, RequestKind.RETRAIN, model_version=body.base_model_id)


async def deploy(call: Call) -> HttpAnswer:
    body = call.said(DeployBody)
    where = {"to_version": body.model_id, "environment": body.environment}
    return await _begin(call, body, RequestKind.DEPLOY, **where)


async def _begin(call: Call, body: WorkflowBody, kind: RequestKind, **more: Any) -> HttpAnswer:
    if body.auto_approve:
        raise Problem(
            422,
            "OWN_REQUEST",
            "autoApprove is true, and nobody approves what he asks for himself.",
            "Leave it out; a policy says what needs no approval.",
        )
    request = orders.request(call, kind, body.subject, **more)
    answer = await orders.asked(call, request)
    return _workflow(answer, request.requested_at, body.unused())


def _workflow(answer: HttpAnswer, created_at: int, unused: list[str]) -> HttpAnswer:
    found = answer.body
    command = found["command"]
    phase = command["phase"] if command is not None else None
    decision = found["decision"]
    outcome = decision["outcome"] if decision is not None else None
    shown = {
        "workflowId": found["workflow_id"],
        "status": RUNNING if phase is None else status_of(phase),
        "phase": phase,
        "outcome": outcome,
        "createdAt": moment_or_none(created_at),
        "eventId": found["event_id"],
        "position": found["position"],
        "withoutEffect": unused,
    }
    path = f"/api/workflows/{found['workflow_id']}/status"
    return HttpAnswer(shown, answer.status, headers={"Location": path})


async def status(call: Call) -> HttpAnswer:
    row, standing_ = await call.one("commands", call.path("id"), "workflow")
    steps = await call.read(lambda view: _steps(call, view, row.key))
    return HttpAnswer(_shown(call, row, steps, standing_), standing=standing_)


def _shown(call: Call, row: StoredRow, steps: list[Json], standing_: ViewStanding) -> Json:
    fields = call.fields(row)
    command = decoded(fields)
    updated = steps[-1]["at"] if steps else moment_or_none(fields["issued_at"])
    return {
        "workflowId": row.key,
        "type": fields["order"],
        "status": status_of(fields["phase"]),
        "phase": fields["phase"],
        "modelType": fields["subject"],
        "waitsFor": fields["waits_for"],
        "attempt": fields["attempt"],
        "progress": fields["progress"],
        "startedAt": steps[0]["at"] if steps else moment_or_none(fields["issued_at"]),
        "updatedAt": updated,
        "dueAt": moment_or_none(fields["due_at"]),
        "steps": steps,
        "reason": fields["reason"],
        "evidence": [] if command is None else [_camel(each) for each in command["evidence"]],
        "digest": fields["digest"],
        "detail": fields["detail"],
        "links": {
            "self": f"/api/workflows/{row.key}/status",
            "command": f"/api/v1/commands/{row.key}",
            "ui": page_of_row("commands", fields),
        },
        "asOf": moment_or_none(standing_.as_of),
        "stale": standing_.stale,
    }


def _steps(call: Call, view: Snapshot, key: str) -> list[Json]:
    query = PageQuery("moved_at", False, {"command_id": key}, limit=_STEPS_MAX)
    rows = [call.fields(row) for row in view.page("transitions", call.scope, query)]
    return [
        {
            "phase": each["after"],
            "event": each["event"],
            "by": each["by"],
            "detail": each["detail"],
            "attempt": each["attempt"],
            "at": moment_or_none(each["moved_at"]),
        }
        for each in rows
    ]


async def approve(call: Call) -> HttpAnswer:
    return await _judge(call, ReviewVerdict.APPROVE)


async def reject(call: Call) -> HttpAnswer:
    return await _judge(call, ReviewVerdict.REJECT)


async def _judge(call: Call, verdict: ReviewVerdict) -> HttpAnswer:
    body = call.said(WorkflowReviewBody)
    return _told(await reviewed(call, verdict, body.comment, body.digest))


async def cancel(call: Call) -> HttpAnswer:
    row, _ = await call.one("commands", call.path("id"), "workflow")
    return _told(await command_routes.cancelled(call, row, call.said(ReasonBody).reason))


async def rollback(call: Call) -> HttpAnswer:
    """Takes back a deployment; of anything else, rolls its target back."""
    row, _ = await call.one("commands", call.path("id"), "workflow")
    fields, why = call.fields(row), call.said(ReasonBody).reason
    if fields["order"] == Order.DEPLOY and fields["phase"] in {*AT_WORK, Phase.COMPLETED}:
        return _told(await command_routes.cancelled(call, row, why))
    where = {name: fields[name] for name in ("experiment_id", "variant", "model_version")}
    request = orders.request(
        call,
        RequestKind.ROLLBACK,
        fields["subject"],
        why,
        environment=environment_of(fields["subject"], fields["target"]),
        **where,
    )
    return _told(await orders.asked(call, request))


def _told(answer: HttpAnswer) -> HttpAnswer:
    found = answer.body
    command = found["command"]
    shown = {
        "workflowId": found["workflow_id"],
        "phase": command["phase"] if command is not None else None,
        "fate": found["fate"],
        "eventId": found["event_id"],
        "position": found["position"],
    }
    return HttpAnswer(shown, answer.status)


async def history(call: Call) -> HttpAnswer:
    """Improvements and trainings, the last first, with the failure that each is against."""
    query = call.asked(HistoryQuery)

    def question(view: Snapshot) -> HttpAnswer:
        rows: list[StoredRow] = []
        for order in (Order.IMPROVE, Order.RETRAIN):
            asked = {"order": str(order)}
            if query.model_type is not None:
                asked["subject"] = query.model_type
            page = PageQuery("issued_at", True, asked, limit=query.limit)
            rows += view.page("commands", call.scope, page)
        rows.sort(key=lambda row: (row.order, row.key), reverse=True)
        standing_ = standing(view, ["commands", "failures"])
        shown = [_improvement(call, view, row) for row in rows[: query.limit]]
        body = {"items": shown, "asOf": moment_or_none(standing_.as_of), "stale": standing_.stale}
        return HttpAnswer(body, standing=standing_)

    return await call.read(question)


def _improvement(call: Call, view: Snapshot, row: StoredRow) -> Json:
    fields = call.fields(row)
    query = PageQuery("analysed_at", equal={"decision_id": fields["decision_id"]}, limit=1)
    failure = next(iter(view.page("failures", call.scope, query)), None)
    command = decoded(fields) or {}
    steps = _steps(call, view, row.key)
    over = status_of(fields["phase"]) != RUNNING
    return {
        "failureId": fields["failure_id"] or (None if failure is None else failure.key),
        "workflowId": row.key,
        "modelType": fields["subject"],
        "type": fields["order"],
        "strategy": command.get("strategy"),
        "startedAt": moment_or_none(fields["issued_at"]),
        "endedAt": steps[-1]["at"] if over and steps else None,
        "outcome": fields["phase"],
        "expectedGain": command.get("expected_gain"),
    }


def _camel(shown: Json) -> Json:
    return {to_camel(name): value for name, value in shown.items()}


_BEGUN = obj(
    workflowId=TEXT,
    status=TEXT,
    phase=TEXT_OR_NULL,
    outcome=TEXT_OR_NULL,
    createdAt=MOMENT,
    eventId=TEXT,
    position=TEXT,
    withoutEffect=items({"type": "string", "description": "A field that changes nothing."}),
)
_TOLD = obj(workflowId=TEXT_OR_NULL, phase=TEXT_OR_NULL, fate=TEXT, eventId=TEXT, position=TEXT)
_STEP = obj(phase=TEXT, event=TEXT, by=TEXT, detail=TEXT, attempt=WHOLE_NUMBER, at=MOMENT)
_SHOWN = obj(
    workflowId=TEXT,
    type=TEXT,
    status={
        "type": "string",
        "enum": list(STATUSES),
    },
    phase=TEXT,
    modelType=TEXT,
    waitsFor=TEXT,
    attempt=WHOLE_NUMBER,
    progress=NUMBER_OR_NULL,
    startedAt=MOMENT,
    updatedAt=MOMENT,
    dueAt=MOMENT,
    steps=items(_STEP),
    reason=TEXT,
    evidence=items(ANYTHING),
    digest=TEXT,
    detail=TEXT,
    links=obj(self=TEXT, command=TEXT, ui=TEXT),
    asOf=MOMENT,
    stale=TRUTH,
)
_IMPROVEMENT = obj(
    failureId=TEXT_OR_NULL,
    workflowId=TEXT,
    modelType=TEXT,
    type=TEXT,
    strategy=TEXT_OR_NULL,
    startedAt=MOMENT,
    endedAt=MOMENT,
    outcome=TEXT,
    expectedGain=NUMBER_OR_NULL,
)


_WORKFLOWS = Family("improvement orchestrator")


def _post(path: str, summary: str, handler: Any, body: type[CamelBody], **more: Any) -> Route:
    begins = issubclass(body, WorkflowBody)
    return _WORKFLOWS.word(
        f"/api/workflows/{path}",
        summary,
        handler,
        body,
        TenantRule.BODY if begins else TenantRule.ITEM,
        answer=_BEGUN if begins else _TOLD,
        **more,
    )


_REVIEW: Json = {"scope": Scope.APPROVE, "headers": command_routes.IF_MATCH}
ROUTES = (
    _post("improve-model", "Ask for an improvement", improve, ImproveBody),
    _post("retrain-model", "Ask for a retraining", retrain, RetrainBody),
    _post("deploy-model", "Ask for a deployment", deploy, DeployBody),
    _WORKFLOWS.read(
        "/api/workflows/{id}/status",
        "Where a workflow stands",
        status,
        _SHOWN,
        TenantRule.ITEM,
    ),
    _post(
        "{id}/approve", "Approve what a workflow waits for", approve, WorkflowReviewBody, **_REVIEW
    ),
    _post("{id}/reject", "Reject what a workflow waits for", reject, WorkflowReviewBody, **_REVIEW),
    _post("{id}/cancel", "Take a workflow back", cancel, ReasonBody),
    _post("{id}/rollback", "Undo what a workflow did", rollback, ReasonBody),
    _WORKFLOWS.read(
        "/api/improvements/history",
        "Improvements and trainings, the last first",
        history,
        obj(items=items(_IMPROVEMENT), asOf=MOMENT, stale=TRUTH),
        TenantRule.ROWS,
        HistoryQuery,
    ),
)
