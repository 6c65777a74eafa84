"""Recommendation patterns: which a recommendation belongs to, how often those were approved, which
are believed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agents.statistics.special import beta_quantile
from schemas.records import LessonCategory, LessonRow, LessonStatus, Member

CONFIDENT = 0.8  # of what an agent says of itself
BELIEVED_AFTER = 10  # outcomes
EXPERT = 0.75  # approval rate, strictly more
SURE = 0.05  # quantile of the posterior that must lie above what all recommendations reach
AGREEING = 2  # agents that recommend the same in one run
AGENTS_KEPT = 32  # of a pattern's participants; a page shows no more

Named = tuple[LessonCategory, str]


def belongs_to(member: Member, run: Sequence[Member]) -> list[Named]:
    """The patterns of a recommendation, by what was recommended in its run."""
    agreeing = {
        one.agent_id for one in run if (one.topic, one.digest) == (member.topic, member.digest)
    }
    found: list[Named] = [(LessonCategory.EXPERT, f"{member.agent_id}:{member.topic}")]
    if len(agreeing) >= AGREEING:
        found.append((LessonCategory.CONSENSUS, member.topic))
    if member.confidence >= CONFIDENT:
        found.append((LessonCategory.HIGH_CONFIDENCE, member.topic))
    return found


def foreseen(rows: Iterable[LessonRow | None]) -> bool | None:
    """Returns whether approval is foreseen by the believed patterns; None where none is
    believed.
    """
    believed = [row for row in rows if row is not None and row.status == LessonStatus.CONFIRMED]
    return max(row.approved / row.outcomes for row in believed) > 0.5 if believed else None


def new_row(tenant: str, named: Named, now: int) -> LessonRow:
    """A pattern of which no outcome is known."""
    return LessonRow(
        tenant=tenant, category=named[0], name=named[1], outcomes=0, approved=0.0, predicted=0,
        correct=0.0, status=LessonStatus.CANDIDATE, touched_at=now, first_at=now,
    )  # fmt: skip


def with_outcome(row: LessonRow, agent_id: str, score: float, right: float, now: int) -> LessonRow:
    """The pattern's row with one outcome of an agent more; right: whether what it foresaw came,
    where it is believed.
    """
    believed = row.status == LessonStatus.CONFIRMED
    outcomes, approved = row.outcomes + 1, row.approved + score
    others = [one for one in row.agents if one != agent_id]
    return replace(
        row,
        outcomes=outcomes,
        approved=approved,
        predicted=row.predicted + believed,
        correct=row.correct + (right if believed else 0.0),
        touched_at=now,
        agents=(*others, agent_id)[-AGENTS_KEPT:],
        lower=surely(outcomes, approved),
    )


def surely(outcomes: int, approved: float) -> float:
    """The share of approval that the posterior of a uniform prior puts 95 % above."""
    return beta_quantile(1.0 + approved, 1.0 + outcomes - approved, SURE)


def judged(row: LessonRow, base_rate: float) -> LessonStatus:
    """Returns whether a pattern is to be believed: better than recommendations at large, surely; an
    expert by more than 75 %.
    """
    if row.outcomes < BELIEVED_AFTER:
        return row.status
    rate = row.approved / row.outcomes
    lowest = surely(row.outcomes, row.approved)
    good = (
        rate > EXPERT
        if row.category == LessonCategory.EXPERT
        else lowest > base_rate or rate > EXPERT
    )
    if good:
        return LessonStatus.CONFIRMED
    return LessonStatus.DROPPED if row.status == LessonStatus.CONFIRMED else row.status
