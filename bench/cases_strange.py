"""A case of strange worlds: in none of them is the treatment better or worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from bench.case import Bar, Case
from bench.strange import TRAITS, StrangeWorld, drawn, records_of, spec_of
from streams.operations.simulated_tests import NEVER, judged

PROMISED = 0.05
TENTHS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """A world, and whether a verdict fell in it."""

    world: StrangeWorld
    false: bool


def strange(rng: np.random.Generator, worlds: int) -> list[Outcome]:
    """Draws and judges so many worlds, one experiment in each."""
    outcomes = []
    for _ in range(worlds):
        world = drawn(rng)
        found = judged(spec_of(world), records_of(world, rng))
        verdict = bool(found.rollback[0] < NEVER or found.deploy[0] < NEVER)
        outcomes.append(Outcome(world, verdict))
    return outcomes


def _all(worlds: Sequence[Sequence[list[Outcome]]]) -> list[Outcome]:
    return [one for batches in worlds for batch in batches for one in batch]


def _overall(worlds: Sequence[Sequence[list[Outcome]]]) -> float:
    """False verdicts, less two standard errors of the promised rate."""
    return _beyond_chance(_all(worlds))


def _worst_tenth(worlds: Sequence[Sequence[list[Outcome]]]) -> float:
    """The same of the worst tenth by any one trait."""
    outcomes = _all(worlds)
    return max(_beyond_chance(part) for trait in TRAITS for part in tenths(outcomes, trait))


def tenths(outcomes: Sequence[Outcome], trait: str) -> list[list[Outcome]]:
    """The worlds in ten parts of the same size by a trait, or by its values where there are few."""
    values = [getattr(one.world, trait) for one in outcomes]
    kinds = sorted(set(values))
    if len(kinds) <= TENTHS:
        groups = [
            [one for one, value in zip(outcomes, values, strict=True) if value == kind]
            for kind in kinds
        ]
    else:
        order = np.argsort(np.array(values, np.float64), kind="stable")
        groups = [[outcomes[at] for at in part] for part in np.array_split(order, TENTHS)]
    return [group for group in groups if group]


def _beyond_chance(outcomes: Sequence[Outcome]) -> float:
    error = sqrt(PROMISED * (1.0 - PROMISED) / len(outcomes))
    return rate_of(outcomes) - 2.0 * error


def rate_of(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([one.false for one in outcomes]))


def lines(worlds: Sequence[Sequence[Any]]) -> list[str]:
    """The rate of each tenth, for a person."""
    outcomes = _all(worlds)
    return [
        f"{trait} {getattr(part[0].world, trait)}: {rate_of(part):.3f} of {len(part)}"
        for trait in TRAITS
        for part in tenths(outcomes, trait)
    ]


CASES = (
    Case(
        "strange worlds, A/A",
        (strange,),
        (
            Bar("verdicts beyond chance", PROMISED, _overall),
            Bar("verdicts beyond chance in the worst tenth by a trait", PROMISED, _worst_tenth),
        ),
        2_000,
        50,
    ),
)
