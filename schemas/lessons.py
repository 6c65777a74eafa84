"""What may be said of failures, trust and learning: dataclasses as in schemas/records.py, by the same rules."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records import Evidence, Severity

UNTRIED = 0.5  # how often an action helps of which nothing is known: in the gains of hypotheses, and before any outcome


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


class AlertState(StrEnum):
    """Whether an alert still stands."""

    UNKNOWN = "UNKNOWN"
    RAISED = "RAISED"
    RESOLVED = "RESOLVED"


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
    """A losing variant or a failing model: what it fails at, why, what it costs, and what might mend it."""

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
    ends_at: int  # when it is taken to have helped unless the metric fails again; -1: not carried out yet
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


@dataclass(frozen=True, slots=True)
class TrustLevel:
    """An agent's trust as every worker reads it, written where its boost or priority moved."""

    agent_id: str  # [tenant/]agent; also the record's key
    kind: AgentKind
    overall: float
    boost: float
    priority: Priority
    changed_at: int


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
    """The recommendations of a run and how they were judged, kept for a week after the last of either."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A rule that is broken, or holds again."""

    alert_id: str
    key: str  # what it is about; also the record's key
    rule: str
    severity: Severity
    state: AlertState
    metric: str
    value: float
    threshold: float
    message: str
    count: int = 1  # of things that broke the rule, where a storm became one alert
    raised_at: int
    resolved_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """An alert that is not over, and after which another was raised."""

    alert_id: str
    raised_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """Where one rule stands for one thing."""

    rule: str
    key: str
    state: AlertState
    alert_id: str = ""
    broken_at: int  # since when the rule is broken; -1: it is not
    raised_at: int  # last time; -1: never
    value: float
    held: int  # raised since and not told: within the cooldown, or part of a storm
    recent: tuple[int, ...] = ()  # of a storm's row: when alerts of the rule were raised
    crowd: str = ""  # whose alerts may be one storm: a tenant, or its newcomers; empty: the tenant that the key names
    about: str = ""  # of a command's end: order and target; it is over when such a command completes
    earlier: tuple[OpenAlert, ...] = ()  # of a command's end: alerts before alert_id that are over together with it
