"""Signals that come before failures: how often a failure follows one, and how long after."""

from dataclasses import replace

from agents.statistics.special import beta_quantile
from schemas.records import Follower, PatternFact, Precursor, SignalRow

LEAST_FOLLOWED = 5  # times; fewer are chance
LIKELY = (
    0.5  # a warning is given where the failure follows more often than not, as sure as SURE says
)
SURE = 0.1  # quantile of the posterior
# of one signal, some 15 KB; those that followed least give way, and are counted in `left_out`
FOLLOWERS_KEPT = 248
PRECURSORS_KEPT = 8  # of one pattern; more cannot be watched by a person


def seen(row: SignalRow | None, fact: PatternFact) -> SignalRow:
    """The signal's row with one sighting more."""
    row = row or SignalRow(fact.signal, 0, 0, ())
    return replace(row, seen=row.seen + 1, last_at=max(row.last_at, fact.occurred_at))


def followed(row: SignalRow | None, fact: PatternFact, parent: str) -> SignalRow:
    """The row with one failure more that followed the signal."""
    row = row or SignalRow(fact.signal, 0, 0, ())
    old = next(
        (one for one in row.followers if one.pattern == fact.pattern),
        Follower(fact.pattern, parent, 0, 0),
    )
    new = replace(old, followed=old.followed + 1, lead_ms=old.lead_ms + fact.lead_ms)
    others = sorted(
        (one for one in row.followers if one.pattern != fact.pattern), key=lambda one: -one.followed
    )
    kept = others[: FOLLOWERS_KEPT - 1]
    return replace(row, followers=(new, *kept), left_out=row.left_out + len(others) - len(kept))


def rate(row: SignalRow, follower: Follower) -> float:
    return min(1.0, follower.followed / max(1, row.seen))


def likely(row: SignalRow) -> list[Follower]:
    """The patterns that follow the signal more often than not, the surest first.

    The present sighting is not counted against them: what follows it is yet to come.
    """
    found = []
    for one in row.followers:
        missed = max(0, row.seen - 1 - one.followed)
        lowest = beta_quantile(one.followed + 1.0, missed + 1.0, SURE)
        if one.followed >= LEAST_FOLLOWED and lowest > LIKELY:
            found.append((lowest, one))
    return [one for _, one in sorted(found, key=lambda each: (-each[0], each[1].pattern))]


def listed(
    precursors: tuple[Precursor, ...], fact: PatternFact, followed: int
) -> tuple[Precursor, ...]:
    """The precursors of a pattern with one brought up to date, those followed most often first."""
    others = [one for one in precursors if one.signal != fact.signal]
    both = [*others, Precursor(fact.signal, fact.rate, followed, fact.lead_ms)]
    return tuple(sorted(both, key=lambda one: (-one.rate, one.signal))[:PRECURSORS_KEPT])
