"""Which well-formed requests and reviews still make no sense."""

from schemas.orders import Request, RequestKind, Review, ReviewVerdict
from schemas.refusals import Reason
from schemas.terms import Fault, names_at_fault

EVERYTHING = "*"
_SPREAD = (RequestKind.FREEZE, RequestKind.UNFREEZE)


def spread(record: object) -> bool:
    """Whether a record is asked for many subjects, and so of each partition."""
    return isinstance(record, Request) and record.kind in _SPREAD and record.subject.endswith(EVERYTHING)


def check_request(one: Request) -> list[Fault]:
    """Why a request is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, subject=one.subject, requested_by=one.requested_by),
        *names_at_fault(command_id=one.command_id, experiment_id=one.experiment_id, variant=one.variant),
        *names_at_fault(
            model_version=one.model_version,
            to_version=one.to_version,
            environment=one.environment,
            detail=one.detail or None,
        ),
    ]
    if one.kind == RequestKind.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "kind is UNKNOWN"))
    if one.kind == RequestKind.CANCEL and one.command_id is None:
        faults.append((Reason.EMPTY_FIELD, "CANCEL names no command_id"))
    if one.kind not in _SPREAD and one.subject.endswith(EVERYTHING):
        faults.append((Reason.OUT_OF_RANGE, f"only FREEZE and UNFREEZE are for many subjects, not {one.kind}"))
    return faults


def check_review(one: Review) -> list[Fault]:
    """Why a review is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, subject=one.subject, command_id=one.command_id, reviewer=one.reviewer),
        *names_at_fault(digest=one.digest, comment=one.comment or None),
    ]
    if one.verdict == ReviewVerdict.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "verdict is UNKNOWN"))
    return faults
