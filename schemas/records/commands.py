"""Commands, what deployers report of them, and the rows of their lives."""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas.records.decisions import Evidence, Order


class Status(StrEnum):
    """How far a command has come, as reported."""

    UNKNOWN = "UNKNOWN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"


class FailureCause(StrEnum):
    """Whose failure a FAILED is, as its deployer says."""

    UNKNOWN = "UNKNOWN"  # it does not say
    # its own, or its target's: refused, out of reach, too late; nothing is known of the candidate
    DEPLOYER = "DEPLOYER"
    CANDIDATE = "CANDIDATE"  # the candidate was put to work and did not do it
    SUPERSEDED = "SUPERSEDED"  # a later command has the target


class Phase(StrEnum):
    """Where a command stands."""

    UNKNOWN = "UNKNOWN"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    ISSUED = "ISSUED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    PROPOSED = "PROPOSED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    RETRYING = "RETRYING"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    SUPERSEDED = "SUPERSEDED"
    STALE = "STALE"
    COMPENSATING = "COMPENSATING"
    COMPENSATED = "COMPENSATED"
    COMPENSATION_FAILED = "COMPENSATION_FAILED"


class RequestPriority(StrEnum):
    """How urgent an order is, as the person says who gives it."""

    UNKNOWN = "UNKNOWN"
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStatus:
    """What a deployer or trainer reports of a command."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    command_id: str
    attempt: int = 1
    subject: str  # [tenant/]model line; also the record's key
    status: Status
    fencing_token: int
    detail: str = ""
    reported_at: int
    reporter: str
    traffic_share: float | None = (
        None  # of the command's variant, in [0, 1]; absent: nothing is said of it
    )
    share_from: int | None = None  # from when on it has that; absent: reported_at
    share_until: int | None = (
        None  # until when it surely has that; absent: until a command moves it
    )
    cause: FailureCause = FailureCause.UNKNOWN  # of a FAILED
    made_version: str | None = (
        None  # of a training or improvement: the version that it made; absent: it registers none
    )
    progress: float | None = None  # of the work, in [0, 1]; absent: nothing is said of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What all four commands say; their identity is (command_id, attempt)."""

    command_id: str
    attempt: int = 1
    subject: str  # [tenant/]model line; also the record's key
    target: str  # what is acted on: the serving slot
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    to_version: str | None = None
    reason: str
    evidence: tuple[Evidence, ...]
    decision_id: str
    compensates: str | None = None
    fencing_token: int  # grows with the target
    issued_at: int
    expires_at: int
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackCommand(Command):
    """Take a losing variant or version out of service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployCommand(Command):
    """Put a proved variant or version into service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainCommand(Command):
    """Train the model anew."""

    trigger: str = ""
    window_start: int | None = None  # first moment of the data to train on
    window_end: int | None = None
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImproveCommand(Command):
    """Mend the model where retraining alone would not."""

    strategy: str = ""
    specialist: str = ""
    hypothesis: str = ""
    expected_gain: float = 0.0
    expected_cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """Where a command stands."""

    command_id: str
    attempt: int
    order: Order
    subject: str  # [tenant/]model line; also the record's key
    target: str
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    phase: Phase
    reason: str
    decision_id: str
    fencing_token: int
    issued_at: int
    expires_at: int
    detail: str = ""
    reporter: str = ""
    requested_by: str = ""  # a person; empty: Mendstream itself
    approved_by: str = ""
    waits_for: str = ""  # why it was not issued at once
    due_at: int = -1  # when it moves on by itself, unless it was moved before; -1: never
    escalated: bool = False
    digest: str = ""  # of what is ordered; the same for all attempts
    command: bytes | None = (
        None  # what is issued, encoded, without token and moments; absent: of an older Mendstream
    )
    compensates: str | None = None
    undone_by: str = ""  # the command that compensates it
    # the how-manyeth order of its target; of what undoes a command that of it; 0: of an older
    # Mendstream
    rank: int = 0
    approved_as: Order = Order.UNKNOWN  # the order whose approvers decide on it; UNKNOWN: its own
    progress: float | None = None  # of this attempt, in [0, 1]; absent: nothing was said of it
    attempts_max: int = 0  # where a person wants fewer than there are; 0: as many as there are
    priority: RequestPriority = RequestPriority.UNKNOWN  # as the person says who ordered it
    failure_id: str | None = None  # that a person ordered it against


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """What all experiments and commands of a subject share."""

    subject: str  # [tenant/]model line; also the record's key
    experiments: int  # experiments begun
    discoveries: int  # experiments with a proved gain
    tokens: dict[str, int] = field(default_factory=dict)  # last fencing token by target
    frozen_by: str = ""  # a person; empty: not frozen
    locks: dict[str, int] = field(default_factory=dict)  # until when a target is left to people, ms
    new_since: int = (
        -1
    )  # append time of its first record, ms, while nobody vouched for it; -1: it is known
    orders: dict[str, int] = field(default_factory=dict)  # orders so far by target
    # of the bound of false discoveries, in parts of it; -1: 6 / (pi i)^2 for the i-th experiment
    spent: float = -1.0
    # of alpha, that gains of its next experiment are tested at; -1: not told yet
    next_alpha_part: float = -1.0
