"""Lets people say of commands: approve, reject and cancel them, freeze and unfreeze what they act
on.
"""

from typing import Annotated, Any

import typer

from agents.commands.guards import may_not_approve
from agents.core.policies import DEFAULT_POLICY
from schemas.catalog import REQUESTS, REVIEWS, TABLES_COMMANDS
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import CommandRow, Phase, Request, RequestKind, Review, ReviewVerdict
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import check_request, check_review, spread
from schemas.validation.text import EVERYTHING
from streams.cli.support.delivery import deliver, doubt, refuse_faults
from streams.cli.support.options import Given, command
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.operations.record_fates import Became
from streams.runtime.clock import now_ms, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.id_prefixes import check_length, only_id
from streams.runtime.settings import Settings
from streams.runtime.terminal import say

ANSWER_SECONDS = 15.0  # until which a processor that is running has said something
_LEAST = 6  # characters of an id
By = Annotated[str, typer.Option(help="Who you are; the approver must be another than who asked.")]
_Id = Annotated[str, typer.Argument(help="The command's id, or how it begins.", show_default=False)]
Subject = Annotated[str, typer.Argument(help="[tenant/]model line", show_default=False)]
Why = Annotated[str, typer.Option(help="Why, in a sentence.")]
_APPROVE = """\
Example: **mendstream approve 7f3c21 --by bob**

**mendstream pending** lists what waits, **mendstream show 7f3c21** says more of it. The review
names the content that it is about, so that what you saw is what is issued.
"""
_CANCEL = """\
Example: **mendstream cancel 7f3c21 --by bob**

What waits is dropped; a training is called off; a deployment or rollback is undone, and what was
done to its target since is undone before.
"""
_FREEZE = """\
Example: **mendstream freeze --by ann** - everything; **mendstream freeze support-bot --by ann**; or
a tenant: **acme/\\***

What automation finds then waits for a person, nothing is tried again by itself; orders of people go
on.
"""


def register(app: typer.Typer) -> None:
    command(app, "approve", epilog=_APPROVE)(approve)
    command(app, "reject", epilog=_APPROVE.replace("mendstream approve", "mendstream reject"))(
        reject
    )
    command(app, "cancel", epilog=_CANCEL)(cancel)
    command(app, "freeze", epilog=_FREEZE)(freeze)
    command(app, "unfreeze", epilog=_FREEZE.replace("mendstream freeze", "mendstream unfreeze"))(
        unfreeze
    )


def approve(given: Given, command_id: _Id, by: By, comment: Why = "") -> None:
    """Approve a command that waits for a person."""
    _review(given.settings(), command_id, ReviewVerdict.APPROVE, by, comment)


def reject(given: Given, command_id: _Id, by: By, comment: Why = "") -> None:
    """Reject a command that waits for a person."""
    _review(given.settings(), command_id, ReviewVerdict.REJECT, by, comment)


def cancel(given: Given, command_id: _Id, by: By, why: Why = "") -> None:
    """Take a command back."""
    settings = given.settings()
    row = _row(settings, command_id)
    asks = request(row.subject, RequestKind.CANCEL, by, why, command_id=row.command_id)
    publish(settings, REQUESTS, asks.subject, asks, check_request(asks))
    _wait_for_transition(settings, row)


def freeze(
    given: Given,
    by: By,
    subject: Annotated[str, typer.Argument(help="[tenant/]model line, tenant/* or *")] = EVERYTHING,
    why: Why = "",
) -> None:
    """Leave a subject, a tenant or everything to people."""
    _hold(given.settings(), request(subject, RequestKind.FREEZE, by, why))


def unfreeze(
    given: Given,
    by: By,
    subject: Annotated[
        str, typer.Argument(help="What was frozen, under the same name.")
    ] = EVERYTHING,
    why: Why = "",
) -> None:
    """Let automation act again."""
    _hold(given.settings(), request(subject, RequestKind.UNFREEZE, by, why))


def _review(
    settings: Settings, command_id: str, verdict: ReviewVerdict, by: str, comment: str
) -> None:
    row = _row(settings, command_id)
    said = Review(
        event_id=event_uuid("review", row.command_id, verdict, by, row.digest, comment, now_ms()),
        subject=row.subject,
        command_id=row.command_id,
        verdict=verdict,
        digest=row.digest,
        reviewer=by,
        comment=comment,
        reviewed_at=now_ms(),
    )
    if row.phase != Phase.PENDING_APPROVAL:
        raise MendstreamError(
            f"Command {row.command_id} does not wait for approval: it is {row.phase}.",
            "`mendstream pending` lists what waits.",
        )
    if (denied := may_not_approve(said, row, DEFAULT_POLICY)) is not None:
        raise MendstreamError(f"{denied.sentence}.", "Ask somebody else to.")
    publish(settings, REVIEWS, row.subject, said, check_review(said))
    _wait_for_transition(settings, row)


def _hold(settings: Settings, asks: Request) -> None:
    faults = check_request(asks)
    became = publish(settings, REQUESTS, asks.subject, asks, faults, everywhere=spread(asks))
    said = doubt(became)
    say(
        f"{asks.subject}: {asks.kind.lower()} asked by "
        f"{asks.requested_by}{', ' if said else ''}{said}"
    )


def request(subject: str, kind: RequestKind, by: str, why: str, **fields: str | None) -> Request:
    now = now_ms()
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return Request(
        event_id=event_uuid(
            "request",
            subject,
            kind,
            by,
            now,
            why,
            *(f"{name}={given[name]}" for name in sorted(given)),
        ),
        subject=subject,
        kind=kind,
        detail=why,
        requested_by=by,
        requested_at=now,
        **given,
    )


def _row(settings: Settings, command_id: str) -> CommandRow:
    remedy = "`mendstream table commands` shows them."
    check_length(command_id, _LEAST, remedy)
    rows = read_table(settings, codec_for(settings), TABLES_COMMANDS)
    row = rows[only_id(command_id, rows, "command", TABLES_COMMANDS, remedy)]
    assert isinstance(row, CommandRow), f"{TABLES_COMMANDS} holds rows of commands"
    return row


def _wait_for_transition(settings: Settings, before: CommandRow) -> None:
    """Waits until the command has moved, and says where to."""
    after = [before]

    def moved() -> bool:
        row = read_table(settings, codec_for(settings), TABLES_COMMANDS).get(before.command_id)
        after[0] = row if isinstance(row, CommandRow) else before
        return after[0].phase != before.phase

    if not wait_until(moved, ANSWER_SECONDS):
        raise MendstreamError(
            f"Command {before.command_id} is still {before.phase}.",
            "Is a processor running? If it refused what you said, the reason is in "
            "dead-letters.v1.",
        )
    say(f"{before.command_id}: {before.phase} -> {after[0].phase}")


def publish(
    settings: Settings,
    topic: str,
    key: str,
    record: Record,
    faults: list[Fault],
    everywhere: bool = False,
) -> Became:
    """everywhere: to each partition, because it concerns subjects of all. Raises MendstreamError if
    it is refused.
    """
    refuse_faults(faults)
    return deliver(settings, topic, [(key, record)], everywhere)
