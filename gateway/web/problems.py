"""Errors as callers get them: problem details (RFC 9457) with the reason's code and the remedy."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import to_json

PROBLEM_TYPE = "application/problem+json"
# Kept with a request: what its answer is found by in the log, and why its token was refused.
TRACE_ID: web.RequestKey[str] = web.RequestKey("trace_id", str)
REFUSED: web.RequestKey[str] = web.RequestKey("refused", str)
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    414: "Address too long",
    415: "Unsupported media type",
    422: "Not understood",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}
_TOLD_MAX = 5  # faults of one body that are spelt out


class Problem(Exception):
    """An answer that is an error.

    reason: a code for programs. detail: what is wrong, with the value. remedy: what to do. more:
    members beside these. headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        remedy: str = "",
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail, self.remedy = status, reason, detail, remedy
        self.more, self.headers = dict(more or {}), dict(headers or {})

    def answer(self, trace_id: str) -> web.Response:
        """The answer as it goes out."""
        told = {
            "type": f"urn:mendstream:problem:{self.reason.lower().replace('_', '-')}",
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "remedy": self.remedy,
            "trace_id": trace_id,
        }
        return web.Response(
            body=to_json({**told, **self.more}),
            status=self.status,
            content_type=PROBLEM_TYPE,
            headers=self.headers,
        )


def not_found(what: str) -> Problem:
    """The answer for what is not there, and, the same to the byte, for what is another tenant's."""
    return Problem(404, "NOT_FOUND", f"There is no such {what}.", "Look at the list of them.")


def not_understood(error: ValidationError, what: str) -> Problem:
    """The answer for a body or query that does not fit its type."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(str(part) for part in fault['loc']) or what}: {fault['msg']}"
        for fault in faults[:_TOLD_MAX]
    ]
    return Problem(
        422,
        "NOT_UNDERSTOOD",
        f"The {what} is wrong: {'; '.join(told)}.",
        "See /docs for its fields. Who asks is said by the token, never by a field.",
    )
