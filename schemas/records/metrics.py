"""Metrics of live models, and the rows of what is watched of them."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.decisions import Order
from schemas.records.vocabulary import EvidenceKind, State


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetric:
    """An observation of one metric of a live model version."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    subject: str  # [tenant/]model line; also the record's key
    model_version: str
    metric: str
    count: int = 1
    sum: float
    sum_squares: float | None = None
    segment: str | None = None
    occurred_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionWatch:
    """One model version against the reference."""

    model_version: str
    count: int
    judged: int  # units compared: of a RATE all, of a MEAN or LATENCY those compared with the limit
    bad: int  # of the judged
    sum: float
    coarse: (
        int  # units that came several to a record of a metric with a limit: added up, never judged
    )
    learned: int  # units of it within the reference
    first_offset: int
    applied_offset: int
    start_count: int  # judged when the watch began
    start_bad: int
    carry: tuple[
        float, ...
    ]  # log of the sum of 1/e over the starts, by alternative; empty: not watched yet
    floor: float  # lowest log likelihood ratio so far; suspicion began there
    window_count: int  # judged when suspicion began
    window_bad: int
    window_offset: int
    whole_judged: int  # in a segment: units of it judged in the whole, by the limit of the whole
    whole_bad: int
    whole_window_count: int  # in a segment: whole_judged when the suspicion of the whole began
    whole_window_bad: int
    log_e: float  # log of the e-detector
    evidence_kind: EvidenceKind = EvidenceKind.UNKNOWN  # of log_e: E_DETECTOR once it is watched
    state: State
    finding_id: str = ""
    asked: Order = Order.NONE  # what its finding asked for
    rolled_back: bool = False  # taken out of service: late records command nothing
    first_at: int = -1  # of its first record
    seen_at: int = -1  # of its last record, by the broker's clock
    tries: int = 0  # commands against it that ended without being carried out
    again_at: int = -1  # when it is watched again after such an end; -1: not waited for
    ratios: tuple[float, ...] = ()  # log likelihood ratio since the watch began, by alternative


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """A live metric of a subject in one segment: the frozen reference, and each version's watch."""

    subject: str  # [tenant/]model line; also the record's key
    metric: str
    segment: str | None = None
    reference_count: int
    reference_bad: int
    reference_sum: float
    frozen: bool
    values: tuple[
        float, ...
    ]  # of a metric with a limit: learned from until the limit is frozen; then empty
    limit: float | None = (
        None  # of a MEAN or LATENCY: a record beyond it is bad; absent: not frozen yet, or a RATE
    )
    # each so many-th record is judged, because values follow each other; 1: each one; 0: none can
    # be
    thin: int
    share_count: int  # units of this segment within the reference of the whole
    share_bad: int
    versions: tuple[VersionWatch, ...]
    unjudged: str = (
        ""  # why no record of it can be judged; empty: they are, or it is still learned from
    )
    unjudged_at: int = -1  # since when, by the broker's clock
    unwatched: int = 0  # units of versions for which there was no room
    unwatched_at: int = -1  # since when there has been no room, by the broker's clock
    awaits_version: str = (
        ""  # made by a completed training: the reference begins anew with its first record
    )
    reference_from: str = ""  # why the reference began anew; empty: it is the first
    left_out: int = 0  # units left out of the reference, because they were worse than those after
    expected: float = -1.0  # share of bad units usual in the hour of the last record; -1: unknown
    bound: float = -1.0  # share of bad units beyond which records count against a version
    # what is usual by hour of the day (UTC; judged and bad of each) and by day of the week from
    # Sunday on, then how much batches of 64, 256, ... units vary, and where this stands
    usual: tuple[float, ...] = ()
    # what the next point of its series is made of: see state.metrics.open_point
    open_point: tuple[float, ...] = ()


class AnomalyPattern(StrEnum):
    """How values are unusual."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    SPIKE = "SPIKE"  # one is higher than usual
    DIP = "DIP"  # one is lower
    LEVEL = "LEVEL"  # they are higher or lower for some time
    SPREAD = "SPREAD"  # they move more from one to the next
    FLAT = "FLAT"  # they move less
    SEASON = "SEASON"  # they are not what is usual at this time of the day
    MISSING = "MISSING"  # none came for longer than usual


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRow:
    """What is usual of the values of a live metric in one segment, and what is unusual now."""

    subject: str  # [tenant/]model line; also the record's key
    metric: str
    segment: str | None = None
    points: int  # of the series so far
    pattern: AnomalyPattern = AnomalyPattern.NONE  # what is unusual now
    since: int = -1  # when that began, by event time; -1: nothing is unusual
    seen: float = 0.0  # of the last that was unusual
    expected_low: float = 0.0  # between these it would have been usual
    expected_high: float = 0.0
    surprise: float = 0.0  # how unlikely it was: minus the decimal logarithm of its chance
    told: int = 0  # how often something was unusual
    level: float = 0.0  # of the values, at present
    level_since: int = -1  # when it began, by event time
    level_before: float = 0.0  # the level before it, once it has changed
    changes: int = 0  # how often it has
    seen_at: int = -1  # of the last point, by the broker's clock
    numbers: bytes  # doubles, the lowest byte first: see state.metrics.series_layout
