"""Why a record is refused: reason codes for counters and dead letters, and the sentence a person
reads.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The codes. They are few and fixed, so that they can label a metric."""

    TOMBSTONE = "TOMBSTONE"  # no value
    TOO_LARGE = "TOO_LARGE"
    NOT_FRAMED = "NOT_FRAMED"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    TRUNCATED = "TRUNCATED"
    UNDECODABLE = "UNDECODABLE"
    TRAILING_BYTES = "TRAILING_BYTES"
    BAD_UTF8 = "BAD_UTF8"
    EMPTY_FIELD = "EMPTY_FIELD"
    TOO_LONG = "TOO_LONG"
    CONTROL_CHARACTER = "CONTROL_CHARACTER"
    BAD_COUNT = "BAD_COUNT"
    NOT_FINITE = "NOT_FINITE"
    NEGATIVE_SQUARES = "NEGATIVE_SQUARES"
    UNKNOWN_KIND = "UNKNOWN_KIND"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    FUTURE = "FUTURE"
    NEGATIVE_TIME = "NEGATIVE_TIME"
    TOO_EARLY = "TOO_EARLY"
    TIME_UNIT = "TIME_UNIT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DUPLICATE_NAME = "DUPLICATE_NAME"
    NO_TREATMENTS = "NO_TREATMENTS"
    CONTROL_TREATED = "CONTROL_TREATED"
    BAD_SHARES = "BAD_SHARES"
    BAD_TEMPLATE = "BAD_TEMPLATE"
    UNKNOWN_METRIC = "UNKNOWN_METRIC"  # of an alert rule
    TOO_MANY_SUBJECTS = "TOO_MANY_SUBJECTS"
    TOO_MANY_NAMES = "TOO_MANY_NAMES"


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One record of a batch: its index in the batch as given, a Reason (or another room's code), a
    sentence.
    """

    index: int
    reason: str
    sentence: str


class DecodeError(Exception):
    """Bytes that are not the record they should be. Theirs, not ours: a dead letter."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
