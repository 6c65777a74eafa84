"""What folding a slice asks the shell to do, all in the transaction that holds the slice's offsets."""

from dataclasses import dataclass

from schemas.refusals import Refused
from schemas.wire import Record


@dataclass(frozen=True, slots=True)
class Output:
    """A record to write to a topic under the key `key`; at: its moment, ms."""

    topic: str
    key: str
    event_id: str
    record: Record
    at: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Record `index` of the slice belongs to another partition of its topic."""

    index: int
    partition: int
    subject: str


@dataclass(frozen=True, slots=True)
class Effects:
    """Every data record of the slice is applied, a duplicate, forwarded or refused: the counts add up to them."""

    outputs: tuple[Output, ...] = ()
    forwards: tuple[Forward, ...] = ()
    refused: tuple[Refused, ...] = ()
    applied: int = 0
    duplicates: int = 0

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for what is in here."""
        return bool(self.outputs)
