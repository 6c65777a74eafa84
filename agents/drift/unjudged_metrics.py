"""Says which metrics cannot be judged, and what would end it: a watch that never speaks is not to
look like calm.
"""

from dataclasses import replace

from agents.core.batch import Finding
from agents.drift.evidence.thinning_and_limits import NOT_TO_BE_THINNED, THIN_MAX
from agents.drift.rule import BadWhen, Rule
from schemas.records import MetricRow, Order, Verdict

_WORST = 0.99  # of the reference; where more of it is bad, getting worse cannot be told from it

_COUNT = "a COUNT has no share of bad units: give it the kind RATE, MEAN or LATENCY in the policy"


def why_unjudged(row: MetricRow, rule: Rule) -> str:
    """Why no record of it can be judged, with what would end that; empty where records are judged
    or still learned from.

    What holds goes on until the row begins anew or a record comes that can be judged.
    """
    if rule.how == BadWhen.NOT:
        return _COUNT if rule.is_count else ""
    if row.frozen and row.reference_bad > _WORST * row.reference_count:
        return (
            f"{row.reference_bad} of {row.reference_count} units of its reference are bad, so that "
            "it cannot get worse: "
            "state a reference in the policy"
        )
    if row.thin == NOT_TO_BE_THINNED:
        return (
            f"its values follow each other over more than {THIN_MAX} records, so that none can be "
            "judged for itself: "
            "state a limit in the policy, beyond which a record is bad"
        )
    if rule.how == BadWhen.LIMIT and _coarse_only(row) >= rule.reference_count:
        return (
            "its records are sums of several units, which cannot be compared with a limit: send "
            "each unit by itself, or a "
            "RATE of those beyond a limit"
        )
    return ""


def with_silence(row: MetricRow, rule: Rule) -> MetricRow:
    """The row with why it cannot be judged; since when stands in the whole alone."""
    why = why_unjudged(row, rule)
    if why == row.unjudged:
        return row
    return replace(row, unjudged=why, unjudged_at=row.unjudged_at if why else -1)


def is_mended(row: MetricRow, rule: Rule) -> bool:
    """Whether the policy has been given what a metric lacked: it begins anew."""
    if not row.unjudged or rule.how == BadWhen.NOT:
        return False
    if row.thin == NOT_TO_BE_THINNED:
        return rule.limit is not None
    stated = rule.reference(row.segment)
    all_bad = row.frozen and row.reference_bad > _WORST * row.reference_count
    return all_bad and stated is not None and rule.bad_of(stated) <= _WORST * stated.count


def silent_finding(row: MetricRow) -> Finding:
    """Returns the finding that a metric cannot be judged; told once until it can."""
    return missing_finding(
        row,
        name="unjudged",
        rule="a metric that cannot be judged",
        reason=f"{row.subject}: {row.metric} is not judged: {row.unjudged}",
    )


def missing_finding(
    row: MetricRow, *, name: str, rule: str, reason: str, version: str | None = None
) -> Finding:
    """Returns a finding of data that are missing for a judgement of a metric, or of one version.

    name: what sets it apart from other findings of the record and the metric.
    """
    return Finding(
        at=0,
        agent="watch",
        ordinal=f"{row.metric}|{name}",
        verdict=Verdict.MISSING,
        order=Order.NONE,
        subject=row.subject,
        metric=row.metric,
        rule=rule,
        reason=reason,
        evidence=(),
        model_version=version,
    )


def _coarse_only(row: MetricRow) -> int:
    """Units that came several to a record, where none ever came alone; 0 where one did."""
    alone = sum(version.count - version.coarse for version in row.versions)
    return 0 if alone else sum(version.coarse for version in row.versions)
