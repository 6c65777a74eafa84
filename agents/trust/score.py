"""The formulas of trust. Times are the broker's, ms.

overall = 0.40 accuracy + 0.20 consistency + 0.15 timeliness + 0.25 reliability, all in [0, 1]:
accuracy is the mean of a Beta posterior with prior 2/2 whose outcomes fade with a half-life of 14
days and count for at most 20 together, so that an agent that turns is known by it within ten
outcomes; consistency is 1 - min(1, sd / 0.5) of quality; timeliness is an EWMA of exp(-max(0,
lateness) / SLO); reliability one of no error.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, fsum, sqrt

from agents.statistics.special import beta_quantile
from schemas.records import AgentKind, Level, Priority, Trend, TrustFact, TrustRow

DAY_MS = 24 * 3_600_000
HALF_LIFE_MS = 14 * DAY_MS
PRIOR = 2.0  # approved and rejected
MOST = 20.0  # outcomes remembered at full weight
WEIGHTS = (0.40, 0.20, 0.15, 0.25)
SPREAD = 0.5  # standard deviation of what cannot be relied on at all
SLO_MS = 3_600_000  # late by this, an outcome counts exp(-1)
EWMA = 0.1  # weight of the latest outcome
HALF_CREDIT = 10  # outcomes at which half of the boost is given
BOOST_MAX = 0.5
RISE, FALL = (
    0.02,
    0.05,
)  # most change of the boost by one update: trust is lost sooner than regained
CRITICAL, LOW = 0.2, -0.2  # boosts, strictly beyond
DISTRUSTED = 0.3  # overall
APPROVED_FROM, REJECTED_TO = 0.75, 0.25  # scores; between them an outcome is partial
DISABLED_AFTER = 20  # outcomes
LEVEL_MS = 6 * 3_600_000
TREND_MS = 7 * DAY_MS
STEADY = 0.02  # a week
LOWER = 0.05  # quantile


def new_row(agent_id: str, kind: AgentKind, now: int) -> TrustRow:
    """An agent of which nothing is known."""
    row = TrustRow(
        agent_id=agent_id, kind=kind, good=0.0, bad=0.0, spread_weight=0.0, spread_mean=0.0,
        spread_squares=0.0, outcomes=0, approved=0, partial=0, rejected=0, overall=0.0,
        accuracy=0.5, consistency=1.0, timeliness=1.0, reliability=1.0, lower=0.0, boost=0.0,
        priority=Priority.NORMAL, trend=Trend.UNKNOWN, slope=0.0, levels=(), told_boost=0.0,
        told_priority=Priority.NORMAL, updated_at=now,
    )  # fmt: skip
    return scored(row, now, None)


def added(row: TrustRow, fact: TrustFact, now: int) -> TrustRow:
    """The row with one outcome more; scores and their parts are worked out by `scored`."""
    row = faded(row, now)
    score, quality = min(1.0, max(0.0, fact.score)), min(1.0, max(0.0, fact.quality))
    weight = row.spread_weight + 1.0
    mean = row.spread_mean + (quality - row.spread_mean) / weight
    timely = exp(-max(0, fact.lateness_ms) / SLO_MS)
    good, bad = row.good + score, row.bad + 1.0 - score
    kept = min(1.0, MOST / (good + bad))
    return replace(
        row,
        good=good * kept,
        bad=bad * kept,
        spread_weight=min(weight, MOST),
        spread_mean=mean,
        spread_squares=max(0.0, row.spread_squares + (quality - row.spread_mean) * (quality - mean))
        * (min(weight, MOST) / weight),
        outcomes=row.outcomes + 1,
        approved=row.approved + (score >= APPROVED_FROM),
        partial=row.partial + (REJECTED_TO < score < APPROVED_FROM),
        rejected=row.rejected + (score <= REJECTED_TO),
        timeliness=row.timeliness + EWMA * (timely - row.timeliness),
        reliability=row.reliability + EWMA * ((0.0 if fact.failed else 1.0) - row.reliability),
    )


def faded(row: TrustRow, now: int) -> TrustRow:
    """The row as time has made it: half of what was known is forgotten in 14 days."""
    left = 0.5 ** (max(0, now - row.updated_at) / HALF_LIFE_MS)
    return replace(
        row,
        good=row.good * left,
        bad=row.bad * left,
        spread_weight=row.spread_weight * left,
        spread_squares=row.spread_squares * left,
        updated_at=max(now, row.updated_at),
    )


def scored(row: TrustRow, now: int, disable_below: float | None) -> TrustRow:
    """The row with its scores, boost, priority and trend as its sums say."""
    a, b = PRIOR + row.good, PRIOR + row.bad
    spread = sqrt(row.spread_squares / row.spread_weight) if row.spread_weight > 1.0 else 0.0
    accuracy, consistency = a / (a + b), 1.0 - min(1.0, spread / SPREAD)
    parts = (accuracy, consistency, row.timeliness, row.reliability)
    overall = min(
        1.0, max(0.0, sum(weight * part for weight, part in zip(WEIGHTS, parts, strict=True)))
    )
    known = row.good + row.bad
    aimed = min(BOOST_MAX, max(-BOOST_MAX, overall - 0.5)) * known / (known + HALF_CREDIT)
    boost = min(row.boost + RISE, max(row.boost - FALL, aimed))
    levels = _levelled(row.levels, now, overall)
    slope = _slope(levels)
    return replace(
        row,
        accuracy=accuracy,
        consistency=consistency,
        overall=overall,
        lower=beta_quantile(a, b, LOWER),
        boost=boost,
        priority=_priority(row, overall, boost, disable_below),
        levels=levels,
        slope=slope if slope is not None else 0.0,
        trend=_trend(slope),
    )


def _priority(row: TrustRow, overall: float, boost: float, disable_below: float | None) -> Priority:
    if disable_below is not None and row.outcomes >= DISABLED_AFTER and overall < disable_below:
        return Priority.DISABLED
    if overall < DISTRUSTED or boost < LOW:
        return Priority.LOW
    return Priority.CRITICAL if boost > CRITICAL else Priority.NORMAL


def _levelled(levels: Sequence[Level], now: int, overall: float) -> tuple[Level, ...]:
    start = now - now % LEVEL_MS
    kept = [level for level in levels if now - TREND_MS < level.start < start]
    return (*kept, Level(start, overall))


def _slope(levels: Sequence[Level]) -> float | None:
    """The change of trust in a week, by least squares; None of fewer than three levels."""
    if len(levels) < 3:
        return None
    weeks = [level.start / (7 * DAY_MS) for level in levels]
    middle = fsum(weeks) / len(weeks)
    apart = [week - middle for week in weeks]
    risen = fsum(week * level.overall for week, level in zip(apart, levels, strict=True))
    return risen / fsum(week * week for week in apart)


def _trend(slope: float | None) -> Trend:
    if slope is None:
        return Trend.UNKNOWN
    return (
        Trend.IMPROVING if slope > STEADY else Trend.DECLINING if slope < -STEADY else Trend.STABLE
    )
