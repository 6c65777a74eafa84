"""Tells what a metric measures, and whether a change of it is a failure."""

import re
from collections.abc import Iterable

from agents.core.batch import Compared, Finding
from agents.core.policies import metric_spec
from schemas.records import FailureType, MetricChange, Policy, Verdict

FAILURES = frozenset({Verdict.HARM, Verdict.DRIFT, Verdict.MIX_SHIFT, Verdict.SPLIT})
CODES = "error."  # metrics named so are shares of requests that end with the code behind it

_WORDS = {  # the first that a metric's name holds
    FailureType.AVAILABILITY: (CODES, "availab", "uptime", "timeout", "5xx", "unreachable"),
    FailureType.DATA_QUALITY: ("exposure", "missing", "null", "schema", "stale", "quality_of_data"),
    FailureType.LATENCY: ("latency", "duration", "response_time", "ttft"),
    FailureType.COST: ("cost", "price", "spend", "tokens"),
    FailureType.SATISFACTION: ("satisf", "csat", "nps", "rating", "thumbs"),
    FailureType.CONVERSION: ("conver", "click", "ctr", "signup", "retention"),
    FailureType.REVENUE: ("revenue", "sales", "gmv", "margin"),
    FailureType.ACCURACY: (
        "accura",
        "error",
        "precision",
        "recall",
        "f1",
        "auc",
        "correct",
        "quality",
        "win",
        "ok",
        "pass",
    ),
}
_SHORT = 4  # letters; of fewer a word stands alone in the name, or "tokens" would be "ok"


def type_of(metric: str) -> FailureType:
    """Returns what a metric is about, by its name.

    >>> [type_of(name).value for name in ("p99_latency", "error", "error.503")]
    ['LATENCY', 'ACCURACY', 'AVAILABILITY']
    >>> [type_of(name).value for name in ("tokens_used", "ok", "queue")]
    ['COST', 'ACCURACY', 'OTHER']
    """
    name = metric.lower()
    words = set(re.split(r"[^a-z0-9]+", name))
    for kind, telling in _WORDS.items():
        if any(word in words or (len(word) >= _SHORT and word in name) for word in telling):
            return kind
    return FailureType.OTHER


def changes_of(finding: Finding, policy: Policy) -> tuple[MetricChange, ...]:
    """Every metric of winner and loser; the proved one fails whatever its size."""
    return tuple(_change(one, finding, policy) for one in finding.compared)


def types_of(finding: Finding, changes: Iterable[MetricChange]) -> tuple[FailureType, ...]:
    """Returns the types of a failure, that of the proved metric first."""
    first = (
        FailureType.DATA_QUALITY if finding.verdict == Verdict.SPLIT else type_of(finding.metric)
    )
    others = (type_of(change.metric) for change in changes if change.failing)
    return tuple(dict.fromkeys((first, *others)))


def loss_of(change: Compared) -> float:
    """How much worse, relative to the winner; negative where better, infinite where the winner has
    none.
    """
    worse = (change.before - change.now) * change.sign
    if change.before == 0.0:
        return float("inf") if worse > 0.0 else 0.0
    return worse / abs(change.before)


def _change(one: Compared, finding: Finding, policy: Policy) -> MetricChange:
    spec = metric_spec(one.metric, (), policy)
    threshold = (
        spec.failure_threshold if spec.failure_threshold is not None else policy.failure_threshold
    )
    return MetricChange(
        metric=one.metric,
        winner=one.before,
        loser=one.now,
        percent=(one.now - one.before) / one.before * 100.0 if one.before else None,
        failing=one.metric == finding.metric or loss_of(one) > threshold,
    )
