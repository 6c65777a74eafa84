"""How bad a failure is, and what it costs a day."""

from agents.core.batch import Finding
from agents.failures.analysis.classify import loss_of
from schemas.records import FailureType, Impact, Severity

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
