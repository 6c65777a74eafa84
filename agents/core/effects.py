"""Holds what folding a slice asks the shell to do, all in the transaction that holds the slice's
offsets.
"""

from dataclasses import dataclass

from schemas.catalog import (
    ADVICE,
    CYCLES,
    FAILURES,
    LEARNING_FACTS,
    PATTERN_FACTS,
    POINTS,
    TRANSITIONS,
    TRUST_FACTS,
    TRUST_LEVELS,
)
from schemas.codec.framing import Record
from schemas.records import Decision, Outcome
from schemas.refusals import RefusedRecord

# Steps on the way to something, and what people read at leisure. Were each of them committed at
# once, a failure would cost
# four commits, and the next command would wait for three of them.
_STEPS = frozenset(
    (
        PATTERN_FACTS,
        TRUST_FACTS,
        LEARNING_FACTS,
        ADVICE,
        FAILURES,
        CYCLES,
        TRUST_LEVELS,
        TRANSITIONS,
        POINTS,
    )
)


_ACTED_ON = (Outcome.ISSUED, Outcome.AWAITING_APPROVAL, Outcome.AWAITING_ADMISSION)


@dataclass(frozen=True, slots=True)
class Output:
    """A record to write to a topic under the key `key`; at: its moment, ms."""

    topic: str
    key: str
    event_id: str
    record: Record
    at: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a well-formed record cannot be applied: a code and a sentence."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Record `index` of the slice belongs to another partition of its topic."""

    index: int
    partition: int
    subject: str


@dataclass(frozen=True, slots=True)
class Effects:
    """Every data record of the slice is applied, a duplicate, forwarded or refused: the counts add
    up to them.
    """

    outputs: tuple[Output, ...] = ()
    forwards: tuple[Forward, ...] = ()
    refused: tuple[RefusedRecord, ...] = ()
    applied: int = 0
    duplicates: int = 0

    @property
    def urgent(self) -> bool:
        """Returns whether somebody waits for what is in here; the rest is written with the rows,
        ten times a second.
        """
        return any(_awaited(output) for output in self.outputs)


def _awaited(output: Output) -> bool:
    if output.topic in _STEPS:
        return False
    record = output.record
    return not isinstance(record, Decision) or record.outcome in _ACTED_ON
