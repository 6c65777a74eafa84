"""Experiments: their specs and results, and the rows of what they came to."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.decisions import Order
from schemas.records.vocabulary import Autonomy, Direction, EvidenceKind, MetricKind, Role, State


class ResultKind(StrEnum):
    """Whether a result adds to the totals or replaces them."""

    UNKNOWN = "UNKNOWN"
    OBSERVATION = "OBSERVATION"
    SNAPSHOT = "SNAPSHOT"


class ExperimentStatus(StrEnum):
    """Whether an experiment still judges."""

    UNKNOWN = "UNKNOWN"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    ENDED = "ENDED"


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
    # a number known of the unit before it was exposed, of a record of one unit
    covariate: float | None = None


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
    failure_threshold: float | None = (
        None  # relative loss from which on it fails; absent: the policy's
    )
    # In the metric's own unit, allowed where it is more than the relative margin; absent: 0.01 of
    # counted events where
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
    follows_rollout: bool = (
        False  # the shares are those that deployers report of commands for this experiment
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPoint:
    """How a treatment stood against control when its running interval was cut: at each sixteenth of
    a doubling of the units of both arms, but once in 256 units at most. Of whole arms alone, not of
    their segments.
    """

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    variant: str
    offset: int  # of the result that completed the sixteenth
    at: int  # when that was appended
    count: int  # units of the treatment
    control_count: int
    effect: float | None = None  # treatment minus control, per unit counted
    low: float | None = None  # of the interval as it stood by itself
    high: float | None = None
    running_low: float | None = None  # highest lower end so far
    running_high: float | None = None
    log_e_harm: float  # in nats; evidence_kind says of what they are the logarithms
    log_e_gain: float
    evidence_kind: EvidenceKind = EvidenceKind.UNKNOWN
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """The running totals of one arm of one metric, with the evidence against control."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    variant: str
    segment: str | None = None
    step: str | None = (
        None  # of a ramp: the number of the share step its units were assigned in; absent: all
    )
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
    unnamed_offset: (
        int  # first record without a unit_id, taken for independent of the others; -1: none
    )
    harm_offset: int  # where harm was proved; -1: nowhere
    gain_offset: int  # where gain was proved; -1: nowhere
    unstable_offset: (
        int  # where the running interval became empty: the effect itself drifts; -1: nowhere
    )
    state: State
    effect: float | None = None  # treatment minus control, per unit counted
    low: float | None = None
    high: float | None = None
    running_low: float | None = None  # highest lower end of the interval so far
    running_high: float | None = None  # lowest upper end of the interval so far
    log_e_harm: float  # in nats; evidence_kind says of what they are the logarithms
    log_e_gain: float
    evidence_kind: EvidenceKind = EvidenceKind.UNKNOWN
    expected_more: float | None = (
        None  # units of both arms still needed, for min_count or for a verdict
    )
    last_at: int = -1  # when the last result folded was appended; -1: not known
    crossed: int = 0  # records left out because their unit was in another arm before
    blocks: str | None = None  # of a pair judged block by block; see the schema
    largest: int = 0  # units of its largest record
    design_effect: float = (
        1.0  # of a treatment: as many records weigh as one of a unit of its own, for units repeat
    )
    buckets: str | None = None  # of an arm whose units come again; see the schema
    likely: float | None = None  # the effect drawn towards none
    cut_off: float = 0.0  # what a cap cut off of the values of a MEAN
    adjusted: float = 0.0  # what a covariate took off the values of a MEAN
    covariate_units: int = 0  # whose covariate is known and used, each once
    covariate_sum: float = 0.0  # of their covariates, less the mean they are held against
    covariate_squares: float = 0.0
    raw_effect: float | None = None  # without its covariate; absent where none is used
    beside: str | None = None  # of units that another experiment has too; see the schema


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
    # its command ended without being carried out: it is judged as if nothing had been ordered
    open: bool = False
    tries: int = 0  # commands of it that ended without being carried out
    again_at: int = -1  # when it is open again; -1: not waited for
    units: int = 0  # of both arms when a person said no: twice as many open it again; 0: nobody did
    # a command for it may have moved the traffic: no stated share is taken for true any more
    moved: bool = False
    # why a person is asked before it is ordered again, whatever the policy; empty: nobody need be
    asks: str = ""
    served: bool = False  # its command is COMPLETED for real
    metric: str = ""  # that the verdict rests on; empty: an older release did not keep it
    # as the effect and the likely one stood at the verdict; absent: not known
    effect: float | None = None
    likely: float | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """Something without which an experiment cannot be judged."""

    # ARM, CONTROL, METRIC, RESULT, STOPPED, SQUARES, CLUSTERS, UNITS, PLAN, MIXED,
    # INTERACTION, as in the alerts
    kind: str
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
    # records that weigh as much as one independent one: above 1 where values follow each other
    inflation: float
    offset: int


@dataclass(frozen=True, slots=True)
class Adjustment:
    """How the covariate of a MEAN is used: a value less coefficient * (covariate - mean), the
    covariate within its limits, is what is judged.
    """

    metric: int  # its place in `metrics`, from 0 on
    coefficient: float
    mean: float
    least: float
    most: float
    offset: int  # of the record that it was learned with; those after it are adjusted


@dataclass(frozen=True, slots=True)
class SplitStart:
    """Where the split of a treatment against control stood, against its plan."""

    variant: str
    units: int  # of both
    excess: float  # units of the treatment beyond those planned
    variance: float  # of that number, were the split as planned


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
    share_steps: tuple[
        ShareStep, ...
    ]  # one step: a fixed split; several: a ramp; none: no share is stated
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
    rollout_steps: tuple[
        ShareStep, ...
    ] = ()  # as reported; without shares where they are not known
    discovered: bool = False  # a gain of it counts among the subject's discoveries
    ends_at: int | None = None  # results of later moments are not judged
    ended_at: int = -1  # when it ended because of that; -1: not ended
    late: int = 0  # results that were not judged because they came from after its end
    begun_at: int = -1  # when its spec or its first result was appended, whichever was first
    due_at: int = -1  # when it is looked at for what it lacks; -1: never
    lacks: tuple[Lack, ...] = ()
    mixed: int = 0  # records refused because their metric has the other kind
    leaves_at: int = (
        -1
    )  # when it is looked at to leave, once it is over or silent without a spec; -1: not known
    ripe: bool = False  # it has run as long as the policy asks of a deployment
    # while its split is broken: where each treatment stood as the window began in which it may
    # prove sound again
    split_starts: tuple[SplitStart, ...] = ()
    split_window: int = 0  # units of that window; 0: none, and what is held is held for good
    # of alpha, that its gains are tested at; -1: 6 / (pi ordinal)^2 (discoveries + 1)
    alpha_part: float = -1.0
    adjustments: tuple[Adjustment, ...] = ()  # of the metrics whose covariate tells something
    # another experiment of the subject: what it does to the effects of this one is tested on the
    # units that both have; absent: none ran beside it so far
    overlaps: str | None = None


@dataclass(frozen=True, slots=True)
class BurnInRow:
    """The first values of a metric's control arm, kept until they fix its limit or cap."""

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    count: int  # units so far, those of summed records included
    # IEEE 754 doubles, the lowest byte first: there are hundreds, and they are written with each
    # commit
    values: bytes
    # of each value in the same form, NaN where there was none; absent where no record had one
    covariates: bytes | None = None


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
    """Cumulative totals of a metric: the complete set that stands, and later ones that still miss
    an arm.
    """

    subject: str  # [tenant/]model line; also the record's key
    experiment_id: str
    metric: str
    applied_at: int  # occurred_at of the complete set that stands; -1: none yet
    ignored: (
        int  # snapshots older than the set that stood, and parts of sets that were never completed
    )
    parts: tuple[SnapshotPart, ...]
