"""Commands that are out: what deployers report of them, and those of which nobody reports in
time.
"""

from typing import Any

from agents.alerts.alert_metrics import ERROR_RATE
from agents.alerts.raising import observe_subject
from agents.commands.guards import gone_stale, hands_off
from agents.commands.ledger import ATTEMPTS_MAX, MINUTE_MS, CommandEffects, CommandLedger
from agents.commands.lifecycle import moved
from agents.core.effects import Output, Refusal
from agents.core.provenance import Provenance
from schemas.persons import OURSELVES
from schemas.records import CommandRow, CommandStatus, Event, FailureCause, Order, Phase, Status
from state.partition.command_tables import CommandTables

PROGRESS_MS = 60 * MINUTE_MS  # whoever is at it says so at least once an hour,
LONGEST_MS = 24 * 60 * MINUTE_MS  # and may say so for a day
BACKOFF_MS = 1_000  # after the first failure, twice as long after each further one
RATED = 20  # commands of a subject whose share of failures is looked at
_RATED = (Phase.COMPLETED, Phase.FAILED)
_PROGRESS = {Status.ACKNOWLEDGED: Event.ACKNOWLEDGE, Status.IN_PROGRESS: Event.BEGIN}
_ENDS = {Status.COMPLETED: Event.COMPLETE, Status.REFUSED: Event.REFUSE}


def reported(
    status: CommandStatus, place: Provenance, tables: CommandTables
) -> CommandEffects | Refusal:
    """Moves a command on by (attempt, phase), not by arrival."""
    row, ledger = tables.commands.get(status.command_id), CommandLedger(place, tables)
    if row is None or row.subject != status.subject:
        return Refusal(
            "UNKNOWN_COMMAND", f"no command {status.command_id} of {status.subject} was issued"
        )
    if row.fencing_token == 0:
        return Refusal(
            "UNKNOWN_COMMAND",
            f"command {status.command_id} was not issued: it waits for {row.waits_for}",
        )
    by = status.reporter
    said: dict[str, Any] = {"detail": status.detail, "reporter": status.reporter}
    if status.progress is not None:
        said["progress"] = status.progress
    event = _PROGRESS.get(status.status) or _ENDS.get(status.status) or _failure(status, row)
    if status.attempt != row.attempt or moved(row.phase, event) is None:
        return ledger.effects
    if event in _PROGRESS.values():
        until = min(place.now + PROGRESS_MS, row.issued_at + LONGEST_MS)
        ledger.move(row, event, by, status.detail, due_at=until, **said)
    elif event == Event.FAIL:
        again = place.now + BACKOFF_MS * 2 ** (row.attempt - 1)
        ledger.move(row, event, by, status.detail, due_at=again, **said)
    else:
        ledger.move(row, event, by, status.detail, **said)
    return ledger.effects


def due(row: CommandRow, ledger: CommandLedger) -> None:
    """Moves on a command whose deadline has come: one that failed is tried again, of the others
    nobody reported.
    """
    if row.phase == Phase.RETRYING:
        try_again(row, ledger)
    else:
        time_out(row, ledger)


def error_rate(row: CommandRow, place: Provenance, tables: CommandTables) -> list[Output]:
    """Looks at how many of the subject's last commands failed, once there are enough of them."""
    ended = [one for one in tables.commands.rows_of(row.subject) if one.phase in _RATED]
    last = sorted(ended, key=lambda one: (one.issued_at, one.command_id))[-RATED:]
    if row.phase not in _RATED or len(last) < RATED:
        return []
    rate = sum(one.phase == Phase.FAILED for one in last) / RATED
    return observe_subject(ERROR_RATE, row.subject, rate, place, tables.alerts)


def try_again(row: CommandRow, ledger: CommandLedger) -> None:
    """After a failure, once its wait is over."""
    why = _no_more(row, ledger.place, ledger.tables)
    if why:
        ledger.move(row, Event.FAIL_FOR_GOOD, OURSELVES, why)
    else:
        ledger.issue(row, Event.RETRY, OURSELVES, "it failed")


def time_out(row: CommandRow, ledger: CommandLedger) -> None:
    """A command of which nobody reported in time: it may have been lost, so it is sent again."""
    why = _no_more(row, ledger.place, ledger.tables)
    if why:
        ledger.move(
            row,
            Event.TIME_OUT_FOR_GOOD,
            OURSELVES,
            f"nobody reported in time; {why}",
        )
        return
    row = ledger.move(row, Event.TIME_OUT, OURSELVES, "nobody reported in time")
    ledger.issue(row, Event.RETRY, OURSELVES, "nobody reported in time")


def _failure(status: CommandStatus, row: CommandRow) -> Event:
    """Only a failure of the deployer itself is tried again; what failed as a candidate was judged,
    and stays out.

    A deployer that does not say whose failure it is gets the benefit of the doubt but for a
    deployment, which is never urgent.
    """
    if status.cause == FailureCause.SUPERSEDED:
        return Event.SUPERSEDE
    silent = status.cause == FailureCause.UNKNOWN and row.order != Order.DEPLOY
    again = status.cause == FailureCause.DEPLOYER or silent
    # A row without its command was issued by an older Mendstream and cannot be sent again.
    return (
        Event.FAIL
        if again and row.attempt < _tries(row) and row.command is not None
        else Event.FAIL_FOR_GOOD
    )


def _no_more(row: CommandRow, place: Provenance, tables: CommandTables) -> str:
    """Why a command is not tried once more; empty where it is."""
    if row.attempt >= _tries(row):
        return "it was tried once" if row.attempt == 1 else f"it was tried {row.attempt} times"
    if row.command is None:
        return "it cannot be sent again"
    # What a person ordered or approved is a person's own.
    held = (
        ""
        if row.requested_by or row.approved_by
        else hands_off(row.subject, row.target, place, tables)
    )
    return gone_stale(row, tables) or held


def _tries(row: CommandRow) -> int:
    """How often a command is tried at most; a person may want fewer tries than there are."""
    return min(row.attempts_max or ATTEMPTS_MAX, ATTEMPTS_MAX)
