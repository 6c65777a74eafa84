"""Makes the analysis of a finding: everything it says follows from the finding and from what was
seen before it.
"""

from collections.abc import Iterable

from agents.core.batch import Finding
from agents.core.provenance import Provenance, scoped
from agents.failures.analysis.causes import causes_of
from agents.failures.analysis.classify import changes_of, types_of
from agents.failures.analysis.hypotheses import hypotheses_of
from agents.failures.analysis.impact import RISKS, impact_of, relative_loss, severity_of
from schemas.records import (
    Cause,
    CauseKind,
    Decision,
    FailureAnalysis,
    FailureType,
    Policy,
    Sighting,
)
from state.storage.table import row_key

_NAMED = (
    CauseKind.SEGMENT,
    CauseKind.MIX_SHIFT,
    CauseKind.ERROR_CODE,
)  # what they name comes again; versions do not


def analyse(
    finding: Finding,
    decision: Decision,
    policy: Policy,
    sightings: Iterable[Sighting],
    place: Provenance,
    occurred_at: int,
) -> FailureAnalysis:
    """The analysis of a finding that is a failure; place: of the record that proved it,
    occurred_at: its event time.
    """
    changes = changes_of(finding, policy)
    kinds = types_of(finding, changes)
    causes = causes_of(finding, changes, sightings, occurred_at)
    risk, mitigation = RISKS[kinds[0]]
    return FailureAnalysis(
        failure_id=place.event_id("failure", f"{finding.agent}|{finding.ordinal}"),
        subject=finding.subject,
        decision_id=decision.decision_id,
        experiment_id=finding.experiment_id,
        variant=finding.variant,
        model_version=finding.model_version,
        metric=finding.metric,
        types=kinds,
        changes=changes,
        causes=causes,
        severity=severity_of(finding, kinds[0]),
        loss=relative_loss(finding),
        impact=impact_of(finding, occurred_at),
        risk=risk,
        mitigation=mitigation,
        hypotheses=hypotheses_of(kinds, causes, relative_loss(finding)),
        pattern=scoped(finding.subject, signature(kinds[0], finding.metric, causes)),
        evidence=finding.evidence,
        occurred_at=occurred_at,
        analysed_at=decision.decided_at,
    )


def signature(kind: FailureType, metric: str, causes: Iterable[Cause]) -> str:
    """Returns what failures have in common that are one pattern: what fails, and what explains it
    first.

    >>> signature(FailureType.ACCURACY, "error", [Cause(CauseKind.MIX_SHIFT, "RELP=16", 0.9, "")])
    'ACCURACY|error|MIX_SHIFT|RELP=16'
    """
    first = next(iter(causes), None)
    named = first.name if first is not None and first.kind in _NAMED else ""
    return row_key(kind, metric, first.kind if first is not None else "", named)


def parent_of(pattern: str) -> str:
    """The pattern that a new one starts from: the failure type."""
    return pattern.partition("|")[0]
