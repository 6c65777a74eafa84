"""Training jobs: the orders to train a model anew, as clients of a training service know them."""

from typing import Annotated

from pydantic import Field

from gateway.api import orders
from gateway.api.command_routes import CancelBody, Why, cancelled, failure_of
from gateway.api.route_kinds import Family
from gateway.api.ui_addresses import page_of_row
from gateway.views.view_reader import PageQuery, StoredRow
from gateway.web.calls import Call, HttpAnswer, ViewStanding, single
from gateway.web.lists import ListQuery, Name
from gateway.web.problems import not_found
from gateway.web.route import (
    MOMENT,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    WHOLE_NUMBER,
    Body,
    TenantRule,
    obj,
)
from gateway.web.shapes import Json, moment_or_none
from gateway.web.workflow_status import STATUSES, status_of
from schemas.records import Order, RequestKind, RequestPriority
from schemas.validation.requests_and_recommendations import RETRIES_MAX

JOB = obj(
    id=TEXT | {"description": "Also the id of its command."},
    subject=TEXT,
    model_version=TEXT_OR_NULL | {"description": "What is trained anew."},
    status={"type": "string", "enum": list(STATUSES)},
    phase=TEXT,
    progress=NUMBER_OR_NULL | {"description": "As its trainer last said, in [0, 1]."},
    attempt=WHOLE_NUMBER,
    reason=TEXT,
    detail=TEXT | {"description": "What was last reported of it."},
    waits_for=TEXT,
    requested_by=TEXT | {"description": "A person; empty: Mendstream itself."},
    priority=TEXT,
    failure_id=TEXT_OR_NULL,
    created_at=MOMENT | {"description": "When it was issued last, or begun to wait."},
    due_at=MOMENT,
    ui_url=TEXT,
)


class JobQuery(ListQuery):
    """Which trainings, the last issued first."""

    subject: Name | None = None
    phase: Name | None = None


class JobBody(Body):
    """A training that is wanted."""

    subject: Name
    model_version: Name | None = None
    why: Why = ""
    priority: orders.PriorityWord | None = None
    max_retries: Annotated[int, Field(ge=0, le=RETRIES_MAX)] | None = None
    failure_id: Name | None = None


async def jobs(call: Call) -> HttpAnswer:
    query = call.asked(JobQuery)
    equal = {"order": str(Order.RETRAIN), **query.equal()}
    page = PageQuery("issued_at", True, equal, call.after(query.after), query.limit)
    return await call.listed("commands", page, lambda row: _job(call, row))


async def job(call: Call) -> HttpAnswer:
    row, standing_ = await _one(call)
    return single(_job(call, row), standing_)


async def begin(call: Call) -> HttpAnswer:
    body = call.said(JobBody)
    if body.failure_id is not None:
        await failure_of(call, body.failure_id, body.subject)
    request = orders.request(
        call,
        RequestKind.RETRAIN,
        body.subject,
        body.why,
        model_version=body.model_version,
        priority=RequestPriority(body.priority or "UNKNOWN"),
        max_retries=body.max_retries,
        failure_id=body.failure_id,
    )
    return await orders.asked(call, request)


async def cancel(call: Call) -> HttpAnswer:
    row, _ = await _one(call)
    return await cancelled(call, row, call.said(CancelBody).why)


async def _one(call: Call) -> tuple[StoredRow, ViewStanding]:
    """The command of a training. Raises Problem where it is none, as where it is not there."""
    row, standing_ = await call.one("commands", call.path("id"), "training")
    if call.fields(row)["order"] != Order.RETRAIN:
        raise not_found("training")
    return row, standing_


def _job(call: Call, row: StoredRow) -> Json:
    fields = call.fields(row)
    same = ("subject", "model_version", "phase", "progress", "attempt", "reason", "detail")
    more = ("waits_for", "requested_by", "priority", "failure_id")
    return {
        "id": row.key,
        "status": status_of(fields["phase"]),
        **{name: fields[name] for name in (*same, *more)},
        "created_at": moment_or_none(fields["issued_at"]),
        "due_at": moment_or_none(fields["due_at"]),
        "ui_url": page_of_row("commands", fields),
    }


_TRAINING, _PATH = Family("training"), "/api/v1/training/jobs"
ROUTES = (
    _TRAINING.list(_PATH, "Trainings, the last issued first", jobs, JOB, JobQuery),
    _TRAINING.one(f"{_PATH}/{{id}}", "A training, and how far it is", job, JOB),
    _TRAINING.word(_PATH, "Ask for a training", begin, JobBody, TenantRule.BODY),
    _TRAINING.word(
        f"{_PATH}/{{id}}/cancel",
        "Take a training back",
        cancel,
        CancelBody,
        TenantRule.ITEM,
        method="PATCH",
    ),
)
