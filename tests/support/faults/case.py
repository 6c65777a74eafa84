"""What a case is: a fault done to a real Kafka or a real processor, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Harm(NamedTuple):
    """What a read_committed reader finds different from a run without faults, in records; all
    should be 0.
    """

    lost: int = 0  # commands that the reference has and the run has not
    duplicated: int = 0  # (command_id, attempt) that stand more than once
    # commands with other content, rows of other content, offsets that disagree, records without a
    # fate
    wrong: int = 0

    def plus(self, other: "Harm") -> "Harm":
        return Harm(*(mine + its for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """runs: times that the fault was done; recovered_seconds: the longest time from its end to the
    next commit.
    """

    runs: int
    harm: Harm
    recovered_seconds: float


@dataclass(frozen=True, slots=True)
class Setting:
    """full: at the size of the promise, not of a test. directory: for logs and data of this case
    alone.
    """

    full: bool
    directory: Path


@dataclass(frozen=True, slots=True)
class Case:
    """quick: whether `make test` does it too, at a smaller size. within: most seconds a recovery
    may take.
    """

    fault: str
    run: Callable[[Setting], Outcome]
    within: float
    quick: bool = True
