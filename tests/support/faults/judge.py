"""Holds what a read_committed reader finds after a run against the same log folded in one piece.

The invariants are numbered as in the text on reliability: I1 outputs equal, I2 none twice, I3
journal, group and tables agree, I4 each input record had one fate, I5 everything before `ends` was
taken in.
"""

from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path

from confluent_kafka import Message, TopicPartition

from agents.flow.ingress import FORWARDED_FROM
from schemas.catalog import (
    ADVICE,
    COMMANDS,
    DEAD_LETTERS,
    DECISIONS,
    FAILURES,
    INPUTS,
    PATTERN_FACTS,
    TOPICS,
)
from schemas.records import JournalEntry
from state.partition.partition_state import PartitionState
from streams.history.replay import main as replay
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, committed
from streams.kafka.stored_records import messages
from streams.runtime.settings import Settings
from tests.support.faults.case import Harm
from tests.support.faults.reference import Found, Mend, folded
from tests.support.kafka.logs import CODEC, Place, headers, journal

FEWEST_COMMANDS = 6  # with fewer, a run that lost all of them would look well
TABLES = tuple(PartitionState(0, 1).all())
OUTPUTS = (DECISIONS, *COMMANDS.values(), FAILURES, PATTERN_FACTS, ADVICE)


def judged(settings: Settings, ends: Mapping[Place, int], mend: Mend = list) -> Harm:
    """Counts every difference, and prints each; `ends` are the ends of all inputs that were to be
    taken in.

    mend: what outputs and rows must come of, if not of the log as it is.
    AssertionError where the log gives too few commands to say anything.
    """
    entries = journal(settings)
    nexts = {
        (topic, p): offset
        for p, each in entries.items()
        if each
        for topic, offset in each[-1].next_offsets.items()
    }
    upto = nexts | {place: max(end, nexts.get(place, 0)) for place, end in ends.items()}
    expected, found = folded(settings, upto, mend), _standing(settings)
    commands = len(expected.commands())
    assert commands >= FEWEST_COMMANDS, (
        f"{commands} commands come of this log: too few to say anything"
    )
    wrong = [
        *_other_outputs(expected, found),
        *_other_rows(expected, found),
        *_disagreements(settings, entries, nexts),
        *_fateless(settings, entries, nexts),
        *(
            f"{place} ends at {nexts.get(place, 0)}, not {end}"
            for place, end in ends.items()
            if nexts.get(place, 0) < end
        ),
    ]
    lost = sorted(expected.commands() - found.commands())
    twice = [who for who, records in found.outputs.items() for _ in records[1:]]
    for what in (*(f"lost: {who}" for who in lost), *(f"twice: {who}" for who in twice), *wrong):
        print(what)
    return Harm(len(lost), len(twice), len(wrong))


def replayed(settings: Settings, directory: Path) -> Harm:
    """Log and journal folded again by the product's own replay; what it says goes to a file."""
    with (directory / "replay.log").open("w") as said, redirect_stdout(said):
        return Harm(wrong=replay(settings))


def _standing(settings: Settings) -> Found:
    """What stands in the topics of outputs and tables."""
    found = Found()
    for message in _messages(settings, *OUTPUTS, *TABLES):
        topic, partition = message.topic() or "", message.partition() or 0
        name, value = TOPICS[topic].record, message.value()
        assert name is not None
        if topic in TABLES:
            found.put_row(topic, partition, (message.key() or b"").decode(), value)
        else:
            found.add_output(CODEC.decode(name, value))
    return found


def _messages(settings: Settings, *topics: str) -> Iterator[Message]:
    return messages(settings, admin(settings), topics, range(settings.partitions))


def _other_outputs(expected: Found, found: Found) -> Iterator[str]:
    for who, records in found.outputs.items():
        right = expected.outputs.get(who)
        if right is None:
            yield f"{who} follows from no record"
        elif any(record != right[0] for record in records):
            yield f"{who} is {records}, not {right}"
    yield from (
        f"{who} is missing"
        for who in expected.outputs.keys() - found.outputs.keys() - expected.commands()
    )


def _other_rows(expected: Found, found: Found) -> Iterator[str]:
    for row in expected.rows.keys() | found.rows.keys():
        if expected.rows.get(row) != found.rows.get(row):
            yield f"row {row} is {found.rows.get(row)}, not {expected.rows.get(row)}"


def _disagreements(
    settings: Settings, entries: Mapping[int, list[JournalEntry]], nexts: Mapping[Place, int]
) -> Iterator[str]:
    """Journal against the group's offsets, and the numbers of its entries."""
    offsets = group_offsets(settings)
    if offsets != nexts:
        yield f"the journal ends at {nexts}, the group at {offsets}"
    for p, each in entries.items():
        if (numbers := [entry.number for entry in each]) != list(range(1, len(each) + 1)):
            yield f"journal {p} counts {numbers}"


def group_offsets(settings: Settings) -> dict[Place, int]:
    """The group's next offsets, asked for without joining it."""
    consumer = backend_of(settings).consumer(
        settings.client(**{"group.id": settings.group, "isolation.level": "read_committed"})
    )
    try:
        parts = [TopicPartition(topic, p) for topic in INPUTS for p in range(settings.partitions)]
        return committed(consumer, parts, settings)
    finally:
        consumer.close()


def _fateless(
    settings: Settings, entries: Mapping[int, list[JournalEntry]], nexts: Mapping[Place, int]
) -> Iterator[str]:
    """The counters against the records themselves."""
    lasts = [each[-1] for each in entries.values() if each]
    letters = sum(1 for each in _messages(settings, DEAD_LETTERS) if _whence(each) in INPUTS)
    delivered = forwarded = 0
    for each in _messages(settings, *INPUTS):
        delivered += (each.offset() or 0) < nexts.get(
            (each.topic() or "", each.partition() or 0), 0
        )
        forwarded += any(name == FORWARDED_FROM for name, _ in headers(each))
    counted = sum(
        last.applied + last.duplicates + last.forwarded + last.dead_letters for last in lasts
    )
    if counted != delivered:
        yield f"{delivered} records had {counted} fates"
    if (dead := sum(last.dead_letters for last in lasts)) != letters:
        yield f"{letters} dead letters stand, {dead} are counted"
    if (sent_on := sum(last.forwarded for last in lasts)) != forwarded:
        yield f"{forwarded} records came from another partition, {sent_on} are counted"


def _whence(letter: Message) -> str:
    """The topic that a dead letter came from; policies are counted nowhere, having no partition of
    ours.
    """
    return (dict(headers(letter)).get("__streams.errors.topic") or b"").decode()
