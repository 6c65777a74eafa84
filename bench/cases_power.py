"""Cases of power: after how many units four in five true effects of a rate are proved, to the size
of a test with a fixed horizon that finds as many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from agents.experiments.evidence.blocks import (
    FEWER_IS_HARM,
    MOST,
    NO_MARGIN,
    BlockTerms,
    close_block,
)
from bench.case import Bar, Case
from schemas.compiled import compiled
from state.pairs.pair_blocks import (
    CONTROL_SUM,
    CONTROL_UNITS,
    FEWER,
    MORE,
    TREATMENT_SUM,
    TREATMENT_UNITS,
    WIDTH,
)

Floats = NDArray[np.float64]

ALPHA, POWER = 0.05, 0.8
# The part of alpha of a subject's first gain: its level is log(20 / 0.3).
FIRST_PART = 0.3
LONGEST = 3.5  # times the fixed size; what takes longer counts as this
_TERMS = BlockTerms(FEWER_IS_HARM, 1.0, NO_MARGIN)
_UNITS = int(MOST)  # of either arm in a block


@dataclass(frozen=True, slots=True)
class Effect:
    """A rate of control, and by how much the treatment's is another, relative; alpha: of the test,
    one-sided.
    """

    rate: float
    lift: float
    alpha: float = ALPHA

    def fixed(self) -> float:
        """Units of both arms of a one-sided z test with this power, half of them in either."""
        treated = self.rate * (1.0 + self.lift)
        variance = self.rate * (1.0 - self.rate) + treated * (1.0 - treated)
        z = norm.isf(self.alpha) + norm.isf(1.0 - POWER)
        return float(2.0 * variance * (z / (treated - self.rate)) ** 2)


def units_to_proof(rng: np.random.Generator, tests: int, effect: Effect) -> Floats:
    """Units with which each test has its proof, over the fixed size; shape (tests,)."""
    fixed = effect.fixed()
    blocks = int(LONGEST * fixed / (2 * _UNITS))
    column = MORE if effect.lift > 0.0 else FEWER
    found = np.empty(tests)
    for test in range(tests):
        own = rng.binomial(_UNITS, effect.rate * (1.0 + effect.lift), blocks).astype(np.float64)
        other = rng.binomial(_UNITS, effect.rate, blocks).astype(np.float64)
        closed = _blocks_to(np.zeros((1, WIDTH)), own, other, column, -log(effect.alpha), _TERMS)
        found[test] = closed * 2 * _UNITS / fixed
    return found


@compiled
def _blocks_to(
    rows: Floats, own: Floats, other: Floats, column: int, level: float, terms: BlockTerms
) -> int:
    """How many blocks are closed once the evidence is past its level, or all."""
    for block in range(len(own)):
        rows[0, TREATMENT_UNITS], rows[0, CONTROL_UNITS] = _UNITS, _UNITS
        rows[0, TREATMENT_SUM], rows[0, CONTROL_SUM] = own[block], other[block]
        close_block(rows, 0, terms)
        if rows[0, column] >= level:
            return block + 1
    return len(own)


def n80(batches: Sequence[Any]) -> float:
    """The units with which four in five have their proof, over the fixed size."""
    return float(np.quantile(np.concatenate(list(batches)), POWER))


def _worst(worlds: Sequence[Sequence[Any]]) -> float:
    return max(n80(batches) for batches in worlds)


def table(effects: Sequence[Effect], worlds: Sequence[Sequence[Any]]) -> list[str]:
    """A line for each effect, for a person."""
    return [
        f"{effect.rate:g} {effect.lift:+g} alpha {effect.alpha:g}: {n80(batches):.2f}"
        for effect, batches in zip(effects, worlds, strict=True)
    ]


HARMS, GAINS = (
    tuple(
        Effect(rate, sign * lift, alpha)
        for rate in (0.01, 0.1, 0.5)
        for lift in (0.05, 0.1, 0.2)
        for sign in (-1.0, 1.0)
    )
    for alpha in (ALPHA, ALPHA * FIRST_PART)
)
CASES = tuple(
    Case(
        f"rate 1, 10 and 50 % by 5, 10 and 20 %, one-sided at {alpha:g}",
        tuple(partial(units_to_proof, effect=effect) for effect in effects),
        (Bar("N80 to the fixed size", 1.9, _worst),),
        200,
        50,
    )
    for alpha, effects in ((ALPHA, HARMS), (ALPHA * FIRST_PART, GAINS))
)
