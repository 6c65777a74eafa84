"""Chapters of a history: what happens to a partition, from a few knobs that Hypothesis turns.

The records of a chapter are drawn from its own seed, so a chapter left out changes no other.
"""

from dataclasses import dataclass

from schemas.records import Status


@dataclass(frozen=True)
class Results:
    """n results of one experiment; change: of treatment b, among the levels; coarse: records sum up
    many units.
    """

    seed: int
    experiment: int
    n: int
    change: int
    skewed: bool
    coarse: bool
    dirty: bool
    units: bool = False  # named, and some of them several times
    covariates: bool = False  # of three units in four, where records are not summed


@dataclass(frozen=True)
class Metrics:
    """n model metrics of one subject; what changes half-way: nothing, a segment decays, the mix
    shifts.

    Latencies decay with the segment; those of an odd seed follow each other, as one value a minute
    does.
    """

    seed: int
    n: int
    change: int
    version: int
    versions: int  # other versions that may appear among them
    dirty: bool


@dataclass(frozen=True)
class Specs:
    """Specs of experiments, in one slice: as they are, with other terms, or stopped."""

    which: tuple[int, ...]
    terms: int


@dataclass(frozen=True)
class Answers:
    """Statuses of all commands so far."""

    status: Status
    attempt: int


@dataclass(frozen=True)
class Rule:
    """A policy comes in."""

    kind: int


@dataclass(frozen=True)
class Advisers:
    """n recommendations, outcomes, requests and facts of a few agents, patterns and tenants, some
    of them wrong.
    """

    seed: int
    n: int


@dataclass(frozen=True)
class Feedback:
    """What was written so far for inputs comes in, as a partition reads what all have written."""


@dataclass(frozen=True)
class People:
    """n orders, reviews, freezes and cancellations of people."""

    seed: int
    n: int


@dataclass(frozen=True)
class Rolled:
    """A person deploys what "rolled" tries, and n reports tell of its share, some of times to
    come.
    """

    seed: int
    n: int


# An int: a tick after so many seconds.
Chapter = Results | Metrics | Specs | Answers | Rule | Advisers | People | Feedback | Rolled | int
