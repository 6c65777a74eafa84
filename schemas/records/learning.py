"""What a tenant learns of its recommendations."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.recommendations import Judgement, Priority, Trend


class LearningFactKind(StrEnum):
    """What a fact adds to what a tenant learns."""

    UNKNOWN = "UNKNOWN"
    TRACKED = "TRACKED"
    JUDGED = "JUDGED"
    LEVEL = "LEVEL"


class LessonCategory(StrEnum):
    """What recommendations that were approved have in common."""

    UNKNOWN = "UNKNOWN"
    CONSENSUS = "CONSENSUS"
    EXPERT = "EXPERT"
    HIGH_CONFIDENCE = "HIGH_CONFIDENCE"


class LessonStatus(StrEnum):
    """Whether a recommendation pattern is believed."""

    UNKNOWN = "UNKNOWN"
    CANDIDATE = "CANDIDATE"
    CONFIRMED = "CONFIRMED"
    DROPPED = "DROPPED"


class CycleTrigger(StrEnum):
    """Why a learning cycle ran."""

    UNKNOWN = "UNKNOWN"
    OUTCOMES = "OUTCOMES"
    NIGHTLY = "NIGHTLY"
    REQUEST = "REQUEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningFact:
    """What one agent adds to what its tenant learns."""

    event_id: str
    tenant: str  # also the record's key
    kind: LearningFactKind
    agent_id: str
    run_id: str = ""
    recommendation_id: str = ""
    topic: str = ""  # the kind of recommendation
    digest: str = ""  # of its content
    confidence: float = 0.0
    judgement: Judgement = Judgement.UNKNOWN
    quality: float = 0.0
    failed: bool = False
    due_at: int | None = None
    trend: Trend = Trend.UNKNOWN
    priority: Priority = Priority.UNKNOWN
    occurred_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A recommendation of a run."""

    recommendation_id: str
    agent_id: str
    topic: str
    digest: str
    confidence: float
    made_at: int
    due_at: int | None = None
    judged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """A judgement of a run, for recommendations that are yet to come."""

    recommendation_id: str  # empty: all of the run
    judgement: Judgement
    quality: float
    failed: bool
    judged_at: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """The recommendations of a run and how they were judged, kept for a week after the last of
    either.
    """

    tenant: str
    run_id: str
    members: tuple[Member, ...]
    verdicts: tuple[RunVerdict, ...]
    touched_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonRow:
    """A recommendation pattern: how often recommendations of its kind were approved."""

    tenant: str
    category: LessonCategory
    name: str
    outcomes: int
    approved: float
    predicted: int  # outcomes that came while it was believed
    correct: float
    status: LessonStatus
    touched_at: int
    agents: tuple[str, ...] = ()  # the last of its participants, latest last
    lower: float | None = None  # 5 % quantile of the share of approval
    confirmed_at: int = -1  # by a cycle, from outcomes that were new to it
    first_at: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRow:
    """Where a tenant's learning stands."""

    tenant: str
    tracked: int
    outcomes: int
    fresh: int  # outcomes since the last cycle
    approved: float
    quality: float  # sum
    covered: int  # outcomes since the last cycle that a believed pattern predicted
    correct: float  # of these
    cycles: int
    cycled_at: int
    accuracies: tuple[float, ...]  # of the last cycles, latest last
    declining: tuple[str, ...]  # agents


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCycle:
    """What a learning cycle found."""

    cycle_id: str
    tenant: str  # also the record's key
    number: int
    trigger: CycleTrigger
    outcomes: int
    approval_rate: float
    quality: float
    candidates: int
    confirmed: tuple[str, ...]
    dropped: tuple[str, ...]
    believed: int
    accuracy: float | None = None  # of predictions since the last cycle
    coverage: float  # of outcomes since the last cycle that were predicted
    trend: Trend  # of accuracy
    insights: tuple[str, ...]
    late_ms: int  # after it was due
    cycled_at: int
