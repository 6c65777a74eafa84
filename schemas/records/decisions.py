"""What was decided, and the evidence it rests on."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.vocabulary import EvidenceKind


class Verdict(StrEnum):
    """What was found."""

    UNKNOWN = "UNKNOWN"
    HARM = "HARM"
    GAIN = "GAIN"
    SPLIT = "SPLIT"
    DRIFT = "DRIFT"
    MIX_SHIFT = "MIX_SHIFT"
    IGNORED_SPEC = "IGNORED_SPEC"
    UNSTABLE = "UNSTABLE"
    FAILURE = "FAILURE"
    REQUEST = "REQUEST"
    MISSING = "MISSING"
    ENDED = "ENDED"
    ANOMALY = "ANOMALY"


class Order(StrEnum):
    """What is to be done about it."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    ROLLBACK = "ROLLBACK"
    DEPLOY = "DEPLOY"
    RETRAIN = "RETRAIN"
    IMPROVE = "IMPROVE"


class Outcome(StrEnum):
    """What came of a decision, by the autonomy in force."""

    UNKNOWN = "UNKNOWN"
    ISSUED = "ISSUED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PROPOSED = "PROPOSED"
    OBSERVED = "OBSERVED"
    HELD = "HELD"
    AWAITING_ADMISSION = "AWAITING_ADMISSION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The records a decision rests on, and what they say."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    metric: str
    segment: str | None = None
    estimate: float
    low: float
    high: float
    log_e: float  # in nats; evidence_kind says of what it is the logarithm
    evidence_kind: EvidenceKind = EvidenceKind.UNKNOWN
    count: int
    likely: float | None = None  # the estimate drawn towards none; absent where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict that changed, with its numbers."""

    decision_id: str
    subject: str  # [tenant/]model line; also the record's key
    verdict: Verdict
    order: Order
    outcome: Outcome  # what came of it, by the autonomy in force
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    metric: str
    rule: str  # one of the words listed in docs/commands.md, without values
    reason: str
    evidence: tuple[Evidence, ...]
    policy_id: str
    policy_version: str  # the event_id of the policy; empty: the built-in one
    command_id: str | None = None
    decided_at: int
    agents: str  # the agents' version
