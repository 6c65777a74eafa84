"""Commands: lists, lives, contents, orders of people, reviews."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from agents.commands.lifecycle import FINAL
from gateway.api import orders
from gateway.api.command_reviews import digest_tag, may_review, reviewed
from gateway.api.orders import PriorityWord
from gateway.api.route_kinds import Family, rows_of
from gateway.api.ui_addresses import page_of_row
from gateway.auth.identity import Scope
from gateway.orders.fates import passed
from gateway.views.positions import RecordPlace
from gateway.views.view_reader import PageQuery, StoredRow
from gateway.web.calls import Call, HttpAnswer, standing
from gateway.web.calls import single as one_answer
from gateway.web.lists import ListQuery, Name
from gateway.web.problems import Problem, not_found
from gateway.web.route import (
    ANYTHING,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    Body,
    TenantRule,
    extended,
    obj,
)
from gateway.web.shapes import Json, render
from schemas.catalog import COMMANDS, TOPICS, local_ids, older_command_schemas
from schemas.codec.framing import Codec
from schemas.records import Phase, RequestKind, RequestPriority, ReviewVerdict
from schemas.validation.requests_and_recommendations import RETRIES_MAX

# Of a row's own copy of its command, whatever ids the topics have, and whichever release wrote it.
_OWN_COPY = Codec(local_ids(), older_command_schemas())
_ACTIONS = ("approve", "reject", "cancel")
Why = Annotated[str, Field(max_length=512)]

_ACTION: Json = obj(allowed=TRUTH, reason=TEXT)
ONE = extended("CommandRow", actions=obj(**dict.fromkeys(_ACTIONS, _ACTION)), ui_url=TEXT)


class CommandQuery(ListQuery):
    """Which commands."""

    RISING = frozenset({"due_at"})  # what is due first comes first

    sort: Literal["issued_at", "due_at"] = "issued_at"
    phase: Name | None = None
    order: Literal["ROLLBACK", "DEPLOY", "RETRAIN", "IMPROVE"] | None = None
    subject: Name | None = None
    decision_id: Name | None = None


class OrderBody(Body):
    """An order of one's own."""

    kind: Literal["ROLLBACK", "DEPLOY", "RETRAIN", "IMPROVE"]
    subject: Name
    why: Why = ""
    experiment_id: Name | None = None
    variant: Name | None = None
    model_version: Name | None = None
    to_version: Name | None = None
    environment: Name = "production"
    strategy: Annotated[str, Field(max_length=512)] = ""
    priority: PriorityWord | None = None
    max_retries: Annotated[int, Field(ge=0, le=RETRIES_MAX)] | None = None
    failure_id: Name | None = None


class ReviewBody(Body):
    """A person's word on a command that waits; `If-Match` names the content that was seen."""

    verdict: Literal["APPROVE", "REJECT"]
    comment: Why = ""


class CancelBody(Body):
    """Why a command is taken back."""

    why: Why = ""


async def one(call: Call) -> HttpAnswer:
    row, standing_ = await call.one("commands", call.path("id"), "command")
    fields = call.fields(row)
    shown = call.shown(row) | {
        "actions": await _actions(call, fields),
        "ui_url": page_of_row("commands", fields),
    }
    return one_answer(shown, standing_, {"ETag": digest_tag(fields["digest"])})


async def history(call: Call) -> HttpAnswer:
    await call.one("commands", call.path("id"), "command")
    query = call.asked(ListQuery)
    page = PageQuery(
        "moved_at",
        False,
        {"command_id": call.path("id")},
        call.after(query.after),
        query.limit,
    )
    return await call.listed("transitions", page)


async def content(call: Call) -> HttpAnswer:
    row, standing_ = await call.one("commands", call.path("id"), "command")
    fields = call.fields(row)
    shown = decoded(fields)
    if shown is None:
        raise not_found("content of this command, which is of an older Mendstream")
    headers = {"ETag": digest_tag(fields["digest"])}
    return one_answer({"digest": fields["digest"], "command": shown}, standing_, headers)


def decoded(fields: Any) -> Json | None:
    """The command that a row keeps, without token and moments; None where it keeps none."""
    if fields["command"] is None:
        return None
    record = TOPICS[COMMANDS[fields["order"]]].record
    assert record is not None, "commands are records of ours"
    return render(record, _OWN_COPY.read(record, fields["command"], own=True))


async def order(call: Call) -> HttpAnswer:
    body = call.said(OrderBody)
    if body.failure_id is not None:
        await failure_of(call, body.failure_id, body.subject)
    more = body.model_dump(exclude={"kind", "subject", "why", "priority"})
    more["priority"] = RequestPriority(body.priority or "UNKNOWN")
    return await orders.asked(
        call, orders.request(call, RequestKind(body.kind), body.subject, body.why, **more)
    )


async def failure_of(call: Call, failure_id: str, subject: str) -> Mapping[str, Any]:
    """The failure of a subject that an order is against. Raises Problem where it is none of it."""
    row, _ = await call.one("failures", failure_id, "failure")
    failure = call.fields(row)
    if failure["subject"] != subject:
        raise not_found("failure")
    return failure


async def review(call: Call) -> HttpAnswer:
    body = call.said(ReviewBody)
    return await reviewed(call, ReviewVerdict(body.verdict), body.comment, None)


async def cancel(call: Call) -> HttpAnswer:
    row, _ = await call.one("commands", call.path("id"), "command")
    return await cancelled(call, row, call.said(CancelBody).why)


async def cancelled(call: Call, row: StoredRow, why: str) -> HttpAnswer:
    """Writes a request to take a command back."""
    fields = call.fields(row)
    request = orders.request(
        call, RequestKind.CANCEL, fields["subject"], why, command_id=fields["command_id"]
    )
    return await orders.asked(call, request)


async def _actions(call: Call, fields: Any) -> dict[str, Json]:
    """What the caller may do with a command just now, and why not."""
    waits = fields["phase"] == Phase.PENDING_APPROVAL
    review = _reason(call, Scope.APPROVE) or ("" if waits else "it does not wait for approval")
    if not review:
        try:
            may_review(call, fields)
        except Problem as problem:
            review = problem.detail
    over = fields["phase"] in FINAL and fields["order"] != "DEPLOY"
    cancel = _reason(call, Scope.ORDER) or ("it is over" if over else "")
    found = {"approve": review, "reject": review, "cancel": cancel}
    return {name: {"allowed": not why, "reason": why} for name, why in found.items()}


def _reason(call: Call, scope: Scope) -> str:
    return "" if call.identity.may(scope) else f"the token does not name the scope {scope}"


async def write(call: Call) -> HttpAnswer:
    """What became of a record that a person wrote."""
    topic, partition, offset = (call.path(name) for name in ("topic", "partition", "offset"))
    if not (partition.isdecimal() and offset.isdecimal() and len(partition + offset) < 25):
        raise not_found("record")
    place = (topic, int(partition), int(offset))

    def question(view: Any) -> Any:
        found = view.written_at(call.scope, *place)
        letter = view.letter(*place) if found is not None else None
        folded = passed(view, RecordPlace(*place))
        return found, letter, folded, standing(view, ["commands"])

    found, letter, folded, standing_ = await call.read(question)
    if found is None:
        raise not_found("record")
    fate = "REFUSED" if letter is not None else "APPLIED" if folded else "WAITING"
    shown = {
        "event_id": found.event_id,
        "fate": fate,
        "reason": None if letter is None else letter.reason,
        "sentence": None if letter is None else letter.sentence,
    }
    return one_answer(shown, standing_)


IF_MATCH = {
    "If-Match": 'The digest of the content that was seen, in quotes: the ETag of "content".'
}
_FATE = {"type": "string", "enum": ["WAITING", "APPLIED", "REFUSED"]}
_COMMANDS, _ONE = Family("commands"), "/api/v1/commands/{id}"
ROUTES = (
    _COMMANDS.list(
        "/api/v1/commands",
        "Commands, the last issued first",
        rows_of("commands"),
        "CommandRow",
        CommandQuery,
    ),
    _COMMANDS.one(_ONE, "A command, and what the caller may do with it", one, ONE),
    _COMMANDS.list(
        f"{_ONE}/history",
        "Each step in the life of a command",
        history,
        "Transition",
        tenants=TenantRule.ITEM,
    ),
    _COMMANDS.one(
        f"{_ONE}/content",
        "What is issued, decoded, with the digest that a review must name",
        content,
        obj(digest=TEXT, command=ANYTHING),
    ),
    _COMMANDS.word(
        "/api/v1/commands",
        "Order a rollback, a deployment, a retraining or an improvement",
        order,
        OrderBody,
        TenantRule.BODY,
    ),
    _COMMANDS.word(
        f"{_ONE}/review",
        "Approve or reject a command that waits for a person",
        review,
        ReviewBody,
        TenantRule.ITEM,
        scope=Scope.APPROVE,
        headers=IF_MATCH,
    ),
    _COMMANDS.word(
        f"{_ONE}/cancel",
        "Take a command back, or have it undone",
        cancel,
        CancelBody,
        TenantRule.ITEM,
    ),
    _COMMANDS.one(
        f"{orders.WRITES}/{{topic}}/{{partition}}/{{offset}}",
        "What became of a record that a person wrote",
        write,
        obj(event_id=TEXT, fate=_FATE, reason=TEXT_OR_NULL, sentence=TEXT_OR_NULL),
    ),
)
