"""Splits the difference of two rates or means into what happened within segments and what their mix did.

Kitagawa, "Components of a difference between two rates", Journal of the American Statistical Association 50, 1955.
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
class Components:
    """The difference in its two parts, and the segment that adds most to it."""

    within: float
    mix: float
    segment: str
    segment_is_mix: bool


def components(parts: Sequence[Part]) -> Components | None:
    """None where a side is empty or there are fewer than two segments to tell apart."""
    before = sum(part.count_before for part in parts)
    during = sum(part.count_during for part in parts)
    if not before or not during or len(parts) < 2:
        return None
    overall = sum(part.bad_before for part in parts) / before
    within_total = mix_total = 0.0
    best, best_mix, largest = "", False, float("-inf")
    for part in parts:
        share_0, share_1 = part.count_before / before, part.count_during / during
        rate_0, rate_1 = rates(part)
        within = (rate_1 - rate_0) * (share_0 + share_1) / 2.0
        # Shares add up to one, so the overall rate may be taken off: a segment adds by being worse than the rest.
        mix = (share_1 - share_0) * ((rate_0 + rate_1) / 2.0 - overall)
        within_total, mix_total = within_total + within, mix_total + mix
        if within + mix > largest:
            best, best_mix, largest = part.segment, mix > within, within + mix
    return Components(within_total, mix_total, best, best_mix)


def rates(part: Part) -> tuple[float, float]:
    """A segment with no units on one side has there the rate of the other: all its share is mix."""
    rate_0 = part.bad_before / part.count_before if part.count_before else None
    rate_1 = part.bad_during / part.count_during if part.count_during else None
    rate_0 = rate_0 if rate_0 is not None else rate_1 or 0.0
    return rate_0, rate_1 if rate_1 is not None else rate_0
