"""Finds well-formed recommendations and outcomes that make no sense."""

from math import isfinite

from schemas.records import Judgement, Recommendation, RecommendationOutcome
from schemas.refusals import Reason
from schemas.validation.specs_and_policies import Fault, keys_at_fault, names_at_fault

CONTENT_MAX = 32_768  # characters; a record may have 65 536 bytes


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
