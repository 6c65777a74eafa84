"""A learning cycle: believes patterns that proved themselves, drops those that did not, and says
how well it foresaw.
"""

from dataclasses import replace

from agents.core.effects import Output
from agents.core.provenance import Provenance
from agents.learning.recommendation_patterns import BELIEVED_AFTER, judged
from schemas.catalog import CYCLES
from schemas.records import CycleTrigger, LearningCycle, LearningRow, LessonRow, LessonStatus, Trend
from state.partition.learning_tables import LearningTables

OUTCOMES = 100  # new ones after which a cycle is due
HOURLY_MS = 3_600_000  # at most
DAY_MS = 24 * HOURLY_MS
NIGHTLY_MS = 2 * HOURLY_MS  # after midnight UTC
ACCURACIES_KEPT = 30  # cycles; a month of nights
STEADY = 0.02  # of accuracy, from one half of these cycles to the other
INSIGHTS = 5


def due(row: LearningRow, now: int) -> tuple[CycleTrigger | None, int]:
    """Why a cycle is due, and how long it has been, ms; nightly where there is anything new."""
    if row.fresh >= OUTCOMES and now - row.cycled_at >= HOURLY_MS:
        return CycleTrigger.OUTCOMES, 0
    night = (now - NIGHTLY_MS) // DAY_MS
    if row.fresh and night > (row.cycled_at - NIGHTLY_MS) // DAY_MS:
        return CycleTrigger.NIGHTLY, now - (night * DAY_MS + NIGHTLY_MS)
    return None, 0


def due_at(row: LearningRow) -> int | None:
    """The first moment at which a cycle is due as the row stands; None where there is nothing
    new.
    """
    if not row.fresh:
        return None
    nightly = ((row.cycled_at - NIGHTLY_MS) // DAY_MS + 1) * DAY_MS + NIGHTLY_MS
    return min(nightly, row.cycled_at + HOURLY_MS) if row.fresh >= OUTCOMES else nightly


def cycle(
    row: LearningRow, trigger: CycleTrigger, late_ms: int, place: Provenance, tables: LearningTables
) -> tuple[LearningRow, LearningCycle, list[Output]]:
    """The row afterwards, and what was found."""
    base = row.approved / max(1, row.outcomes)
    # By name: after a restart rows stand in another order, and what is told must not.
    rows = sorted(tables.lessons.rows_of(row.tenant), key=_name)
    confirmed, dropped = list[str](), list[str]()
    for lesson in rows:
        status = judged(lesson, base)
        if status != lesson.status:
            (confirmed if status == LessonStatus.CONFIRMED else dropped).append(_name(lesson))
        seen = _seen(lesson, status, row.cycled_at, place.now)
        if seen != lesson:
            tables.lessons.put(seen)
    believed = [
        one for one in tables.lessons.rows_of(row.tenant) if one.status == LessonStatus.CONFIRMED
    ]
    accuracy = row.correct / row.covered if row.covered else None
    accuracies = (
        (*row.accuracies, accuracy)[-ACCURACIES_KEPT:] if accuracy is not None else row.accuracies
    )
    told = LearningCycle(
        cycle_id=place.event_id("learning", f"cycle|{row.tenant}"),
        tenant=row.tenant,
        number=row.cycles + 1,
        trigger=trigger,
        outcomes=row.fresh,
        approval_rate=base,
        quality=row.quality / max(1, row.outcomes),
        candidates=sum(one.outcomes < BELIEVED_AFTER for one in rows),
        confirmed=tuple(confirmed),
        dropped=tuple(dropped),
        believed=len(believed),
        accuracy=accuracy,
        coverage=row.covered / max(1, row.fresh),
        trend=_trend(accuracies),
        insights=_insights(believed, base),
        late_ms=late_ms,
        cycled_at=place.now,
    )
    after = replace(
        row,
        fresh=0,
        covered=0,
        correct=0.0,
        cycles=row.cycles + 1,
        cycled_at=place.now,
        accuracies=accuracies,
    )
    return after, told, [Output(CYCLES, row.tenant, told.cycle_id, told, place.now)]


def _seen(lesson: LessonRow, status: LessonStatus, cycled_at: int, now: int) -> LessonRow:
    """The pattern's row after a cycle: proved anew where it has outcomes since the cycle before."""
    proved = status == LessonStatus.CONFIRMED
    anew = lesson.status != status or lesson.touched_at > cycled_at
    return replace(
        lesson, status=status, confirmed_at=now if proved and anew else lesson.confirmed_at
    )


def _name(row: LessonRow) -> str:
    return f"{row.category.lower().replace('_', ' ')}: {row.name}"


def _trend(accuracies: tuple[float, ...]) -> Trend:
    """Of the later half of the cycles against the earlier."""
    half = len(accuracies) // 2
    if half < 1:
        return Trend.UNKNOWN
    change = sum(accuracies[-half:]) / half - sum(accuracies[:half]) / half
    return (
        Trend.IMPROVING
        if change > STEADY
        else Trend.DECLINING
        if change < -STEADY
        else Trend.STABLE
    )


def _insights(believed: list[LessonRow], base: float) -> tuple[str, ...]:
    """Returns what a person may do about it: the patterns that are most above what all
    recommendations reach.
    """
    best = sorted(believed, key=lambda one: (-(one.approved / one.outcomes), one.name))[:INSIGHTS]
    return tuple(
        f"{_name(one)} reaches {one.approved / one.outcomes:.0%} of {one.outcomes}, all together "
        f"{base:.0%}"
        for one in best
    )
