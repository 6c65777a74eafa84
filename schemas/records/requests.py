"""What people and budgets say of commands, and each move of a command's life."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.commands import Phase, RequestPriority
from schemas.records.decisions import Order


class RequestKind(StrEnum):
    """What a person asks for."""

    UNKNOWN = "UNKNOWN"
    INITIALISE_TRUST = "INITIALISE_TRUST"
    ROLLBACK = "ROLLBACK"
    DEPLOY = "DEPLOY"
    RETRAIN = "RETRAIN"
    IMPROVE = "IMPROVE"
    CANCEL = "CANCEL"
    FREEZE = "FREEZE"
    UNFREEZE = "UNFREEZE"
    LEARN = "LEARN"


class ReviewVerdict(StrEnum):
    """What a person says to a command that waits for approval."""

    UNKNOWN = "UNKNOWN"
    APPROVE = "APPROVE"
    REJECT = "REJECT"


class Event(StrEnum):
    """What moves a command on."""

    UNKNOWN = "UNKNOWN"
    ISSUE = "ISSUE"
    ASK_BUDGET = "ASK_BUDGET"
    ASK_PERSON = "ASK_PERSON"
    APPROVE = "APPROVE"
    REJECT = "REJECT"
    LAPSE = "LAPSE"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    BEGIN = "BEGIN"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    FAIL_FOR_GOOD = "FAIL_FOR_GOOD"
    REFUSE = "REFUSE"
    TIME_OUT = "TIME_OUT"
    TIME_OUT_FOR_GOOD = "TIME_OUT_FOR_GOOD"
    RETRY = "RETRY"
    CANCEL = "CANCEL"
    SUPERSEDE = "SUPERSEDE"
    GO_STALE = "GO_STALE"
    UNDO = "UNDO"
    UNDONE = "UNDONE"
    UNDO_FAILED = "UNDO_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    # what it is about; also the record's key. FREEZE and UNFREEZE may end in *, LEARN is of a
    # tenant's /*: written to each partition
    subject: str
    kind: RequestKind
    detail: str = ""
    requested_by: str
    requested_at: int
    command_id: str | None = None  # CANCEL: of what
    experiment_id: str | None = None
    variant: str | None = None
    model_version: str | None = None
    to_version: str | None = None
    environment: str = "production"
    strategy: str = ""
    priority: RequestPriority = RequestPriority.UNKNOWN  # of an order: what people are told of it
    max_retries: int | None = None  # of an order, 0 to 2; absent: 2
    failure_id: str | None = None  # of an order: that it is against


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a person says to a command that waits for approval."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    subject: str  # [tenant/]model line; also the record's key
    command_id: str
    verdict: ReviewVerdict
    digest: str  # of the command as the reviewer saw it: what was approved is what is issued
    reviewer: str
    comment: str = ""
    reviewed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A command that asks for a part of the budget that all partitions share."""

    event_id: str
    tenant: str  # also the record's key
    subject: str
    command_id: str
    limit: int  # commands an hour that may be admitted here, by the subject's policy
    denied: bool = False  # its partition has refused it already, and only says so
    proposed_at: int
    newcomer: bool = False  # its subject is one that nobody vouched for


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the budget says to a proposal."""

    event_id: str
    subject: str  # also the record's key
    command_id: str
    granted: bool
    reason: str
    admitted_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step in the life of a command."""

    event_id: str
    command_id: str
    attempt: int
    subject: str  # also the record's key
    order: Order
    before: Phase  # UNKNOWN: it begins
    event: Event
    after: Phase
    by: str  # a person, a deployer, or mendstream
    detail: str
    fencing_token: int
    moved_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """What a tenant spent of its hour, in one partition or of the part that all share."""

    tenant: str
    shared: bool
    spent: tuple[int, ...]  # when, of the last hour
    denied: tuple[int, ...]  # when, of the last hour
    newcomers: bool = (
        False  # of subjects that nobody vouched for; what they spend takes nothing from the others
    )
