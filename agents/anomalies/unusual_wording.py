"""What is found in a point: the row that says so, and the finding with its sentence."""

from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from agents.anomalies.detector import CALM_POINTS
from agents.anomalies.features import (
    GAP,
    JUMP,
    OF_DAY,
    OF_HOUR,
    ROUGHNESS,
    VALUE,
)
from agents.core.batch import Finding
from agents.core.phrasing import moment_of
from agents.core.provenance import Provenance
from schemas.records import AnomalyPattern, AnomalyRow, Evidence, Order, Verdict
from state.metrics.series_layout import (
    FOUND,
    HIGH,
    LEVEL_BEFORE,
    LOW,
    SEEN,
    SINCE_AT,
    SINCE_OFFSET,
    SURPRISE,
)
from state.storage.table import row_key

Floats = NDArray[np.float64]

_AGENT = "anomalies"
UNUSUAL_RULE = "values of a live metric are unusual"
_ABOVE = 0  # the side of a tail
_DECADE = log(10.0)


def began(row: AnomalyRow, numbers: Floats) -> AnomalyRow:
    """The row of a series of which something is unusual from this point on."""
    return replace(
        row,
        pattern=pattern_of(int(numbers[FOUND])),
        since=int(numbers[SINCE_AT]),
        seen=float(numbers[SEEN]),
        expected_low=float(numbers[LOW]),
        expected_high=float(numbers[HIGH]),
        surprise=float(numbers[SURPRISE]) / _DECADE,
        told=row.told + 1,
    )


def ended(row: AnomalyRow) -> AnomalyRow:
    """The row of a series of which nothing is unusual any more."""
    return replace(row, pattern=AnomalyPattern.NONE, since=-1)


def changed(row: AnomalyRow, numbers: Floats) -> AnomalyRow:
    """The row of a series whose level has changed."""
    return replace(row, level_before=float(numbers[LEVEL_BEFORE]), changes=row.changes + 1)


def pattern_of(tail: int) -> AnomalyPattern:
    """How a value is unusual that is far out in this tail.

    >>> pattern_of(0).value, pattern_of(1).value, pattern_of(2 * ROUGHNESS + 1).value
    ('SPIKE', 'DIP', 'FLAT')
    """
    feature, side = divmod(tail, 2)
    if feature in (VALUE, JUMP):
        return AnomalyPattern.SPIKE if side == _ABOVE else AnomalyPattern.DIP
    if feature == ROUGHNESS:
        return AnomalyPattern.SPREAD if side == _ABOVE else AnomalyPattern.FLAT
    if feature in (OF_DAY, OF_HOUR):
        return AnomalyPattern.SEASON
    return AnomalyPattern.MISSING if feature == GAP else AnomalyPattern.LEVEL


def unusual_finding(row: AnomalyRow, numbers: Floats, place: Provenance) -> Finding:
    """The finding that values are unusual; row: as `began` gives it."""
    first = min(int(numbers[SINCE_OFFSET]), place.offset)
    evidence = Evidence(
        topic=place.topic,
        partition=place.partition,
        first_offset=first,
        last_offset=place.offset,
        metric=row.metric,
        segment=row.segment,
        estimate=row.seen,
        low=row.expected_low,
        high=row.expected_high,
        log_e=0.0,
        count=1,
    )
    return Finding(
        at=0,
        agent=_AGENT,
        ordinal=row_key(row.subject, row.metric, row.segment),
        verdict=Verdict.ANOMALY,
        order=Order.NONE,
        subject=row.subject,
        metric=row.metric,
        rule=UNUSUAL_RULE,
        reason=sentence(row),
        evidence=(evidence,),
        segments=(row.segment,) if row.segment is not None else (),
        since=row.since,
    )


def sentence(row: AnomalyRow) -> str:
    """What was seen, what was expected, since when, and what ends it."""
    low, high, since = row.expected_low, row.expected_high, moment_of(row.since)
    usual = f"{low:g} to {high:g} was usual before" if low < high else f"{low:g} was usual before"
    seen = {
        AnomalyPattern.SPIKE: f"reached {row.seen:g}, where {usual}",
        AnomalyPattern.DIP: f"fell to {row.seen:g}, where {usual}",
        AnomalyPattern.LEVEL: f"is at a mean of {row.seen:g} lately, where {usual}",
        AnomalyPattern.SPREAD: f"moves by {row.seen:g} from point to point, where {usual}",
        AnomalyPattern.FLAT: f"moves by {row.seen:g} from point to point, where {usual}",
        AnomalyPattern.SEASON: f"is at {row.seen:g}, where at this time of the day {usual}",
        AnomalyPattern.MISSING: (
            f"has sent nothing for {_seconds(row.seen)}, where {_seconds(high)} at most were usual "
            "before"
        ),
    }[row.pattern]
    return (
        f"{_named(row)} {seen} ({row.pattern}, one in {10.0**row.surprise:.3g} points), since "
        f"{since}; over once {CALM_POINTS:g} points in a row are usual"
    )


def _named(row: AnomalyRow) -> str:
    where = f", segment {row.segment}" if row.segment is not None else ""
    return f"{row.subject}{where}: {row.metric}"


def _seconds(ms: float) -> str:
    return f"{max(ms, 0.0) / 1_000.0:.4g} s"
