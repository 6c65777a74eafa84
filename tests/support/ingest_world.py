"""Exposures and outcomes of units, and the join of them that a person would write offline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum

from hypothesis import strategies as st

from ingest.mapping import IngestMap, PerUnit, UnitMetric
from ingest.reading import Exposed, Happened, unit_hash
from schemas.records import ExperimentResult, UnitExposure, UnitOutcome

NOON = 1_748_865_600_000  # 2025-06-02T12:00:00Z
WINDOW, LATENESS = 1_000, 300
SUBJECT = "acme/shop"
MAP = IngestMap(
    name="shop",
    sources=(),
    metrics={
        "paid": UnitMetric("paid", PerUnit.ANY),
        "revenue": UnitMetric("revenue", PerUnit.SUM),
    },
    window_ms=WINDOW,
    lateness_ms=LATENESS,
    remember_ms=100_000,
    units_max=10_000,
)


@dataclass(frozen=True, slots=True)
class Saw:
    """A unit saw a variant; times in ms."""

    id: str
    unit: str
    experiment: str
    variant: str
    at: int
    written: int


@dataclass(frozen=True, slots=True)
class Paid:
    """A unit paid an amount; times in ms."""

    id: str
    unit: str
    amount: float
    at: int
    written: int


Event = Saw | Paid
Row = tuple[str, str, str, str, float, int]  # unit, experiment, variant, metric, sum, assigned_at


def offline(events: Iterable[Event], window: int = WINDOW) -> list[Row]:
    """The join by brute force: for each unit and experiment, everything is looked at."""
    once = list({event.id: event for event in events}.values())
    saws = [event for event in once if isinstance(event, Saw)]
    pays = [event for event in once if isinstance(event, Paid)]
    rows: list[Row] = []
    for unit, experiment in {(saw.unit, saw.experiment) for saw in saws}:
        own = [saw for saw in saws if (saw.unit, saw.experiment) == (unit, experiment)]
        first = min(saw.at for saw in own)
        variants = {saw.variant for saw in own if saw.at <= first + window}
        if len(variants) > 1:
            continue
        (variant,) = variants
        amounts = [p.amount for p in pays if p.unit == unit and first <= p.at <= first + window]
        paid = 1.0 if any(amount != 0 for amount in amounts) else 0.0
        rows.append((unit_hash(unit), experiment, variant, "paid", paid, first))
        rows.append((unit_hash(unit), experiment, variant, "revenue", fsum(amounts), first))
    return sorted(rows)


def rows_of(results: Iterable[ExperimentResult]) -> list[Row]:
    """Results in the form of `offline`."""
    return sorted(
        (
            one.unit_id or "",
            one.experiment_id,
            one.variant,
            one.metric,
            one.sum,
            one.assigned_at or 0,
        )
        for one in results
    )


def event_of(event: Event) -> Exposed | Happened:
    """An event as the core has read it."""
    unit = unit_hash(event.unit)
    if isinstance(event, Saw):
        return Exposed(
            unit,
            UnitExposure(
                subject=SUBJECT,
                experiment_id=event.experiment,
                variant=event.variant,
                event_id=event.id,
                occurred_at=event.at,
                arrived_at=event.written,
            ),
        )
    return Happened(
        unit,
        tuple(
            UnitOutcome(
                metric=metric,
                value=event.amount,
                event_id=event.id,
                occurred_at=event.at,
                arrived_at=event.written,
            )
            for metric in ("paid", "revenue")
        ),
    )


_at = st.integers(0, 4 * WINDOW)
_late = st.integers(0, LATENESS)
_unit = st.sampled_from(["ann", "bob", "cem"])
_saw = st.tuples(_unit, st.sampled_from(["e1", "e2"]), st.sampled_from(["a", "a", "a", "b"]))
_paid = st.tuples(_unit, st.sampled_from([0.0, 0.1, 0.2, 12.5, 1e16, -1e16]))
_MOST = 24  # events of a history, duplicates not counted


@st.composite
def histories(draw: st.DrawFn) -> Sequence[Event]:
    """Events, some of them twice, in the order in which they were written; none is later than
    LATENESS by its own time.
    """
    events: list[Event] = []
    for number in range(draw(st.integers(1, _MOST))):
        at = NOON + draw(_at)
        written = at + draw(_late)
        if draw(st.booleans()):
            events.append(Saw(f"s{number}", *draw(_saw), at, written))
        else:
            events.append(Paid(f"p{number}", *draw(_paid), at, written))
    events += [
        replace(event, written=event.at + draw(_late))
        for event in events
        if draw(st.integers(0, 4)) == 0
    ]
    return sorted(events, key=lambda event: event.written)
