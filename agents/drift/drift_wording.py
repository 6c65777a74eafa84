"""Names a drift: decay or mix shift, where it sits, and what follows from it."""

from agents.core.batch import Compared, Finding
from agents.core.phrasing import grouped, odds
from agents.core.provenance import Provenance
from agents.drift.decay_or_mix import MixChange
from agents.drift.rollback_candidate import came_with
from agents.drift.rule import BadWhen, Rule
from agents.statistics.special import beta_quantile
from schemas.records import Evidence, EvidenceKind, MetricRow, Order, Verdict, VersionWatch
from state.storage.table import row_key


def drift_finding(
    place: Provenance,
    row: MetricRow,
    rule: Rule,
    version: VersionWatch,
    change: MixChange | None,
    previous: str | None,
) -> Finding:
    """The finding that a version of a row is bad, by the record at `place`; change: what became of
    the whole's rate by segment; previous: the version to roll back to, where the fault came with
    this one.

    A change that is mostly mix asks for an improvement: retraining would not mend it, nor would a
    rollback.
    """
    mixed = change is not None and change.is_mix
    order = Order.IMPROVE if mixed else Order.ROLLBACK if previous else Order.RETRAIN
    segments = (change.segment,) if change else (row.segment,) if row.segment is not None else ()
    return Finding(
        at=0,
        agent="watch",
        ordinal=row_key(version.model_version, row.metric, row.segment),
        verdict=Verdict.MIX_SHIFT if mixed else Verdict.DRIFT,
        order=order,
        subject=row.subject,
        metric=row.metric,
        rule="mix shift" if mixed else "drift against the frozen reference",
        reason=_reason(row, rule, version, change, previous),
        evidence=(_evidence(place, row, version, change),),
        model_version=version.model_version,
        to_version=previous if order == Order.ROLLBACK else None,
        segments=segments,
        hypothesis=f"more data and a better model for segment {segments[0]}"
        if mixed and segments
        else "",
        compared=(_compared(row, rule, version),),
        added=change.added if change is not None else (),
        came_with_version=came_with(version),
        units=version.judged,
        since=version.first_at,
    )


def _compared(row: MetricRow, rule: Rule, version: VersionWatch) -> Compared:
    """The metric per unit as expected and since the suspicion began; of a metric with a limit
    the share beyond it.
    """
    before, now = row.expected, _bad_rate(version)
    if rule.how == BadWhen.RATE and not rule.upper:
        return Compared(row.metric, 1.0 - before, 1.0 - now, 1.0)
    return Compared(row.metric, before, now, -1.0)


def _bad_rate(version: VersionWatch) -> float:
    return (version.bad - version.window_bad) / max(1, version.judged - version.window_count)


def _evidence(
    place: Provenance, row: MetricRow, version: VersionWatch, change: MixChange | None
) -> Evidence:
    """The rate since the suspicion began, with a fixed-sample 95 % interval (Clopper-Pearson) to
    show its size.
    """
    count, bad = version.judged - version.window_count, version.bad - version.window_bad
    low = beta_quantile(bad, count - bad + 1, 0.025) if bad else 0.0
    high = beta_quantile(bad + 1, count - bad, 0.975) if bad < count else 1.0
    return Evidence(
        topic=place.topic,
        partition=place.partition,
        first_offset=version.window_offset,
        last_offset=place.offset,
        metric=row.metric,
        segment=row.segment if row.segment is not None else change.segment if change else None,
        estimate=bad / max(1, count),
        low=low,
        high=high,
        log_e=version.log_e,
        evidence_kind=EvidenceKind.E_DETECTOR,
        count=count,
    )


def _reason(
    row: MetricRow,
    rule: Rule,
    version: VersionWatch,
    change: MixChange | None,
    previous: str | None,
) -> str:
    where = f"{row.subject} {version.model_version}" + (
        f", segment {row.segment}" if row.segment is not None else ""
    )
    sentence = f"{where}: {_moved(row, rule, version)} ({odds(version.log_e, 'e-detector')})"
    if row.thin > 1:
        sentence += f"; each {_ordinal(row.thin)} record judged: values follow each other"
    if change is not None and change.is_mix:
        return (
            f"{sentence}; it is a mix shift, not a decay: the fault sits in segment "
            f"{change.segment}: improve there"
        )
    if change is not None:
        sentence += f"; most of it in segment {change.segment}"
        sentence += (
            "; too few records to tell a decay from a mix shift" if change.is_unclear else ""
        )
    return f"{sentence}: {f'roll back to {previous}' if previous else 'retrain'}"


def _moved(row: MetricRow, rule: Rule, version: VersionWatch) -> str:
    count, bad = version.judged - version.window_count, version.bad - version.window_bad
    before, after, what, moved = (
        row.expected,
        bad / max(1, count),
        row.metric,
        "rose",
    )
    if rule.how == BadWhen.LIMIT:
        assert row.limit is not None, "a record was judged without a limit"
        what = (
            f"share of records with {row.metric} {'above' if rule.upper else 'below'} {row.limit:g}"
        )
    elif not rule.upper:
        before, after, moved = 1.0 - before, 1.0 - after, "fell"
    return f"{what} {moved} from {before:.1%} to {after:.1%} in the last {grouped(count)} records"


def _ordinal(n: int) -> str:
    """A number as a place in a row.

    >>> [_ordinal(n) for n in (2, 3, 11, 58, 101, 112)]
    ['2nd', '3rd', '11th', '58th', '101st', '112th']
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{'th' if n % 100 in (11, 12, 13) else ending}"
