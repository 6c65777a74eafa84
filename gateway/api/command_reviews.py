"""What people say of a command that waits: by whom, of which content, and told in time."""

from typing import Any

from gateway.api import orders
from gateway.views.view_reader import PageQuery
from gateway.web.calls import Call, HttpAnswer
from gateway.web.problems import Problem
from schemas.catalog import REVIEWS
from schemas.ids import tenant_of
from schemas.persons import person
from schemas.records import Phase, Review, ReviewVerdict, Severity
from schemas.validation.requests_and_recommendations import check_review
from streams.runtime.clock import now_ms


async def reviewed(
    call: Call, verdict: ReviewVerdict, comment: str, digest: str | None
) -> HttpAnswer:
    """Writes a review of the command that the path names, if the content that the caller saw is
    what waits. digest: of that content, where it does not stand in If-Match.

    What stands in the way is told at once as far as it is known here; the processor has the last
    word.
    """
    row, _ = await call.one("commands", call.path("id"), "command")
    fields = call.fields(row)
    seen = digest if digest is not None else _matched(call)
    if seen is None:
        raise Problem(
            428,
            "DIGEST_MISSING",
            "A review names the content that it is about.",
            f'Send `If-Match: "{fields["digest"]}"` once you have looked at /content: '
            f"{fields['reason']}",
        )
    if seen != fields["digest"]:
        raise Problem(
            412,
            "OTHER_CONTENT",
            f"The command is {fields['digest'][:12]}..., the review is of {seen[:12]}....",
            "Look at what waits now, then say it anew.",
        )
    if fields["phase"] != Phase.PENDING_APPROVAL:
        raise Problem(
            409,
            "NOT_PENDING",
            f"Command {fields['command_id']} does not wait for approval: it is {fields['phase']}.",
            "The list of commands shows what waits.",
        )
    may_review(call, fields)
    if verdict == ReviewVerdict.APPROVE:
        await _logged_in_lately(call, fields)
    said = Review(
        event_id=orders.event_id(call, tenant_of(fields["subject"])),
        subject=fields["subject"],
        command_id=fields["command_id"],
        verdict=verdict,
        digest=fields["digest"],
        reviewer=call.identity.name,
        comment=comment,
        reviewed_at=now_ms(),
    )
    orders.check(check_review(said))
    word = orders.Word(REVIEWS, said.subject, said, command=said.command_id)
    return await orders.said(call, word)


def digest_tag(digest: str) -> str:
    """The ETag of a command's content: what a review must match."""
    return f'"{digest}"'


def _matched(call: Call) -> str | None:
    given = call.request.headers.get("If-Match")
    return None if given is None else given.strip().removeprefix("W/").strip('"')


def may_review(call: Call, fields: Any) -> None:
    """Raises Problem where the caller may not review; the processor asks again."""
    if call.identity.service:
        raise Problem(
            403,
            "NO_PERSON",
            "A service may not review.",
            "A person says it, with a token of his own.",
        )
    if person(fields["requested_by"]) == call.identity.name:
        raise Problem(
            403,
            "OWN_REQUEST",
            f"{call.identity.name} asked for {fields['command_id']} and may not review it.",
            "Ask somebody else to.",
        )


async def _logged_in_lately(call: Call, fields: Any) -> None:
    """Raises Problem where what is CRITICAL is approved with a login of long ago (RFC 9470)."""
    if call.identity.logged_in_lately(now_ms() / 1_000) or not await _critical(call, fields):
        return
    raise Problem(
        401,
        "LOGIN_TOO_OLD",
        "The failure behind this command is CRITICAL, and the login is older than 15 minutes.",
        "Log in anew.",
        headers={
            "WWW-Authenticate": 'Bearer error="insufficient_user_authentication", max_age="900"'
        },
    )


async def _critical(call: Call, fields: Any) -> bool:
    query = PageQuery("analysed_at", equal={"decision_id": fields["decision_id"]}, limit=5)
    rows = await call.read(lambda view: view.page("failures", call.scope, query))
    return any(call.fields(row)["severity"] == Severity.CRITICAL for row in rows)
