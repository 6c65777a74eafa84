"""What may be said: one frozen dataclass for each record of schemas/avro, with the same fields and defaults.

Moments are int milliseconds since 1970 UTC. Arrays are tuples, maps are dicts, enums are the StrEnums below; each has
UNKNOWN, the symbol an older reader gives a newer writer's, and UNKNOWN never commands. Where Avro's order puts a
default before a field without one, the dataclass takes keywords only.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class ResultKind(StrEnum):
    """Whether a result adds to the totals or replaces them."""

    UNKNOWN = "UNKNOWN"
    OBSERVATION = "OBSERVATION"
    SNAPSHOT = "SNAPSHOT"


class Role(StrEnum):
    """What a metric is for in an experiment."""

    UNKNOWN = "UNKNOWN"
    GOAL = "GOAL"
    GUARDRAIL = "GUARDRAIL"
    SIGNAL = "SIGNAL"


class Direction(StrEnum):
    """Which way a metric is better."""

    UNKNOWN = "UNKNOWN"
    HIGHER_IS_BETTER = "HIGHER_IS_BETTER"
    LOWER_IS_BETTER = "LOWER_IS_BETTER"


class MetricKind(StrEnum):
    """How a metric is counted, and so which test judges it."""

    UNKNOWN = "UNKNOWN"
    RATE = "RATE"
    MEAN = "MEAN"
    COUNT = "COUNT"
    LATENCY = "LATENCY"


class Autonomy(StrEnum):
    """How far Mendstream may go by itself."""

    UNKNOWN = "UNKNOWN"
    OBSERVE = "OBSERVE"
    PROPOSE = "PROPOSE"
    APPROVE = "APPROVE"
    AUTO = "AUTO"


class ExperimentStatus(StrEnum):
    """Whether an experiment still judges."""

    UNKNOWN = "UNKNOWN"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    ENDED = "ENDED"


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
    DEPLOYER = (
        "DEPLOYER"  # its own, or its target's: refused, out of reach, too late; nothing is known of the candidate
    )
    CANDIDATE = "CANDIDATE"  # the candidate was put to work and did not do it
    SUPERSEDED = "SUPERSEDED"  # a later command has the target


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


class Severity(StrEnum):
    """How bad a failure or an alert is."""

    UNKNOWN = "UNKNOWN"
    INFO = "INFO"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class Operator(StrEnum):
    """How a value breaks a rule."""

    UNKNOWN = "UNKNOWN"
    ABOVE = "ABOVE"
    BELOW = "BELOW"


class State(StrEnum):
    """Where the evidence on an arm or version stands."""

    UNKNOWN = "UNKNOWN"
    OK = "OK"
    HARM = "HARM"
    GAIN = "GAIN"
    WAIT = "WAIT"
    MISSING = "MISSING"
    SPLIT = "SPLIT"
    UNSTABLE = "UNSTABLE"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentResult:
    """An observation of one metric of one arm, or a running total that replaces the one before."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    variant: str
    unit_id: str | None = None  # A hash of the unit, never a person
    metric: str
    kind: ResultKind = ResultKind.OBSERVATION
    count: int = 1
    sum: float
    sum_squares: float | None = None  # absent with count 1: sum squared
    segment: str | None = None
    occurred_at: int
    assigned_at: int | None = None  # when the unit was assigned; absent: occurred_at


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


@dataclass(frozen=True, slots=True)
class Share:
    """One arm's share of the traffic."""

    variant: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareStep:
    """The traffic shares from a moment on."""

    from_: int | None = None
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """How one metric is judged."""

    name: str
    role: Role
    direction: Direction
    kind: MetricKind
    limit: float | None = None  # LATENCY: count the requests above it
    cap: float | None = None  # MEAN: values are cut at it
    margin: float = 0.1  # relative; what still counts as no harm
    expected_count: int | None = None
    failure_threshold: float | None = None  # relative loss from which on it fails; absent: the policy's
    # In the metric's own unit, allowed where it is more than the relative margin; absent: 0.01 of counted events where
    # control has none.
    absolute_margin: float | None = None


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """What an experiment compares, and how."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    experiment_id: str
    subject: str  # [tenant/]model line; also the record's key
    control: str
    treatments: tuple[str, ...]
    share_steps: tuple[ShareStep, ...] = ()
    metrics: tuple[MetricSpec, ...] = ()
    alpha: float = 0.05
    min_count: int = 100
    autonomy: Autonomy | None = None  # absent: the policy's, by command type
    status: ExperimentStatus = ExperimentStatus.RUNNING
    ends_at: int | None = None
    candidate_version: str | None = None
    baseline_version: str | None = None
    environment: str = "production"  # where its commands act
    follows_rollout: bool = False  # the shares are those that deployers report of commands for this experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A stated reference of a live metric."""

    metric: str
    segment: str | None = None
    count: int
    sum: float


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When somebody is told."""

    name: str
    metric: str
    operator: Operator
    threshold: float
    severity: Severity
    template: str  # {key}, {value} and {threshold} are filled in
    duration_ms: int = 0  # how long it must be broken
    cooldown_ms: int = 300_000  # from one alert to the next of the same thing


@dataclass(frozen=True, slots=True)
class AutonomyRule:
    """How far Mendstream may go by itself with some commands."""

    autonomy: Autonomy
    order: Order | None = None  # absent: any
    rule: str | None = None  # how the decision's rule begins; absent: any
    environment: str | None = None  # absent: any


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who may approve, and what."""

    name: str
    order: Order | None = None  # absent: any


@dataclass(frozen=True, slots=True)
class Policy:
    """How much Mendstream may do by itself, and what it assumes where a spec is silent."""

    event_id: str  # A UUID as text; the same id again is a duplicate
    policy_id: str
    subjects: tuple[str, ...] = ("*",)  # exact names, or prefixes that end in *; the longest match wins
    rollback: Autonomy = Autonomy.AUTO
    deploy: Autonomy = Autonomy.APPROVE
    retrain: Autonomy = Autonomy.APPROVE
    improve: Autonomy = Autonomy.PROPOSE
    metrics: tuple[MetricSpec, ...] = ()  # metrics by name, where no spec names them
    alpha: float = 0.05
    min_count: int = 100
    reference_count: int = 5_000  # records that freeze a live metric's reference
    false_alarm_records: float = 1_000_000.0  # mean records to a false alarm of the watch, at least
    references: tuple[Reference, ...] = ()
    failure_threshold: float = 0.1  # relative loss from which on a metric fails
    alerts: tuple[AlertRule, ...] = ()  # beside the built-in ones; of a built-in one's name: in its place
    disable_below: float | None = None  # trust below which an agent of these subjects is heard no more; absent: never
    autonomies: tuple[AutonomyRule, ...] = ()  # the first that fits goes before the level of the command type
    commands_per_hour: int = 60  # of a tenant, without a person
    subjects_share: float = 0.25  # of a tenant's subjects with a command under way at once, without a person
    max_age_ms: int = 21_600_000  # a finding in records that were appended longer ago orders a dry run
    manual_lock_ms: int = 3_600_000  # how long after a person's own order the target is left to people
    approvers: tuple[Approver, ...] = ()  # who may approve what; empty: whoever may write reviews
    acknowledge_ms: int = 300_000  # until a command is sent again; twice and nine times as long at the next tries
    missing_after_ms: int = 1_800_000  # how long what an experiment needs may be missing until it is told


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
    traffic_share: float | None = None  # of the command's variant, in [0, 1]; absent: nothing is said of it
    share_from: int | None = None  # from when on it has that; absent: reported_at
    share_until: int | None = None  # until when it surely has that; absent: until a command moves it
    cause: FailureCause = FailureCause.UNKNOWN  # of a FAILED
    made_version: str | None = None  # of a training or improvement: the version that it made; absent: it registers none


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passing in a partition, written by its owner."""

    partition: int
    ticked_at: int


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
    log_e: float
    count: int


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
    rule: str
    reason: str
    evidence: tuple[Evidence, ...]
    policy_id: str
    policy_version: str  # the event_id of the policy; empty: the built-in one
    command_id: str | None = None
    decided_at: int
    agents: str  # the agents' version


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
class ArmRow:
    """The running totals of one arm of one metric, with the evidence against control."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    variant: str
    segment: str | None = None
    step: str | None = None  # of a ramp: the number of the share step its units were assigned in; absent: all
    count: int
    hits: int  # counted events: successes of a RATE, sum of a COUNT, values over a LATENCY limit
    sum: float
    sum_squares: float
    first_offset: int  # offset of the first result folded
    applied_offset: int  # offset of the last result folded
    base_offset: int  # from where on evidence is looked at; -1: not yet
    base_count: int  # units of a burn-in, which are not in the test; hits and sums leave them out
    flipped: bool  # judged by the units without a hit, because they are rarer
    missing_squares: bool  # A mean without its squares: never judged
    repeats: int  # records of a unit that had one already: not counted in a RATE, counted in a MEAN
    unnamed_offset: int  # first record without a unit_id, taken for independent of the others; -1: none
    harm_offset: int  # where harm was proved; -1: nowhere
    gain_offset: int  # where gain was proved; -1: nowhere
    unstable_offset: int  # where the running interval became empty: the effect itself drifts; -1: nowhere
    state: State
    effect: float | None = None  # treatment minus control, per unit counted
    low: float | None = None
    high: float | None = None
    running_low: float | None = None  # highest lower end of the interval so far
    running_high: float | None = None  # lowest upper end of the interval so far
    log_e_harm: float
    log_e_gain: float
    expected_more: float | None = None  # units of both arms still needed, for min_count or for a verdict
    last_at: int = -1  # when the last result folded was appended; -1: not known
    crossed: int = 0  # records left out because their unit was in another arm before


@dataclass(frozen=True, slots=True)
class Pair:
    """A (treatment, metric) that may command, in the order first seen."""

    variant: str
    metric: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A treatment with its order."""

    variant: str
    order: Order
    offset: int
    command_id: str | None = None  # absent: none was ordered
    open: bool = False  # its command ended without being carried out: it is judged as if nothing had been ordered
    tries: int = 0  # commands of it that ended without being carried out
    again_at: int = -1  # when it is open again; -1: not waited for
    units: int = 0  # of both arms when a person said no: twice as many open it again; 0: nobody did
    moved: bool = False  # a command for it may have moved the traffic: no stated share is taken for true any more
    asks: str = ""  # why a person is asked before it is ordered again, whatever the policy; empty: nobody need be


@dataclass(frozen=True, slots=True)
class Lack:
    """Something without which an experiment cannot be judged."""

    kind: str  # as in the alerts: ARM, CONTROL, METRIC, RESULT, STOPPED, SQUARES, UNITS, PLAN, MIXED
    name: str  # the arm or metric that it is about; both where it is a metric of one arm
    since: int
    told_at: int = -1  # -1: not yet
    units: int = 0  # of the other arms when it was noted first


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What the first records of a metric's control arm fixed; they are not in the test."""

    metric: str
    limit: float | None = None  # LATENCY: requests above it are counted
    cap: float | None = None  # MEAN: values are cut at it
    inflation: float  # records that weigh as much as one independent one: above 1 where values follow each other
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """One experiment as it is judged, frozen at its first result, and what was decided."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    ordinal: int  # the how-manyeth of its subject; 0: no result yet
    discoveries: int  # experiments of the subject with a proved gain when this one began
    control: str
    specified: bool  # from an ExperimentSpec, not from the policy alone
    status: ExperimentStatus
    alpha: float
    min_count: int
    share_steps: tuple[ShareStep, ...]  # one step: a fixed split; several: a ramp; none: no share is stated
    treatments: tuple[str, ...]  # of the spec; empty: as they come
    metrics: tuple[MetricSpec, ...]  # of the spec, then as they come
    pairs: tuple[Pair, ...]
    frozen: tuple[Frozen, ...]
    autonomy: Autonomy | None = None  # absent: the policy's
    candidate_version: str | None = None
    baseline_version: str | None = None
    policy_id: str
    started_offset: int  # first result; -1: none yet
    split_offset: int  # where the split was found broken; -1: nowhere
    decided: tuple[Decided, ...]
    started_at: int = -1  # of its first result
    environment: str = "production"
    follows_rollout: bool = False
    rollout_steps: tuple[ShareStep, ...] = ()  # as reported; without shares where they are not known
    discovered: bool = False  # a gain of it counts among the subject's discoveries
    ends_at: int | None = None  # results of later moments are not judged
    ended_at: int = -1  # when it ended because of that; -1: not ended
    late: int = 0  # results that were not judged because they came from after its end
    begun_at: int = -1  # when its spec or its first result was appended, whichever was first
    due_at: int = -1  # when it is looked at for what it lacks; -1: never
    lacks: tuple[Lack, ...] = ()
    mixed: int = 0  # records refused because their metric has the other kind
    leaves_at: int = -1  # when it is looked at to leave, once it is over or silent without a spec; -1: not known


@dataclass(frozen=True, slots=True)
class BurnInRow:
    """The first values of a metric's control arm, kept until they fix its limit or cap."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    count: int  # units so far, those of summed records included
    values: bytes  # IEEE 754 doubles, the lowest byte first: there are hundreds, and they are written with each commit


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPart:
    """The cumulative totals of one arm in one segment at one moment."""

    occurred_at: int
    variant: str
    segment: str | None = None
    count: int
    sum: float
    sum_squares: float | None = None


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """Cumulative totals of a metric: the complete set that stands, and later ones that still miss an arm."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    applied_at: int  # occurred_at of the complete set that stands; -1: none yet
    ignored: int  # snapshots older than the set that stood, and parts of sets that were never completed
    parts: tuple[SnapshotPart, ...]


@dataclass(frozen=True, slots=True)
class VersionWatch:
    """One model version against the reference."""

    model_version: str
    count: int
    judged: int  # units compared: of a RATE all, of a MEAN or LATENCY those compared with the limit
    bad: int  # of the judged
    sum: float
    coarse: int  # units that came several to a record of a metric with a limit: added up, never judged
    learned: int  # units of it within the reference
    first_offset: int
    applied_offset: int
    start_count: int  # judged when the watch began
    start_bad: int
    carry: tuple[float, ...]  # log of the sum of 1/e over the starts, by alternative; empty: not watched yet
    floor: float  # lowest log likelihood ratio so far; suspicion began there
    window_count: int  # judged when suspicion began
    window_bad: int
    window_offset: int
    whole_judged: int  # in a segment: units of it judged in the whole, by the limit of the whole
    whole_bad: int
    whole_window_count: int  # in a segment: whole_judged when the suspicion of the whole began
    whole_window_bad: int
    log_e: float  # log of the e-detector
    state: State
    finding_id: str = ""
    asked: Order = Order.NONE  # what its finding asked for
    rolled_back: bool = False  # taken out of service: late records command nothing
    first_at: int = -1  # of its first record
    seen_at: int = -1  # of its last record, by the broker's clock
    tries: int = 0  # commands against it that ended without being carried out
    again_at: int = -1  # when it is watched again after such an end; -1: not waited for


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
    values: tuple[float, ...]  # of a metric with a limit: learned from until the limit is frozen; then empty
    limit: float | None = None  # of a MEAN or LATENCY: a record beyond it is bad; absent: not frozen yet, or a RATE
    thin: int  # each so many-th record is judged, because values follow each other; 1: each one; 0: none can be
    share_count: int  # units of this segment within the reference of the whole
    share_bad: int
    versions: tuple[VersionWatch, ...]
    unjudged: str = ""  # why no record of it can be judged; empty: they are, or it is still learned from
    unjudged_at: int = -1  # since when, by the broker's clock
    unwatched: int = 0  # units of versions for which there was no room
    unwatched_at: int = -1  # since when there has been no room, by the broker's clock
    awaits_version: str = ""  # made by a completed training: the reference begins anew with its first record
    reference_from: str = ""  # why the reference began anew; empty: it is the first


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
    command: bytes | None = None  # what is issued, encoded, without token and moments; absent: of an older Mendstream
    compensates: str | None = None
    undone_by: str = ""  # the command that compensates it
    rank: int = 0  # the how-manyeth order of its target; of what undoes a command that of it; 0: of an older Mendstream
    approved_as: Order = Order.UNKNOWN  # the order whose approvers decide on it; UNKNOWN: its own


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """What all experiments and commands of a subject share."""

    subject: str  # [tenant/]model line; also the record's key
    experiments: int  # experiments begun
    discoveries: int  # experiments with a proved gain
    tokens: dict[str, int] = field(default_factory=dict)  # last fencing token by target
    frozen_by: str = ""  # a person; empty: not frozen
    locks: dict[str, int] = field(default_factory=dict)  # until when a target is left to people, ms
    new_since: int = -1  # append time of its first record, ms, while nobody vouched for it; -1: it is known
    orders: dict[str, int] = field(default_factory=dict)  # orders so far by target


@dataclass(frozen=True, slots=True)
class Step:
    """A slice of an input topic partition, or one broadcast record."""

    topic: str
    first_offset: int
    next_offset: int
    record: bytes | None = None  # A broadcast record's value, embedded


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What one transaction applied to one partition, in order."""

    number: int
    partition: int
    agents: str
    now: int
    steps: tuple[Step, ...]
    next_offsets: dict[str, int]
    broadcast_offset: int  # next offset of policies.v1
    applied: int
    duplicates: int
    forwarded: int
    dead_letters: int
    rows: int = -1  # in all tables of the partition; a restore must find as many; -1: not counted
    levels_offset: int = 0  # next offset of trust.levels.v1


@dataclass(frozen=True, slots=True)
class Redrive:
    """Dead letters that one transaction wrote back to their inputs; none of them is redriven again."""

    partition: int  # of the dead letter topic
    offsets: tuple[int, ...]  # of the letters, ascending
    redriven_at: int
