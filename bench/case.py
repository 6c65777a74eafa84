"""What a case of the bench is: simulated worlds, how many, and the bars that what is found in them
must meet.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from streams.operations.simulated_tests import NEVER, FoundAfter

World = Callable[
    [np.random.Generator, int], Any
]  # simulates and judges so many experiments; of a module, to be pickled
Measure = Callable[[Sequence[Sequence[Any]]], float]  # of the batches of each world


@dataclass(frozen=True, slots=True)
class Bar:
    """What is measured, and the figure it must meet: at most, or at least."""

    name: str
    bar: float
    measure: Measure
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its bar."""

    case: str
    value: float
    bar: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Job:
    """One batch of experiments of a case's world, the `number`-th."""

    number: int
    world: World
    seed: tuple[int, ...]
    experiments: int

    def run(self) -> Any:
        return self.world(np.random.default_rng(self.seed), self.experiments)


@dataclass(frozen=True, slots=True)
class Case:
    """Worlds that are simulated `runs` times each, `batch` of them side by side."""

    name: str
    worlds: tuple[World, ...]
    bars: tuple[Bar, ...]
    runs: int = 1
    batch: int = 100

    def jobs(self, scale: float) -> list[Job]:
        """The pieces of work, each with a seed of its own, so that how they are shared out changes
        no figure.
        """
        runs, name = max(1, round(self.runs * scale)), crc32(self.name.encode())
        sizes = [min(self.batch, runs - start) for start in range(0, runs, self.batch)]
        return [
            Job(number, world, (name, number, batch), size)
            for number, world in enumerate(self.worlds)
            for batch, size in enumerate(sizes)
        ]

    def figures(self, done: Iterable[tuple[int, Any]]) -> list[Figure]:
        """Of (number of the world, what a batch gave), the batches of a world in their order."""
        found: list[list[Any]] = [[] for _ in self.worlds]
        for world, batch in done:
            found[world].append(batch)
        figures = []
        for bar in self.bars:
            value = bar.measure(found)
            holds = value >= bar.bar if bar.at_least else value <= bar.bar
            figures.append(Figure(f"{self.name}: {bar.name}", value, bar.bar, holds))
        return figures


def worst(measure: Callable[[FoundAfter], float]) -> Measure:
    """The highest of the worlds, all batches of each together."""
    return lambda worlds: max(measure(FoundAfter.joined(list(batches))) for batches in worlds)


def least(measure: Callable[[FoundAfter], float]) -> Measure:
    """The lowest of the worlds, all batches of each together."""
    return lambda worlds: min(measure(FoundAfter.joined(list(batches))) for batches in worlds)


def falsely_decided(found: FoundAfter) -> float:
    """The share of experiments with a rollback or a deployment."""
    return float(np.mean((found.rollback < NEVER) | (found.deploy < NEVER)))


def rolled_back(found: FoundAfter) -> float:
    return float(np.mean(found.rollback < NEVER))


def deployed(found: FoundAfter) -> float:
    return float(np.mean(found.deploy < NEVER))


def held(found: FoundAfter) -> float:
    return float(np.mean(found.hold < NEVER))


def records_to_rollback(found: FoundAfter) -> float:
    """The median; an experiment without one counts as NEVER."""
    return float(np.median(found.rollback))


def records_to_deploy(found: FoundAfter) -> float:
    return float(np.median(found.deploy))


def records_to_hold(found: FoundAfter) -> float:
    return float(np.median(found.hold))
