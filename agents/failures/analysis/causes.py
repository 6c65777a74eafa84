"""Ranks what may have brought a failure about, each with the evidence that supports it."""

from collections.abc import Iterable

from agents.core.batch import Finding
from agents.failures.analysis.classify import CODES
from schemas.records import Cause, CauseKind, MetricChange, Sighting

CAUSES_SHOWN = 5
LEAST_SHARE = 0.05  # of the loss; less explains nothing
UPSTREAM_MS = 24 * 3_600_000  # of event time; what moved earlier had its own consequences


def causes_of(
    finding: Finding,
    changes: Iterable[MetricChange],
    sightings: Iterable[Sighting],
    occurred_at: int,
) -> tuple[Cause, ...]:
    """That which explains most first; what cannot be put in numbers, a metric that moved before,
    comes last.
    """
    counted = [*_version(finding), *_segments(finding), *_codes(changes)]
    # What came with a version did not come with the traffic: of equal shares the version is named
    # first.
    ranked = sorted(
        counted,
        key=lambda cause: (-round(cause.share, 2), cause.kind != CauseKind.VERSION, cause.name),
    )
    return (*ranked[:CAUSES_SHOWN], *_upstream(finding, sightings, occurred_at))


def _version(finding: Finding) -> list[Cause]:
    """The version, for all that the mix of traffic does not explain."""
    if not finding.came_with_version or finding.model_version is None:
        return []
    within, mix = sum(one.within for one in finding.added), sum(one.mix for one in finding.added)
    total = within + mix
    share = min(1.0, max(0.0, within / total)) if finding.added and total > 0.0 else 1.0
    if share < LEAST_SHARE:
        return []
    seen = f"{finding.units:,} units of it"
    if finding.added:
        seen += f"; {share:.0%} of the change lies within segments, not in their mix"
    return [Cause(CauseKind.VERSION, finding.model_version, share, seen)]


def _segments(finding: Finding) -> list[Cause]:
    total = sum(one.within + one.mix for one in finding.added)
    if total <= 0.0:
        return []
    found = []
    for one in finding.added:
        for kind, part, what in (
            (CauseKind.SEGMENT, one.within, "its own rate changed"),
            (CauseKind.MIX_SHIFT, one.mix, "its share of the traffic changed"),
        ):
            share = min(1.0, part / total)
            if share >= LEAST_SHARE:
                found.append(Cause(kind, one.segment, share, f"{what}: {share:.0%} of the loss"))
    return found


def _codes(changes: Iterable[MetricChange]) -> list[Cause]:
    """Errors by code: each one's part of what all of them rose by."""
    rose = {
        c.metric.removeprefix(CODES): c.loser - c.winner
        for c in changes
        if c.metric.startswith(CODES)
    }
    rose = {code: more for code, more in rose.items() if more > 0.0}
    total = sum(rose.values())
    shares = {code: more / total for code, more in rose.items()}
    return [
        Cause(CauseKind.ERROR_CODE, code, share, f"{share:.0%} of the added errors end with it")
        for code, share in shares.items()
        if share >= LEAST_SHARE
    ]


def _upstream(finding: Finding, sightings: Iterable[Sighting], occurred_at: int) -> list[Cause]:
    """Other metrics of the subject that moved first."""
    found = {}
    for one in sightings:
        before, metric = occurred_at - one.occurred_at, one.signal.rpartition(" ")[0]
        if metric != finding.metric and 0 <= before <= UPSTREAM_MS:
            minutes = before / 60_000
            sentence = (
                f"seen {minutes:.0f} minutes before; how much of the loss it explains is not known"
            )
            found[one.signal] = Cause(CauseKind.UPSTREAM_METRIC, one.signal, 0.0, sentence)
    return list(found.values())


def signal_of(finding: Finding) -> str:
    """The name under which a finding is remembered as a sign of what may follow."""
    return f"{finding.metric} {finding.verdict}"
