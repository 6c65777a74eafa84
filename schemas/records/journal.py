"""What the engine keeps of itself: time, the order of what was applied, dead letters written
back.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passing in a partition, written by its owner."""

    partition: int
    ticked_at: int


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
    """Dead letters that one transaction wrote back to their inputs; none of them is redriven
    again.
    """

    partition: int  # of the dead letter topic
    offsets: tuple[int, ...]  # of the letters, ascending
    redriven_at: int
