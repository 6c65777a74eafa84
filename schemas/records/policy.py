"""Policies: how far automation may go, what is judged how, and when people are told."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.decisions import Order
from schemas.records.experiments import MetricSpec
from schemas.records.vocabulary import AnomalyWatch, Autonomy, Season, Severity


class Operator(StrEnum):
    """How a value breaks a rule."""

    UNKNOWN = "UNKNOWN"
    ABOVE = "ABOVE"
    BELOW = "BELOW"


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
    subjects: tuple[str, ...] = (
        "*",
    )  # exact names, or prefixes that end in *; the longest match wins
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
    alerts: tuple[
        AlertRule, ...
    ] = ()  # beside the built-in ones; of a built-in one's name: in its place
    disable_below: float | None = (
        None  # trust below which an agent of these subjects is heard no more; absent: never
    )
    autonomies: tuple[
        AutonomyRule, ...
    ] = ()  # the first that fits goes before the level of the command type
    commands_per_hour: int = 60  # of a tenant, without a person
    subjects_share: float = (
        0.25  # of a tenant's subjects with a command under way at once, without a person
    )
    max_age_ms: int = (
        21_600_000  # a finding in records that were appended longer ago orders a dry run
    )
    manual_lock_ms: int = (
        3_600_000  # how long after a person's own order the target is left to people
    )
    approvers: tuple[Approver, ...] = ()  # who may approve what; empty: whoever may write reviews
    acknowledge_ms: int = (
        300_000  # until a command is sent again; twice and nine times as long at the next tries
    )
    missing_after_ms: int = (
        1_800_000  # how long what an experiment needs may be missing until it is told
    )
    season: Season = Season.WEEK  # what the rates of live metrics may follow without being a drift
    tolerance: float = 0.0  # relative rise of the odds of a bad unit that is no drift either
    deploy_after_days: int = 0  # whole days that an experiment runs at least before a deployment
    deploy_needs: tuple[str, ...] = ()  # metrics without whose results nothing is deployed
    anomalies: AnomalyWatch = AnomalyWatch.ALERT  # whether unusual values of live metrics are told
