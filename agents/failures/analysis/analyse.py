"""Makes the analysis of a finding: everything it says follows from the finding and from what was
seen before it. How bad the failure is, and what it costs a day, is worked out here too.
"""

from collections.abc import Iterable

from agents.core.batch import Finding
from agents.core.provenance import Provenance, scoped
from agents.failures.analysis.causes import causes_of
from agents.failures.analysis.classify import changes_of, loss_of, types_of
from agents.failures.analysis.hypotheses import hypotheses_of
from schemas.records import (
    Cause,
    CauseKind,
    Decision,
    FailureAnalysis,
    FailureType,
    Impact,
    Policy,
    Severity,
    Sighting,
)
from state.storage.table import row_key

_NAMED = (
    CauseKind.SEGMENT,
    CauseKind.MIX_SHIFT,
    CauseKind.ERROR_CODE,
)  # what they name comes again; versions do not
DAY_MS = 24 * 3_600_000
LEAST_MS = 3_600_000  # what came within minutes says little of a day
FORMULA = "(loser - winner) * units / max(days, 1/24)"
_STEPS = (
    (0.5, Severity.CRITICAL),
    (0.25, Severity.HIGH),
    (0.1, Severity.MEDIUM),
)  # by relative loss, from it on
_RAISED = {
    Severity.LOW: Severity.MEDIUM,
    Severity.MEDIUM: Severity.HIGH,
    Severity.HIGH: Severity.CRITICAL,
    Severity.CRITICAL: Severity.CRITICAL,
}
_GRAVE = frozenset({FailureType.REVENUE, FailureType.AVAILABILITY})  # customers notice at once
RISKS = {
    FailureType.ACCURACY: (
        "wrong answers reach people",
        "roll back, then train on what it gets wrong",
    ),
    FailureType.LATENCY: (
        "requests time out and people leave",
        "shift traffic back, then optimise serving",
    ),
    FailureType.COST: (
        "the budget is spent before its time",
        "cap its traffic, then use a smaller model",
    ),
    FailureType.SATISFACTION: (
        "people stop using it",
        "roll back, then read what they complained of",
    ),
    FailureType.CONVERSION: ("fewer visits end as meant", "roll back, then compare segments"),
    FailureType.REVENUE: ("money is lost with each visit", "roll back at once"),
    FailureType.DATA_QUALITY: (
        "what is measured is not what is served",
        "stop deciding by it, then mend the pipeline",
    ),
    FailureType.AVAILABILITY: (
        "requests fail",
        "shift traffic back at once, then mend by error code",
    ),
    FailureType.OTHER: (
        "its consequences are not known",
        "look at it before more traffic goes there",
    ),
}


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


def impact_of(finding: Finding, occurred_at: int) -> Impact:
    """The loss of a day at the rate so far, in units of the metric."""
    own = next((one for one in finding.compared if one.metric == finding.metric), None)
    lasted = max(occurred_at - finding.since, LEAST_MS) if finding.since >= 0 else DAY_MS
    days, change = lasted / DAY_MS, (own.now - own.before) if own is not None else 0.0
    inputs = {
        "winner": own.before if own is not None else 0.0,
        "loser": own.now if own is not None else 0.0,
        "units": float(finding.units),
        "days": days,
    }
    return Impact(FORMULA, inputs, abs(change) * finding.units / days)


def severity_of(finding: Finding, kind: FailureType) -> Severity:
    own = next((one for one in finding.compared if one.metric == finding.metric), None)
    loss = loss_of(own) if own is not None else 0.0
    severity = next((severity for least, severity in _STEPS if loss >= least), Severity.LOW)
    return _RAISED[severity] if kind in _GRAVE else severity


def relative_loss(finding: Finding) -> float:
    """Of the proved metric, between 0 and 1: all that can be lost is what there was."""
    own = next((one for one in finding.compared if one.metric == finding.metric), None)
    return min(1.0, max(0.0, loss_of(own))) if own is not None else 0.0
