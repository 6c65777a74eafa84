"""What is compared at a moment: the totals of both arms, and for a ramp what its share steps come
to.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of one arm at n moments, each shape (n,).

    count: all units; hits, total and squares: of the units judged, which leaves out those of a
    burn-in.
    """

    count: Ints
    hits: Ints
    total: Floats
    squares: Floats
    missing: Flags  # of the squares: there is no variance to judge by

    def take(self, at: Ints) -> "Totals":
        return Totals(
            self.count[at], self.hits[at], self.total[at], self.squares[at], self.missing[at]
        )

    def then(self, later: "Totals") -> "Totals":
        return Totals(
            np.append(self.count, later.count),
            np.append(self.hits, later.hits),
            np.append(self.total, later.total),
            np.append(self.squares, later.squares),
            np.append(self.missing, later.missing),
        )


@dataclass(frozen=True, slots=True)
class Strata:
    """A ramp's steps put together at n moments, each shape (n,); NaN for a pair with a fixed split.

    more, fewer: log e that the treatment has more, or fewer, of what is counted. z: of the
    treatment's rate against control's, positive where it is higher. effect, se: of the mean,
    treatment minus control. events: of the treatment. Step by step, shape (n, steps), 0 where there
    is none: share, the treatment's of the two; counted, events of both arms; rate, events per unit
    of both arms times the step's part in the effect.
    """

    more: Floats
    fewer: Floats
    z: Floats
    effect: Floats
    se: Floats
    events: Floats
    share: Floats
    counted: Floats
    rate: Floats

    @staticmethod
    def none(n: int, steps: int = 0) -> "Strata":
        return Strata(
            *(np.full(n, np.nan) for _ in range(6)), *(np.zeros((n, steps)) for _ in range(3))
        )

    def put(self, at: Ints, other: "Strata") -> None:
        """Writes another's moments; it has at most as many steps."""
        for mine, others in zip(self._all(), other._all(), strict=True):
            mine[(at, slice(others.shape[1])) if others.ndim > 1 else at] = others

    def take(self, at: Ints) -> "Strata":
        return Strata(*(values[at] for values in self._all()))

    def then(self, later: "Strata") -> "Strata":
        n, steps = len(self.more), max(self.share.shape[1], later.share.shape[1])
        both = Strata.none(n + len(later.more), steps)
        both.put(np.arange(n), self)
        both.put(np.arange(n, n + len(later.more)), later)
        return both

    def _all(self) -> tuple[Floats, ...]:
        steps = self.share, self.counted, self.rate
        return self.more, self.fewer, self.z, self.effect, self.se, self.events, *steps


@dataclass(frozen=True, slots=True)
class Sides:
    """Both arms of pairs at n moments; strata: None where no pair is ramped."""

    control: Totals
    treatment: Totals
    strata: Strata | None = None

    def __len__(self) -> int:
        return len(self.control.count)

    def take(self, at: Ints) -> "Sides":
        strata = self.strata.take(at) if self.strata is not None else None
        return Sides(self.control.take(at), self.treatment.take(at), strata)

    def then(self, later: "Sides") -> "Sides":
        strata = None
        if self.strata is not None or later.strata is not None:
            strata = self._strata().then(later._strata())
        return Sides(self.control.then(later.control), self.treatment.then(later.treatment), strata)

    def _strata(self) -> Strata:
        return self.strata if self.strata is not None else Strata.none(len(self))
