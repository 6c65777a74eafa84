"""Tells a decay within segments from a shift of their mix, and says where there are too few records
to tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from agents.core.kitagawa import Added, Part, components, rates

_SURE = 3.0  # standard deviations by which a part is more than chance


@dataclass(frozen=True, slots=True)
class MixChange:
    """The change of the whole rate in its two parts, and the segment that adds most to it.

    within_sure: the bad units are more than the segments' own rates before would bring by chance;
    mix_sure: those rates in the present mix are more than the shares before would bring by chance.
    """

    within: float
    mix: float
    segment: str
    segment_is_mix: bool
    added: tuple[Added, ...]
    within_sure: bool
    mix_sure: bool

    @property
    def is_mix(self) -> bool:
        """Whether the mix explains it: what it alone may have brought is not called a decay."""
        return self.mix_sure and (self.mix > self.within or not self.within_sure)

    @property
    def is_unclear(self) -> bool:
        """Whether there are too few records to tell which of the two it is."""
        return not self.mix_sure and not self.within_sure and self.mix > 0.0


def explain(parts: Sequence[Part]) -> MixChange | None:
    """None where a side is empty or there are fewer than two segments to tell apart."""
    found = components(parts)
    if found is None:
        return None
    return MixChange(
        found.within, found.mix, found.segment, found.segment_is_mix, found.added, *_sure(parts)
    )


def _sure(parts: Sequence[Part]) -> tuple[bool, bool]:
    """Whether the bad units exceed what the segments' rates explain, and these what the whole's
    rate explains.
    """
    before, during = (
        sum(part.count_before for part in parts),
        sum(part.count_during for part in parts),
    )
    overall = sum(part.bad_before for part in parts) / before
    within = spread_within = mix = spread_mix = 0.0
    for part in parts:
        rate, share = rates(part)[0], part.count_before / before
        within += part.bad_during - part.count_during * rate
        known_by = 1.0 + part.count_during / max(
            1, part.count_before
        )  # the rate before is an estimate too
        spread_within += part.count_during * rate * (1.0 - rate) * known_by
        mix += part.count_during * (rate - overall)
        spread_mix += during * share * (rate - overall) ** 2
    return within > _SURE * sqrt(spread_within), mix > _SURE * sqrt(spread_mix)
