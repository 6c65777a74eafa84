"""Alerts, and the rows of those that stand."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.records.vocabulary import Severity


class AlertState(StrEnum):
    """Whether an alert still stands."""

    UNKNOWN = "UNKNOWN"
    RAISED = "RAISED"
    RESOLVED = "RESOLVED"


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
    # whose alerts may be one storm: a tenant, or its newcomers; empty: the tenant that the key
    # names
    crowd: str = ""
    about: str = (
        ""  # of a command's end: order and target; it is over when such a command completes
    )
    earlier: tuple[
        OpenAlert, ...
    ] = ()  # of a command's end: alerts before alert_id that are over together with it
