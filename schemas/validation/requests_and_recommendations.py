"""Finds well-formed requests, reviews, recommendations and outcomes that make no sense."""

from math import isfinite

from schemas.ids import JOINER
from schemas.records import (
    Judgement,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    Review,
    ReviewVerdict,
)
from schemas.refusals import Reason
from schemas.validation.field_checks import (
    Fault,
    environments_at_fault,
    keys_at_fault,
    names_at_fault,
    persons_at_fault,
)
from schemas.validation.text import EVERYTHING

_SPREAD = (RequestKind.FREEZE, RequestKind.UNFREEZE)
CONTENT_MAX = 32_768  # characters; a record may have 65 536 bytes


def spread(record: object) -> bool:
    """Returns True if a record concerns subjects of all partitions and is written to each."""
    return (
        isinstance(record, Request)
        and record.kind in _SPREAD
        and record.subject.endswith(EVERYTHING)
    )


def check_request(one: Request) -> list[Fault]:
    """Returns the reasons why a request is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id),
        *_asked_of(one),
        *persons_at_fault(requested_by=one.requested_by),
        *names_at_fault(
            command_id=one.command_id, experiment_id=one.experiment_id, variant=one.variant
        ),
        *names_at_fault(
            model_version=one.model_version,
            to_version=one.to_version,
            detail=one.detail or None,
        ),
        *environments_at_fault(environment=one.environment),
    ]
    if one.kind == RequestKind.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "kind is UNKNOWN"))
    if (
        one.kind == RequestKind.ROLLBACK
        and one.to_version is not None
        and one.to_version in (one.model_version, one.variant)
    ):
        faults.append(
            (
                Reason.OUT_OF_RANGE,
                f"to_version {one.to_version[:40]!r} is what is to be rolled back: name another",
            )
        )
    if one.kind == RequestKind.CANCEL and one.command_id is None:
        faults.append((Reason.EMPTY_FIELD, "CANCEL names no command_id"))
    return faults


def check_review(one: Review) -> list[Fault]:
    """Returns the reasons why a review is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, command_id=one.command_id),
        *keys_at_fault(subject=one.subject),
        *persons_at_fault(reviewer=one.reviewer),
        *names_at_fault(digest=one.digest, comment=one.comment or None),
    ]
    if one.verdict == ReviewVerdict.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "verdict is UNKNOWN"))
    return faults


def _asked_of(one: Request) -> list[Fault]:
    """What is wrong with the subject: what is asked of many ends in the tenant's slash and a *, or
    is the * alone.
    """
    if one.kind not in _SPREAD and one.subject.endswith(EVERYTHING):
        return [
            (Reason.OUT_OF_RANGE, f"only FREEZE and UNFREEZE are for many subjects, not {one.kind}")
        ]
    if not spread(one):
        return list(keys_at_fault(subject=one.subject))
    tenant, slash, line = one.subject.partition(JOINER)
    if one.subject == EVERYTHING or (slash and line == EVERYTHING):
        return (
            []
            if one.subject == EVERYTHING
            else list(keys_at_fault(subject=f"{tenant}{JOINER}line"))
        )
    sentence = (
        f"subject {one.subject[:40]!r} freezes nothing: write a subject, a tenant as "
        f"{tenant or 'acme'}/*, or *"
    )
    return [(Reason.OUT_OF_RANGE, sentence)]


def check_recommendation(one: Recommendation) -> list[Fault]:
    """Returns the reasons why a recommendation is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, run_id=one.run_id, kind=one.kind),
        *keys_at_fault(agent_id=one.agent_id),
        *names_at_fault(subject=one.subject),
        *_share("confidence", one.confidence),
    ]
    if len(one.content) > CONTENT_MAX:
        faults.append(
            (Reason.TOO_LONG, f"content has {len(one.content)} characters, more than {CONTENT_MAX}")
        )
    return faults


def check_outcome(one: RecommendationOutcome) -> list[Fault]:
    """Returns the reasons why an outcome is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, run_id=one.run_id, judged_by=one.judged_by),
        *keys_at_fault(agent_id=one.agent_id),
        *names_at_fault(recommendation_id=one.recommendation_id),
        *_share("quality", one.quality),
    ]
    if one.judgement == Judgement.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "judgement is UNKNOWN"))
    return faults


def _share(name: str, value: float) -> list[Fault]:
    if not isfinite(value):
        return [(Reason.NOT_FINITE, f"{name} is {value}, which is no finite number")]
    return (
        [] if 0.0 <= value <= 1.0 else [(Reason.OUT_OF_RANGE, f"{name} {value:g} is not in [0, 1]")]
    )
