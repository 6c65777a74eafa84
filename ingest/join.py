"""Joins the exposures of a unit with its outcomes, and gives its results once its window is over.

A unit's first exposure to an experiment counts, and the outcomes from then on until `window_ms`
later, whichever of them is read first. Results are made when the watermark, the moment up to which
everything that was written to the sources is read, says that nothing of this can be on its way any
more: `lateness_ms` after the window's end, or after the exposure was written where that was later.
Until then the unit's row holds everything that may still count, so that the order of reading and
the cut into batches change nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import fsum

from ingest.mapping import IngestMap, PerUnit, UnitMetric, Without
from ingest.reading import Exposed, Happened, Refused
from schemas.catalog import TABLES_INGEST_UNITS
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, UnitExposure, UnitOutcome, UnitRow
from state.storage.keyed_table import KeyedTable
from state.storage.table import row_key

EXPOSURES_MAX = 64  # of a unit: more variants than people take part in at once
OUTCOMES_MAX = 500  # of a unit within its windows; with the longest names a row has 0.9 MB


def key_of(row: UnitRow) -> str:
    """The key of a unit's row."""
    return row_key(row.map, row.unit_id)


@dataclass(frozen=True, slots=True)
class Crossed:
    """A unit that saw two variants of an experiment, and is left out."""

    unit_id: str
    experiment_id: str
    variants: tuple[str, ...]


class Join:
    """The units of one ingest map.

    table: their rows. fates: how many exposures, outcomes and units met which fate.
    """

    def __init__(self, ingest: IngestMap) -> None:
        self._map = ingest
        self.fates: Counter[str] = Counter()
        self.table: KeyedTable[UnitRow] = KeyedTable(
            TABLES_INGEST_UNITS, "UnitRow", key_of, leaves=self._leaves
        )

    def take(self, event: Exposed | Happened) -> Refused | None:
        """Takes in what a unit saw or did, or says why not."""
        row = self.table.get(row_key(self._map.name, event.unit_id))
        if row is None:
            if len(self.table) >= self._map.units_max:
                return Refused(
                    "TOO_MANY_UNITS",
                    f"{self._map.units_max} units are in memory: raise units_max, or shorten window"
                    " or remember",
                )
            row = UnitRow(map=self._map.name, unit_id=event.unit_id)
        if isinstance(event, Exposed):
            after = self._exposed(row, event.exposure)
        else:
            after = self._happened(row, event.outcomes)
        if isinstance(after, Refused):
            return after
        if after is not row:
            self.table.put(after)
        return None

    def advance(self, now: int) -> list[ExperimentResult | Crossed]:
        """The results of all units whose time has come, by the watermark of the sources, ms; what
        is needed no more leaves the table.
        """
        made: list[ExperimentResult | Crossed] = []
        while (row := self.table.ready(now)) is not None:
            after = self._closed(row, now, made)
            if after.exposures or after.outcomes:
                self.table.put(after)
            else:
                self.table.drop(key_of(row))
        return made

    def _exposed(self, row: UnitRow, seen: UnitExposure) -> UnitRow | Refused:
        """The row with an exposure; of each variant the first is kept."""
        same = [one for one in row.exposures if _experiment(one) == _experiment(seen)]
        if same and same[0].closed:
            return self._seen_again(row, same[0], seen)
        known = next((one for one in same if one.variant == seen.variant), None)
        if known is None and len(row.exposures) >= EXPOSURES_MAX:
            return Refused("TOO_MANY_EXPOSURES", f"the unit has {EXPOSURES_MAX} others")
        self.fates["repeated exposures" if known else "first exposures"] += 1
        if known is not None and _order(known) <= _order(seen):
            return row
        kept = [one for one in row.exposures if one is not known]
        return replace(row, exposures=(*kept, seen))

    def _seen_again(
        self, row: UnitRow, first: UnitExposure, seen: UnitExposure
    ) -> UnitRow | Refused:
        """What another exposure means to a unit that is counted: nothing, unless it would have
        left the unit out.
        """
        ends = first.occurred_at + self._map.window_ms
        if seen.variant != first.variant and seen.occurred_at <= ends:
            return Refused(
                "TOO_LATE",
                f"its unit was counted for variant {first.variant!r} of {seen.experiment_id!r} "
                f"before this exposure to {seen.variant!r} was read",
            )
        self.fates["repeated exposures"] += 1
        return row

    def _happened(self, row: UnitRow, brought: tuple[UnitOutcome, ...]) -> UnitRow | Refused:
        """The row with the values of an outcome, unless it has them or they come too late."""
        at, event_id = brought[0].occurred_at, brought[0].event_id
        if any(one.event_id == event_id for one in row.outcomes):
            self.fates["repeated outcomes"] += 1
            return row
        if self._is_over(row, at):
            return Refused(
                "TOO_LATE", "its unit was counted already: it is a repeat, or later than `lateness`"
            )
        if len(row.outcomes) + len(brought) > OUTCOMES_MAX:
            return Refused("TOO_MANY_OUTCOMES", f"the unit has {len(row.outcomes)} others")
        self.fates["outcomes"] += 1
        return replace(row, outcomes=(*row.outcomes, *brought))

    def _is_over(self, row: UnitRow, at: int) -> bool:
        """Returns whether an outcome at this moment could only count for what is closed."""
        covering = [one.closed for one in row.exposures if self._covers(one, at)]
        return bool(covering) and all(covering)

    def _covers(self, first: UnitExposure, at: int) -> bool:
        return first.occurred_at <= at <= first.occurred_at + self._map.window_ms

    def _closes(self, first: UnitExposure) -> int:
        """When nothing can count any more for a unit that was first exposed so, ms."""
        window_ends = first.occurred_at + self._map.window_ms
        return max(window_ends, first.arrived_at) + self._map.lateness_ms

    def _settles(self, outcome: UnitOutcome) -> int:
        """When no exposure before this outcome can be on its way any more, ms."""
        return max(outcome.occurred_at, outcome.arrived_at) + self._map.lateness_ms

    def _leaves(self, row: UnitRow) -> int:
        """The next moment at which something of a row is over, ms."""
        firsts = _firsts(row.exposures)
        open_ones = [first for first in firsts if not first.closed]
        moments = [self._closes(first) for first in open_ones]
        moments += [self._closes(first) + self._map.remember_ms for first in firsts if first.closed]
        moments += [self._settles(one) for one in self._uncovered(row, open_ones)]
        return min(moments)

    def _uncovered(self, row: UnitRow, open_ones: Sequence[UnitExposure]) -> list[UnitOutcome]:
        return [
            one
            for one in row.outcomes
            if not any(self._covers(first, one.occurred_at) for first in open_ones)
        ]

    def _closed(self, row: UnitRow, now: int, made: list[ExperimentResult | Crossed]) -> UnitRow:
        """The row without what is over; adds the results of what is over now."""
        kept: list[UnitExposure] = []
        for same in _grouped(row.exposures):
            first = same[0]
            if first.closed:
                kept += [first] if now < self._closes(first) + self._map.remember_ms else []
            elif now < self._closes(first):
                kept += same
            else:
                made += self._results(row, same)
                kept.append(replace(first, closed=True))
        open_ones = [first for first in _firsts(kept) if not first.closed]
        gone = {id(one) for one in self._uncovered(row, open_ones) if self._settles(one) <= now}
        outcomes = tuple(one for one in row.outcomes if id(one) not in gone)
        self.fates["outcomes of no experiment"] += sum(
            id(one) in gone and not any(self._covers(each, one.occurred_at) for each in kept)
            for one in row.outcomes
        )
        return replace(row, exposures=tuple(kept), outcomes=outcomes)

    def _results(
        self, row: UnitRow, same: Sequence[UnitExposure]
    ) -> Iterable[ExperimentResult | Crossed]:
        """What follows of one unit in one experiment; `same` are its exposures, first things
        first.
        """
        first = same[0]
        within = [one for one in same if self._covers(first, one.occurred_at)]
        if len(within) > 1:
            self.fates["units in two variants"] += 1
            variants = tuple(sorted(one.variant for one in within))
            return [Crossed(row.unit_id, first.experiment_id, variants)]
        self.fates["units counted"] += 1
        outcomes = [one for one in row.outcomes if self._covers(first, one.occurred_at)]
        return [
            made
            for metric in self._map.metrics.values()
            if (made := _result(row, first, metric, outcomes)) is not None
        ]


def _experiment(one: UnitExposure) -> tuple[str, str]:
    return one.subject, one.experiment_id


def _order(one: UnitExposure) -> tuple[int, str]:
    """What is first; of two at one moment the ids decide, so that the order of reading does not."""
    return one.occurred_at, one.event_id


def _grouped(exposures: Iterable[UnitExposure]) -> list[list[UnitExposure]]:
    """The exposures of each experiment, first things first."""
    ordered = sorted(exposures, key=lambda one: (_experiment(one), _order(one)))
    return [list(same) for _, same in groupby(ordered, key=_experiment)]


def _firsts(exposures: Iterable[UnitExposure]) -> list[UnitExposure]:
    return [same[0] for same in _grouped(exposures)]


def _result(
    row: UnitRow, first: UnitExposure, metric: UnitMetric, outcomes: Sequence[UnitOutcome]
) -> ExperimentResult | None:
    own = [one for one in outcomes if one.metric == metric.name]
    if not own and metric.without is Without.NOTHING:
        return None
    last = max((one.occurred_at for one in own), default=first.occurred_at)
    return ExperimentResult(
        event_id=event_uuid(
            "ingest", row.map, *_experiment(first), row.unit_id, metric.name, first.event_id
        ),
        subject=first.subject,
        experiment_id=first.experiment_id,
        variant=first.variant,
        unit_id=row.unit_id,
        metric=metric.name,
        sum=_value(metric.per_unit, [one.value for one in own]),
        segment=first.segment,
        occurred_at=last,
        assigned_at=first.occurred_at,
    )


def _value(per_unit: PerUnit, values: Sequence[float]) -> float:
    """One number of a unit's values. Sums are rounded once, so that their order is none of it."""
    match per_unit:
        case _ if not values:
            return 0.0
        case PerUnit.SUM:
            return fsum(values)
        case PerUnit.ANY:
            return float(any(values))
        case PerUnit.COUNT:
            return float(len(values))
        case PerUnit.MAX:
            return max(values)
        case PerUnit.MEAN:
            return fsum(values) / len(values)
