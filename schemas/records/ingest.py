"""What `mendstream ingest` keeps of a unit until its results are written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitExposure:
    """The first exposure of a unit to one variant of an experiment."""

    subject: str
    experiment_id: str
    variant: str
    segment: str | None = None
    event_id: str
    occurred_at: int
    arrived_at: int  # when it was written to its topic, ms
    closed: bool = False  # its results are written: kept so that the unit is not counted again


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOutcome:
    """One value that an outcome brought for one metric."""

    metric: str
    value: float
    event_id: str
    occurred_at: int
    arrived_at: int  # when it was written to its topic, ms


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """The exposures and outcomes of one unit that an ingest map still needs."""

    map: str  # name of the ingest map
    unit_id: str  # a hash of the unit
    exposures: tuple[UnitExposure, ...] = ()
    outcomes: tuple[UnitOutcome, ...] = ()
