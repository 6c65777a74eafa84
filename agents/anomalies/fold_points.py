"""What points say of the series that they belong to: what begins to be unusual, what is over, and
which levels have changed. The rows say so from then on; what follows from it is others' work.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agents.anomalies.detector import BEGAN, CHANGED, ENDED
from agents.anomalies.silence import begin_silence, silent
from agents.anomalies.step_through import PointStop, memory_of, step_through
from agents.anomalies.unusual_wording import (
    began,
    changed,
    ended,
    unusual_finding,
)
from agents.core.batch import Finding
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.core.record_batch import Batch
from agents.core.series_points import Points
from schemas.records import AnomalyRow, AnomalyWatch
from state.partition.anomaly_tables import AnomalyTables
from state.storage.table import row_key

Places = Callable[[Batch, int], Provenance]


@dataclass(frozen=True, slots=True)
class UnusualPoint:
    """What one point, or one that did not come, says of its series.

    before, row: of the series, without it and with it. finding: what begins with it, if anything
    does. has_changed: whether the level did.
    """

    place: Provenance
    before: AnomalyRow
    row: AnomalyRow
    is_over: bool
    finding: Finding | None
    has_changed: bool


def unusual_among(
    points: Points, count: int, batch: Batch, place_of: Places, tables: AnomalyTables
) -> list[UnusualPoint]:
    """Folds so many points that a batch of metrics left; returns those that say something, in the
    order of the log.
    """
    series, found, at = tables.series, list[UnusualPoint](), 0
    while True:
        why, at, number, came = step_through(memory_of(series), points, batch.now, at, count)
        if why == PointStop.END:
            return found
        if why == PointStop.NOT_IN_HAND:
            series.open(*tables.metrics.names_of(int(points.rows[at])))
            continue
        place = place_of(batch, int(points.records[at]))
        found.append(_found(number, came, place, tables))
        at += 1


def fallen_silent(place: Provenance, tables: AnomalyTables) -> list[UnusualPoint]:
    """Returns the series of which nothing comes any more and nobody was told, by their names."""
    series, late = tables.series, list[tuple[str, int]]()
    for number in silent(series.used(), place.now).tolist():
        row = series.at(number)
        if policy_for(row.subject, tables.policies).anomalies == AnomalyWatch.ALERT:
            late.append((row_key(row.subject, row.metric, row.segment), number))
    found = list[UnusualPoint]()
    for _, number in sorted(late):
        begin_silence(series.numbers[number], place.now, place.offset)
        series.touch(number)
        found.append(_found(number, BEGAN, place, tables))
    return found


def _found(number: int, came: int, place: Provenance, tables: AnomalyTables) -> UnusualPoint:
    """What a point says of the series that stands at this place; its row is changed."""
    series = tables.series
    before, numbers, finding = series.at(number), series.numbers[number], None
    row = before
    if came & ENDED:
        row = ended(row)
    if came & BEGAN:
        row = began(row, numbers)
        finding = unusual_finding(row, numbers, place)
    if came & CHANGED:
        row = changed(row, numbers)
    series.note(row)
    return UnusualPoint(place, before, row, bool(came & ENDED), finding, bool(came & CHANGED))
