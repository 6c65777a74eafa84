"""Says what an ingest map says once it is checked: which topics are read, and what of their
records.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

METRIC_CHARACTERS = 100  # of a metric's name, which stands in a row once for each outcome

Getter = Callable[[Any], Any]  # of a decoded record; raises ValueError with a sentence


class Kind(StrEnum):
    """What the records of a source are."""

    EXPOSURES = "exposures"  # a unit saw a variant of an experiment
    OUTCOMES = "outcomes"  # a unit did something that is counted
    RESULTS = "results"  # results as they are, aggregated or not
    METRICS = "metrics"  # metrics of live models as they are


class PerUnit(StrEnum):
    """What one unit's result is made of, where it has several outcomes."""

    SUM = "sum"
    ANY = "any"  # 1 where one of them is not 0, else 0
    COUNT = "count"
    MAX = "max"
    MEAN = "mean"


class Without(StrEnum):
    """What the result is of a unit that has no outcome."""

    ZERO = "zero"
    NOTHING = "nothing"  # none


@dataclass(frozen=True, slots=True)
class UnitMetric:
    """How the outcomes of one unit become its result for one metric."""

    name: str
    per_unit: PerUnit = PerUnit.SUM
    without: Without = Without.ZERO


@dataclass(frozen=True, slots=True)
class Source:
    """One topic of others.

    where: a record for which it gives false or nothing is passed over. records: gives the list of
    records that one message holds. fields: by the field's name; values: by the metric's name, of
    an outcome.
    """

    topic: str
    kind: Kind
    fields: Mapping[str, Getter]
    values: Mapping[str, Getter] = field(default_factory=dict)
    where: Getter | None = None
    records: Getter | None = None


@dataclass(frozen=True, slots=True)
class IngestMap:
    """All that one `mendstream ingest` does.

    window_ms: how long after its first exposure a unit's outcomes count. lateness_ms: how long
    after its own time a record may still be read and count. remember_ms: how long a unit whose
    results are written is known. units_max: units in memory; others are refused beyond.
    """

    name: str
    sources: tuple[Source, ...]
    metrics: Mapping[str, UnitMetric]
    window_ms: int
    lateness_ms: int
    remember_ms: int
    units_max: int
