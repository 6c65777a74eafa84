"""Failures: their analysis, their patterns, what came before them and what helped."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.decisions import Evidence
from schemas.records.vocabulary import Severity

# how often an action helps of which nothing is known: in the gains of hypotheses, and before any
# outcome
UNTRIED = 0.5


class FailureType(StrEnum):
    """What a failing model fails at."""

    UNKNOWN = "UNKNOWN"
    ACCURACY = "ACCURACY"
    LATENCY = "LATENCY"
    COST = "COST"
    SATISFACTION = "SATISFACTION"
    CONVERSION = "CONVERSION"
    REVENUE = "REVENUE"
    DATA_QUALITY = "DATA_QUALITY"
    AVAILABILITY = "AVAILABILITY"
    OTHER = "OTHER"


class CauseKind(StrEnum):
    """What explains a failure."""

    UNKNOWN = "UNKNOWN"
    SEGMENT = "SEGMENT"
    MIX_SHIFT = "MIX_SHIFT"
    VERSION = "VERSION"
    UPSTREAM_METRIC = "UPSTREAM_METRIC"
    ERROR_CODE = "ERROR_CODE"


class PatternStatus(StrEnum):
    """Where a failure pattern stands."""

    UNKNOWN = "UNKNOWN"
    EMERGING = "EMERGING"
    CONFIRMED = "CONFIRMED"
    DORMANT = "DORMANT"
    RESOLVED = "RESOLVED"


class PatternFactKind(StrEnum):
    """What a fact adds to a failure pattern."""

    UNKNOWN = "UNKNOWN"
    FAILURE = "FAILURE"
    ACTION = "ACTION"
    SIGNAL = "SIGNAL"
    FOLLOWED = "FOLLOWED"
    PRECURSOR = "PRECURSOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of the winner and of the loser."""

    metric: str
    winner: float
    loser: float
    percent: float | None = None  # (loser - winner) / winner * 100; absent where the winner has 0
    failing: bool  # worse by more than the failure threshold


@dataclass(frozen=True, slots=True)
class Cause:
    """What may have brought a failure about."""

    kind: CauseKind
    name: str  # the segment, version, metric or code
    share: float  # of the loss that it explains, 0 to 1
    evidence: str


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What might mend a failure."""

    strategy: str
    text: str
    expected_gain: float  # share of the loss that it would win back, 0 to 1
    expected_cost: float  # hours of work


@dataclass(frozen=True, slots=True)
class Impact:
    """What a failure costs a day."""

    formula: str
    inputs: dict[str, float]
    loss_per_day: float  # in units of the metric


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureAnalysis:
    """A losing variant or a failing model: what it fails at, why, what it costs, and what might
    mend it.
    """

    failure_id: str
    subject: str  # [tenant/]model line; also the record's key
    decision_id: str
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    metric: str
    types: tuple[FailureType, ...]  # the proved metric's first
    changes: tuple[MetricChange, ...]
    causes: tuple[Cause, ...]  # that which explains most first
    severity: Severity
    loss: float  # of the proved metric, relative to the winner, 0 to 1
    impact: Impact
    risk: str
    mitigation: str
    hypotheses: tuple[Hypothesis, ...]
    pattern: str
    evidence: tuple[Evidence, ...]
    occurred_at: int  # of the record that proved it
    analysed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternFact:
    """What one subject adds to a failure pattern, keyed by what it is folded under."""

    event_id: str
    key: str  # the parent pattern, or the signal; also the record's key
    kind: PatternFactKind
    subject: str
    pattern: str = ""
    metric: str = ""
    signal: str = ""
    lead_ms: int = 0
    action: str = ""
    helped: float = 0.0  # 0 to 1
    loss: float = 0.0  # relative
    rate: float = 0.0  # of signals that the failure followed
    followed: int = 0
    failure_id: str = ""
    decision_id: str = ""
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    segments: tuple[str, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    occurred_at: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What fell into one stretch of time."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """How often an action helped."""

    action: str
    helped: float
    failed: float
    tried: int


@dataclass(frozen=True, slots=True)
class Precursor:
    """A signal that comes before a failure."""

    signal: str
    rate: float  # of signals that the failure followed
    followed: int
    lead_ms: int  # mean


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRow:
    """Failures with the same signature: how often, where, what came before and what helped."""

    pattern: str
    parent: str  # empty: it is a parent
    status: PatternStatus
    total: int
    first_at: int
    last_at: int
    buckets: tuple[Bucket, ...]  # of six hours of event time, of the last 30 days
    day: int
    week: int
    month: int
    subjects: tuple[str, ...]  # the last ones, latest last
    loss: float  # mean relative loss
    actions: tuple[ActionRecord, ...]
    precursors: tuple[Precursor, ...]
    helped_at: int  # when an action helped last; -1: never


@dataclass(frozen=True, slots=True)
class Follower:
    """A failure pattern that followed a signal."""

    pattern: str
    parent: str
    followed: int
    lead_ms: int  # sum


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal, how often it was seen, and what followed."""

    signal: str
    seen: int
    last_at: int
    followers: tuple[Follower, ...]
    left_out: int = 0  # patterns that gave way to others among its followers


@dataclass(frozen=True, slots=True)
class Sighting:
    """A signal of a subject."""

    signal: str
    occurred_at: int
    followed: tuple[str, ...] = ()  # by these failure patterns, each told once


@dataclass(frozen=True, slots=True)
class SightingsRow:
    """What a subject's metrics showed lately."""

    subject: str  # [tenant/]model line; also the record's key
    signals: tuple[Sighting, ...]
    touched_at: int = -1  # when the last came, by the broker's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowupRow:
    """A command against a failure, until it is known whether it helped."""

    command_id: str
    subject: str  # [tenant/]model line
    pattern: str
    action: str
    detector: str
    specialist: str = ""  # who was asked, of an improvement
    metric: str
    model_version: str | None = None
    issued_at: int
    # when it is taken to have helped unless the metric fails again; -1: not carried out yet
    ends_at: int
    awaits_version: str = ""  # made by the completed command, and not in service yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Which strategy against a failure promises most for its cost, and whom to send."""

    event_id: str
    subject: str  # [tenant/]model line; also the record's key
    failure_id: str
    pattern: str
    strategy: str
    specialist: str
    hypothesis: str
    expected_gain: float
    expected_cost: float
    reason: str
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    metric: str
    segments: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    occurred_at: int
