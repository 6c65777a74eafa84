"""Chance with a seed, in the few forms that the search needs."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Chance:
    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def random(self) -> float:
        """In [0, 1)."""
        return float(self._rng.random())

    def below(self, most: int) -> int:
        """In [0, most)."""
        return int(self._rng.random() * most)

    def choice(self, of: Sequence[T]) -> T:
        return of[self.below(len(of))]

    def shuffled(self, of: Sequence[T]) -> list[T]:
        return [of[int(at)] for at in self._rng.permutation(len(of))]
