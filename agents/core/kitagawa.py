"""Splits the difference of two rates or means into what happened within segments and what their mix
did.

Kitagawa, "Components of a difference between two rates", Journal of the American Statistical
Association 50, 1955.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One segment on both sides, before and during a change or in control and treatment.

    Units, and their bad units or the sum of their values.
    """

    segment: str
    count_before: int
    bad_before: float
    count_during: int
    bad_during: float


@dataclass(frozen=True, slots=True)
class Added:
    """Holds what one segment adds to the difference, by its own rate and by its share."""

    segment: str
    within: float
    mix: float


@dataclass(frozen=True, slots=True)
class Components:
    """The difference in its two parts, the segment that adds most to it, and what each adds."""

    within: float
    mix: float
    segment: str
    segment_is_mix: bool
    added: tuple[Added, ...]


def components(parts: Sequence[Part]) -> Components | None:
    """None where a side is empty or there are fewer than two segments to tell apart."""
    before = sum(part.count_before for part in parts)
    during = sum(part.count_during for part in parts)
    if not before or not during or len(parts) < 2:
        return None
    overall = sum(part.bad_before for part in parts) / before
    added: list[Added] = []
    for part in parts:
        share_0, share_1 = part.count_before / before, part.count_during / during
        rate_0, rate_1 = rates(part)
        within = (rate_1 - rate_0) * (share_0 + share_1) / 2.0
        # Shares add up to one, so the overall rate may be taken off: a segment adds by being worse
        # than the rest.
        added.append(
            Added(part.segment, within, (share_1 - share_0) * ((rate_0 + rate_1) / 2.0 - overall))
        )
    most = max(added, key=lambda one: one.within + one.mix)
    within_total, mix_total = 0.0, 0.0
    for one in added:
        within_total, mix_total = within_total + one.within, mix_total + one.mix
    return Components(within_total, mix_total, most.segment, most.mix > most.within, tuple(added))


def rates(part: Part) -> tuple[float, float]:
    """A segment with no units on one side has there the rate of the other: all its share is mix."""
    rate_0 = part.bad_before / part.count_before if part.count_before else None
    rate_1 = part.bad_during / part.count_during if part.count_during else None
    rate_0 = rate_0 if rate_0 is not None else rate_1 or 0.0
    return rate_0, rate_1 if rate_1 is not None else rate_0
