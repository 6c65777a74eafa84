"""Finds well-formed requests, reviews, recommendations and outcomes that make no sense."""

from collections.abc import Iterator

from schemas.ids import DEFAULT_TENANT, JOINER
from schemas.records import (
    Judgement,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
    RequestPriority,
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
    shares_at_fault,
)
from schemas.validation.text import EVERYTHING

_SPREAD = (RequestKind.FREEZE, RequestKind.UNFREEZE, RequestKind.LEARN)
_ORDERS = (RequestKind.ROLLBACK, RequestKind.DEPLOY, RequestKind.RETRAIN, RequestKind.IMPROVE)
RETRIES_MAX = 2  # of a command, as the processors make them
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
    return [*faults, *_terms_at_fault(one)]


def _terms_at_fault(one: Request) -> Iterator[Fault]:
    """What is wrong with what is said of an order alone."""
    yield from names_at_fault(failure_id=one.failure_id)
    tries = one.max_retries
    if tries is not None and not 0 <= tries <= RETRIES_MAX:
        yield Reason.OUT_OF_RANGE, f"max_retries {tries} is not in [0, {RETRIES_MAX}]"
    given = {
        "priority": one.priority != RequestPriority.UNKNOWN,
        "max_retries": tries is not None,
        "failure_id": one.failure_id is not None,
    }
    for name, there in given.items():
        if there and one.kind not in _ORDERS:
            yield Reason.OUT_OF_RANGE, f"{name} is of an order, and {one.kind} is none"


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
    if one.kind == RequestKind.LEARN:
        return _tenant_at_fault(one.subject)
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
        f"subject {one.subject[:40]!r} names nothing: write a subject, a tenant as "
        f"{tenant or 'acme'}/*, or *"
    )
    return [(Reason.OUT_OF_RANGE, sentence)]


def _tenant_at_fault(subject: str) -> list[Fault]:
    """What is wrong with a subject that is to be all of one tenant; `default` is one too."""
    tenant, slash, line = subject.partition(JOINER)
    if not slash or line != EVERYTHING:
        sentence = f"subject {subject[:40]!r} is no tenant: write it as acme/*"
        return [(Reason.OUT_OF_RANGE, sentence)]
    return [] if tenant == DEFAULT_TENANT else [*keys_at_fault(subject=f"{tenant}{JOINER}line")]


def check_recommendation(one: Recommendation) -> list[Fault]:
    """Returns the reasons why a recommendation is refused; empty where it is not."""
    faults = [
        *names_at_fault(event_id=one.event_id, run_id=one.run_id, kind=one.kind),
        *keys_at_fault(agent_id=one.agent_id),
        *names_at_fault(subject=one.subject),
        *shares_at_fault(confidence=one.confidence),
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
        *shares_at_fault(quality=one.quality),
    ]
    if one.judgement == Judgement.UNKNOWN:
        faults.append((Reason.UNKNOWN_SYMBOL, "judgement is UNKNOWN"))
    return faults
