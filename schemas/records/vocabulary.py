"""Words that records of several subjects share."""

from enum import StrEnum


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


class Season(StrEnum):
    """What the rate of a live metric may follow by itself."""

    UNKNOWN = "UNKNOWN"
    NONE = "NONE"
    DAY = "DAY"
    WEEK = "WEEK"


class AnomalyWatch(StrEnum):
    """Whether values of live metrics that are unusual are told."""

    UNKNOWN = "UNKNOWN"
    OFF = "OFF"
    ALERT = "ALERT"


class Autonomy(StrEnum):
    """How far Mendstream may go by itself."""

    UNKNOWN = "UNKNOWN"
    OBSERVE = "OBSERVE"
    PROPOSE = "PROPOSE"
    APPROVE = "APPROVE"
    AUTO = "AUTO"


class Severity(StrEnum):
    """How bad a failure or an alert is."""

    UNKNOWN = "UNKNOWN"
    INFO = "INFO"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class EvidenceKind(StrEnum):
    """What a number named log_e is the logarithm of, and so whether it may be multiplied.

    E_VALUE: its mean is at most 1 while there is no effect, whenever one stops; those of
    independent data may be multiplied. P_VALUE: one over a p-value that holds at every look.
    E_DETECTOR: a Shiryaev-Roberts statistic, whose mean grows by 1 with each record while nothing
    changes. Neither of these two may be multiplied. UNKNOWN: there is no evidence yet, or whoever
    wrote it had no such field.
    """

    UNKNOWN = "UNKNOWN"
    E_VALUE = "E_VALUE"
    P_VALUE = "P_VALUE"
    E_DETECTOR = "E_DETECTOR"


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
