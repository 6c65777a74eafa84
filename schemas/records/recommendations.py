"""Recommendations, what people made of them, and how far agents are trusted."""

from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """What people or metrics made of a recommendation."""

    UNKNOWN = "UNKNOWN"
    APPROVED = "APPROVED"
    PARTIAL = "PARTIAL"
    REJECTED = "REJECTED"


class AgentKind(StrEnum):
    """What earns trust."""

    UNKNOWN = "UNKNOWN"
    RECOMMENDER = "RECOMMENDER"
    DETECTOR = "DETECTOR"
    DEPLOYER = "DEPLOYER"
    MODEL_VERSION = "MODEL_VERSION"
    PLAYBOOK = "PLAYBOOK"


class Priority(StrEnum):
    """How soon an agent is heard."""

    UNKNOWN = "UNKNOWN"
    DISABLED = "DISABLED"
    LOW = "LOW"
    NORMAL = "NORMAL"
    CRITICAL = "CRITICAL"


class Trend(StrEnum):
    """Where trust is going."""

    UNKNOWN = "UNKNOWN"
    DECLINING = "DECLINING"
    STABLE = "STABLE"
    IMPROVING = "IMPROVING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What an agent recommends in a run."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    agent_id: str  # [tenant/]agent; also the record's key
    run_id: str
    kind: str
    content: str
    confidence: float  # 0 to 1
    reasoning: str = ""
    subject: str | None = None  # [tenant/]model line
    made_at: int
    due_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationOutcome:
    """What came of a recommendation, or of all recommendations of its run."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    agent_id: str  # [tenant/]agent; also the record's key
    run_id: str
    recommendation_id: str | None = None  # absent: all of the run, whichever agent made them
    judgement: Judgement
    quality: float  # 0 to 1
    failed: bool = False  # the agent ended with an error
    feedback: str = ""
    judged_by: str
    judged_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFact:
    """One outcome of an agent."""

    event_id: str
    agent_id: str  # [tenant/]agent; also the record's key
    kind: AgentKind
    score: float  # 0 to 1
    quality: float  # 0 to 1
    lateness_ms: int = 0
    failed: bool = False
    about: str  # what the outcome is of
    occurred_at: int


@dataclass(frozen=True, slots=True)
class Level:
    """Trust at the end of a stretch of time."""

    start: int
    overall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRow:
    """What an agent's outcomes say of it."""

    agent_id: str  # [tenant/]agent; also the record's key
    kind: AgentKind
    good: float  # decayed weight of what was approved
    bad: float
    spread_weight: float  # decayed weight, mean and squares of quality
    spread_mean: float
    spread_squares: float
    outcomes: int
    approved: int
    partial: int
    rejected: int
    overall: float
    accuracy: float
    consistency: float
    timeliness: float
    reliability: float
    lower: float  # 5 % quantile of accuracy
    boost: float
    priority: Priority
    trend: Trend
    slope: float  # of overall, a week
    levels: tuple[Level, ...]  # of six hours, of the last 7 days
    told_boost: float  # as every worker knows it
    told_priority: Priority
    updated_at: int
    initialised_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDayRow:
    """What an agent recommended on a day, and what was judged of it on that day."""

    agent_id: str  # [tenant/]agent
    day: int  # its first moment, UTC
    tracked: int
    approved: int
    partial: int
    rejected: int
    confidence: float  # sum over what was tracked
    quality: float  # sum over what was judged


@dataclass(frozen=True, slots=True)
class TrustLevel:
    """An agent's trust as every worker reads it, written where its boost or priority moved."""

    agent_id: str  # [tenant/]agent; also the record's key
    kind: AgentKind
    overall: float
    boost: float
    priority: Priority
    changed_at: int
