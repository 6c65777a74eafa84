"""Names a drift: decay or mix shift, where it sits, and what follows from it."""

from scipy.special import betaincinv

from agents.numbers import grouped, odds
from agents.slice import Facts, Finding
from agents.watch.explain import Change
from agents.watch.stream import Alarm
from schemas.records import Direction, Evidence, MetricRow, MetricSpec, Order, State, Verdict, VersionWatch


def drift_finding(facts: Facts, row: MetricRow, spec: MetricSpec, alarm: Alarm, change: Change | None) -> Finding:
    """The finding of one alarm. A change that is mostly mix asks for an improvement: retraining would not mend it.

    A rollback is asked for when the version before was sound and this one was bad for most of its life.
    """
    version = alarm.version
    mixed = change is not None and change.is_mix and row.segment is None
    previous = _sound_before(row, version)
    order = Order.IMPROVE if mixed else Order.ROLLBACK if previous else Order.RETRAIN
    segments = (change.segment,) if change else (row.segment,) if row.segment is not None else ()
    return Finding(
        at=alarm.at,
        agent="watch",
        ordinal=f"{version.model_version}|{row.metric}|{row.segment or ''}",
        verdict=Verdict.MIX_SHIFT if mixed else Verdict.DRIFT,
        order=order,
        subject=row.subject,
        metric=row.metric,
        rule="mix shift" if mixed else "drift against the frozen reference",
        reason=_reason(row, spec, version, change, mixed, order, previous),
        evidence=(_evidence(facts, row, alarm, change),),
        model_version=version.model_version,
        to_version=previous if order == Order.ROLLBACK else None,
        segments=segments,
        hypothesis=f"more data and a better model for segment {segments[0]}" if mixed and segments else "",
    )


def _sound_before(row: MetricRow, version: VersionWatch) -> str | None:
    names = [one.model_version for one in row.versions]
    at = names.index(version.model_version)
    if at == 0 or row.versions[at - 1].state != State.OK:
        return None
    good = version.window_count - version.start_count
    return names[at - 1] if good < version.count - version.window_count else None


def _evidence(facts: Facts, row: MetricRow, alarm: Alarm, change: Change | None) -> Evidence:
    """The rate since the suspicion began, with a fixed-sample 95 % interval (Clopper-Pearson) to show its size."""
    version = alarm.version
    count, bad = version.count - version.window_count, version.bad - version.window_bad
    low = float(betaincinv(bad, count - bad + 1, 0.025)) if bad else 0.0
    high = float(betaincinv(bad + 1, count - bad, 0.975)) if bad < count else 1.0
    return Evidence(
        topic=facts.topic,
        partition=facts.partition,
        first_offset=version.window_offset,
        last_offset=alarm.offset,
        metric=row.metric,
        segment=row.segment if row.segment is not None else change.segment if change else None,
        estimate=bad / max(1, count),
        low=low,
        high=high,
        log_e=version.log_e,
        count=count,
    )


def _reason(
    row: MetricRow,
    spec: MetricSpec,
    version: VersionWatch,
    change: Change | None,
    mixed: bool,
    order: Order,
    previous: str | None,
) -> str:
    where = f"{row.subject} {version.model_version}" + (f", segment {row.segment}" if row.segment is not None else "")
    count, bad = version.count - version.window_count, version.bad - version.window_bad
    before, after, moved = row.reference_bad / row.reference_count, bad / max(1, count), "rose"
    if spec.direction == Direction.HIGHER_IS_BETTER:
        before, after, moved = 1.0 - before, 1.0 - after, "fell"
    how = f"{row.metric} {moved} from {before:.1%} to {after:.1%} in the last {grouped(count)} records"
    sentence = f"{where}: {how} ({odds(version.log_e, 'e-detector')})"
    if mixed and change is not None:
        return f"{sentence}; it is a mix shift, not a decay: the fault sits in segment {change.segment}: improve there"
    if change is not None:
        sentence += f"; most of it in segment {change.segment}"
    return f"{sentence}: {f'roll back to {previous}' if order == Order.ROLLBACK else 'retrain'}"
