"""Reads the journal of one partition and checks that it is a chain: each entry begins where the one
before it ended.
"""

from array import array
from collections import defaultdict
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import BROADCASTS, INPUTS, JOURNAL, POLICIES, TRUST_LEVELS
from schemas.codec.framing import Codec
from schemas.records import JournalEntry, Step
from schemas.refusals import DecodeError
from streams.kafka.reading import end_offsets, read, start_offsets
from streams.operations.audit.checks import Check
from streams.runtime.settings import Settings

_COUNTERS = ("applied", "duplicates", "forwarded", "dead_letters")


def _longs() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Slices:
    """The slices of one input in the order of the journal: [first, next) was applied by the entry
    at this index.
    """

    firsts: "array[int]" = field(default_factory=_longs)
    nexts: "array[int]" = field(default_factory=_longs)
    entries: "array[int]" = field(default_factory=_longs)


@dataclass(slots=True)
class History:
    """The journal of one partition, by columns, because a journal is kept for ever."""

    partition: int
    end: int = 0  # of the journal's log, when it was read
    last: JournalEntry | None = None
    numbers: "array[int]" = field(default_factory=_longs)
    fates: "array[int]" = field(default_factory=_longs)  # records that each entry says it gave one
    slices: dict[str, Slices] = field(default_factory=lambda: defaultdict(Slices))

    @property
    def next_offsets(self) -> dict[str, int]:
        return dict(self.last.next_offsets) if self.last is not None else {}


def history(
    settings: Settings, codec: Codec, client: AdminClient, partition: int, check: Check
) -> History:
    """Reads a journal to its end; what is wrong with it is found by `check`."""
    part = TopicPartition(JOURNAL, partition)
    found = History(partition, end_offsets(client, [part])[part])
    start = start_offsets(client, [part])[part]
    if start:
        check.find(f"{JOURNAL}/{partition} begins at offset {start}: what stood before is gone")
    for batch in read(settings, {(JOURNAL, partition): (start, found.end)}):
        for message in batch:
            where = f"{JOURNAL}/{partition} offset {message.offset()}"
            try:
                entry = codec.decode("JournalEntry", message.value())
            except DecodeError as error:
                check.find(f"{where} cannot be read: {error.sentence}")
                continue
            assert isinstance(entry, JournalEntry)
            _follow(found, entry, where, check)
    return found


def _follow(found: History, entry: JournalEntry, where: str, check: Check) -> None:
    """Takes an entry in. After a fault it goes on from what the entry says, so that one fault is
    one finding.
    """
    before = found.last
    number = before.number if before is not None else 0
    name = f"partition {found.partition}, entry {entry.number} ({where})"
    if entry.number != number + 1:
        check.find(f"{name} follows entry {number}: " + _missing(number, entry.number))
    if entry.partition != found.partition:
        check.find(f"{name} is of partition {entry.partition}")
    _check_steps(found, entry, name, check)
    for counter in _COUNTERS:
        earlier = getattr(before, counter) if before is not None else 0
        if getattr(entry, counter) < earlier:
            check.find(f"{name}: {counter} went back from {earlier} to {getattr(entry, counter)}")
    if before is not None and entry.now < before.now:
        check.find(f"{name}: its time went back from {before.now} to {entry.now}")
    found.numbers.append(entry.number)
    found.fates.append(_fates(entry) - (_fates(before) if before is not None else 0))
    found.last = entry


def _missing(before: int, after: int) -> str:
    if after <= before:
        return "a number comes again"
    return (
        f"entry {before + 1} is missing"
        if after == before + 2
        else f"entries {before + 1} to {after - 1} are missing"
    )


def _check_steps(found: History, entry: JournalEntry, name: str, check: Check) -> None:
    """Each slice begins at or after the end of the last one of its topic (transaction markers may
    stand between).
    """
    position = found.next_offsets
    broadcast = _broadcast(found.last) if found.last is not None else dict.fromkeys(BROADCASTS, 0)
    for step in entry.steps:
        after = broadcast[step.topic] if step.topic in BROADCASTS else position.get(step.topic, 0)
        if step.topic not in (*INPUTS, *BROADCASTS):
            check.find(f"{name}: {step.topic} is no input")
            continue
        if step.first_offset < after:
            check.find(f"{name}: {step.topic} went back from {after} to {step.first_offset}")
        if step.next_offset < step.first_offset:
            check.find(
                f"{name}: its slice of {step.topic} from {step.first_offset} ends at "
                f"{step.next_offset}"
            )
        if step.topic in BROADCASTS:
            broadcast[step.topic] = step.next_offset
        else:
            position[step.topic] = step.next_offset
            _note(found, step)
    if position != entry.next_offsets:
        check.find(
            f"{name}: its slices end at {position}, its next offsets say {entry.next_offsets}"
        )
    if broadcast != _broadcast(entry):
        check.find(
            f"{name}: what is broadcast was applied up to {broadcast}, it says {_broadcast(entry)}"
        )


def _broadcast(entry: JournalEntry) -> dict[str, int]:
    return {POLICIES: entry.broadcast_offset, TRUST_LEVELS: entry.levels_offset}


def _note(found: History, step: Step) -> None:
    slices = found.slices[step.topic]
    aside = step.first_offset == step.next_offset  # the record before it was set aside or skipped
    slices.firsts.append(step.first_offset - 1 if aside else step.first_offset)
    slices.nexts.append(step.next_offset)
    slices.entries.append(len(found.numbers))


def _fates(entry: JournalEntry) -> int:
    return entry.applied + entry.duplicates + entry.forwarded + entry.dead_letters
