"""Commands that wait: for the budget, for a person, and for nobody in time."""

from agents.alerts.alert_metrics import WAITING
from agents.commands.guards import (
    APPROVAL_MS,
    gone_stale,
    hands_off,
    may_not_approve,
    takes_from_rollback,
)
from agents.commands.ledger import MINUTE_MS, CommandEffects, CommandLedger
from agents.commands.ordering import precede
from agents.core.effects import Refusal
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from schemas.persons import OURSELVES
from schemas.records import Admission, CommandRow, Event, Phase, Review, ReviewVerdict
from state.partition.command_tables import CommandTables


def admitted(answer: Admission, place: Provenance, tables: CommandTables) -> CommandEffects:
    """Returns what the budget said, if the command still waits for it."""
    ledger, row = CommandLedger(place, tables), tables.commands.get(answer.command_id)
    if row is None or row.phase != Phase.PROPOSED:
        return ledger.effects
    stale, held = gone_stale(row, tables), hands_off(row.subject, row.target, place, tables)
    unsafe = takes_from_rollback(row.order, row.subject, row.target, tables)
    if stale:
        ledger.move(row, Event.GO_STALE, OURSELVES, stale)
    elif not answer.granted or held or unsafe:
        ask(row, held or unsafe or answer.reason, ledger)
    else:
        _issue(row, Event.ISSUE, OURSELVES, "within the budget", ledger)
    return ledger.effects


def reviewed(review: Review, place: Provenance, tables: CommandTables) -> CommandEffects | Refusal:
    """Returns what a person said of a command that waits for approval."""
    row, ledger = tables.commands.get(review.command_id), CommandLedger(place, tables)
    if row is None or row.subject != review.subject:
        return Refusal(
            "UNKNOWN_COMMAND", f"there is no command {review.command_id} of {review.subject}"
        )
    if row.phase != Phase.PENDING_APPROVAL:
        return Refusal(
            "NOT_PENDING",
            f"command {review.command_id} does not wait for approval: it is {row.phase}",
        )
    if row.command is None:
        return Refusal(
            "NOT_PENDING", f"command {review.command_id} is of an older Mendstream: order it anew"
        )
    denied = may_not_approve(review, row, policy_for(review.subject, tables.policies))
    if denied is not None:
        return denied
    if review.verdict == ReviewVerdict.REJECT:
        ledger.move(row, Event.REJECT, review.reviewer, review.comment)
    elif stale := gone_stale(row, tables):
        ledger.move(row, Event.GO_STALE, OURSELVES, stale)
    else:
        _issue(
            row,
            Event.APPROVE,
            review.reviewer,
            review.comment,
            ledger,
            approved_by=review.reviewer,
        )
    return ledger.effects


def ask(row: CommandRow, why: str, ledger: CommandLedger) -> None:
    """From the budget to a person."""
    wait_ms = APPROVAL_MS[row.order]
    changes = {
        "waits_for": why,
        "due_at": ledger.place.now + wait_ms // 2,
        "expires_at": ledger.place.now + wait_ms,
    }
    ledger.move(row, Event.ASK_PERSON, OURSELVES, why, **changes)


def due(row: CommandRow, ledger: CommandLedger) -> None:
    """Moves on a command that waits, whose deadline has come."""
    if row.phase == Phase.PROPOSED:
        ask(row, "the budget did not answer", ledger)
    else:
        late(row, ledger)


def late(row: CommandRow, ledger: CommandLedger) -> None:
    """Half of the time is over, or all of it."""
    if ledger.place.now >= row.expires_at:
        why = f"nobody approved it within {(row.expires_at - row.issued_at) // MINUTE_MS} minutes"
        ledger.move(row, Event.LAPSE, OURSELVES, why)
        return
    ledger.due(row, row.expires_at, escalated=True)
    minutes = (ledger.place.now - row.issued_at) / MINUTE_MS
    ledger.effects.observed.append((WAITING, row.subject, minutes))


def _issue(
    row: CommandRow,
    event: Event,
    by: str,
    detail: str,
    ledger: CommandLedger,
    approved_by: str = "",
) -> None:
    precede(row, ledger)
    ledger.issue(row, event, by, detail, approved_by=approved_by, waits_for="")
