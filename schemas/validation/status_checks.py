"""Finds well-formed reports of deployers that make no sense, with the value in the sentence."""

from collections.abc import Iterator

from schemas.records import CommandStatus
from schemas.refusals import Reason
from schemas.validation.field_checks import (
    Fault,
    keys_at_fault,
    names_at_fault,
    shares_at_fault,
    symbols_at_fault,
)


def check_status(status: CommandStatus) -> list[Fault]:
    """Returns the reasons why a status is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=status.event_id, command_id=status.command_id),
        *keys_at_fault(subject=status.subject),
        *names_at_fault(reporter=status.reporter, made_version=status.made_version),
        *symbols_at_fault(status=status.status),
    ]
    if status.attempt < 1:
        faults.append((Reason.BAD_COUNT, f"attempt {status.attempt} is less than 1"))
    if status.progress is not None:
        faults.extend(shares_at_fault(progress=status.progress))
    faults.extend(_reported_share(status))
    return faults


def _reported_share(status: CommandStatus) -> Iterator[Fault]:
    share, since, until = status.traffic_share, status.share_from, status.share_until
    if share is None:
        if since is not None or until is not None:
            yield Reason.BAD_SHARES, "share_from or share_until is there without a traffic_share"
        return
    if not 0 <= share <= 1:
        yield Reason.BAD_SHARES, f"traffic_share {share:g} is not in [0, 1]"
    since = status.reported_at if since is None else since
    if until is not None and until <= since:
        yield (
            Reason.BAD_SHARES,
            f"share_until {until} is not after {since}, from when on the share holds",
        )
